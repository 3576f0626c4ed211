"""Several processes train as one: the same losses, the same prefix; one writes. A batch in parts is the same step."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from prefix_core.artifacts import artifacts
from prefix_core.cli import main
from prefix_core.errors import InputError
from prefix_core.methods import TRAINED
from prefix_core.methods.settings import TUNED, Settings
from prefix_core.model.base import Base
from prefix_core.tasks import get_task
from prefix_core.tasks.task import Task
from prefix_core.training.batches import encode_pairs
from prefix_core.training.loss import learn
from prefix_core.training.train import TrainingEvent, train
from prefix_core.training.workers import ALONE, Workers, join

ROOT = Path(__file__).parents[2]
LAUNCH = [
    sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_machines", "1", "--mixed_precision", "no",
    "--dynamo_backend", "no", "--main_process_port", "0", "--num_processes",
]  # fmt: skip


def settings(method: str, **changes) -> Settings:
    return replace(TUNED[method], steps=6, batch=7, together=3, prefix_length=6, mlp_width=16, **changes)


def run(base: Base, method: str, workers: Workers = ALONE) -> list[TrainingEvent]:
    task = get_task("e2e")
    pool = task.pool()
    return list(train(base, task, method, pool[:8], settings(method), pool[20:60], held_out_every=3, workers=workers))


def losses(events: list[TrainingEvent]) -> list[float]:
    return [loss for event in events for loss in (event.loss, event.held_out_loss or 0.0)]


SCRIPT = """
import json, sys
from prefix_core.model.loading import load_base
from prefix_core.training.workers import join
from tests.training.test_workers import losses, run

workers, base = join("cpu"), load_base(sys.argv[1])
found = {method: losses(run(base, method, workers)) for method in ("prefix", "fine_tune")}
open(f"{sys.argv[2]}/{workers.rank} of {workers.count}.json", "w").write(json.dumps(found))
"""


def launch(count: int, *command: str) -> None:
    """What `accelerate launch` runs in so many processes on this processor."""
    done = subprocess.run([*LAUNCH, str(count), *command], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


def test_two_processes_have_the_losses_of_one(tiny: Base, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{SCRIPT}")
    launch(2, str(tmp_path / "script.py"), tiny.name, str(tmp_path))
    told = [json.loads((tmp_path / f"{rank} of 2.json").read_text()) for rank in range(2)]
    assert told[0] == told[1]
    for method, found in told[0].items():
        assert found == pytest.approx(losses(run(tiny, method)), abs=1e-4)


def test_the_command_line_under_accelerate_writes_once_what_it_writes_alone(
    tiny: Base, e2e: Task, tmp_path: Path
) -> None:
    rows = [f'"{e2e.linearize(example.source)}","{text}"' for example in e2e.pool()[:8] for text in example.references]
    (tmp_path / "rows.csv").write_text("mr,ref\n" + "\n".join(rows) + "\n")
    command = ["train", "--base", tiny.name, "--data", str(tmp_path / "rows.csv"), "--steps", "4", "--batch", "5"]
    command += ["--length", "4", "--accumulate", "2", "--out"]
    assert main([*command, str(tmp_path / "alone")]) == 0
    launch(2, "-m", "prefix_core", *command, str(tmp_path / "together"))
    alone, together = (artifacts.load(tmp_path / name, tiny)[0].prefix for name in ("alone", "together"))
    assert torch.allclose(alone.keys, together.keys, atol=1e-4) and torch.allclose(
        alone.values, together.values, atol=1e-4
    )
    files = [sorted(path.name for path in (tmp_path / name).iterdir()) for name in ("alone", "together")]
    assert files[0] == files[1]


@pytest.mark.parametrize("method", TRAINED)
def test_a_batch_in_parts_leaves_the_gradients_of_the_whole(tiny: Base, e2e: Task, method: str) -> None:
    batch = encode_pairs(tiny, e2e, e2e.pool()[:5], 6)[:11]
    means, gradients = [], []
    for parts in (1, 3, 40):
        adaptation = TRAINED[method].start(tiny, settings(method))
        means.append(learn(tiny, adaptation, batch, parts))
        gradients.append(torch.cat([p.grad.flatten() for p in adaptation.parameters() if p.grad is not None]))
    assert means[1:] == pytest.approx([means[0]] * 2, rel=1e-5)
    assert all((some - gradients[0]).abs().max() <= 1e-4 * gradients[0].abs().max() for some in gradients)


def test_shares_are_all_there_is_and_neighbours_stay_together() -> None:
    things = list(range(11))
    for count in (1, 2, 3, 20):
        shares = [Workers(rank, count).share(things) for rank in range(count)]
        assert [thing for share in shares for thing in share] == things
        assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_a_process_that_was_not_launched_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert join("cpu") is ALONE and ALONE.first
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with pytest.raises(InputError, match="pip install accelerate"):
        join("cpu")
    with pytest.raises(InputError, match="accumulate"):
        Settings(accumulate=0)
