"""Saved and read back the output is the same, by us and by PEFT; files from outside are checked before use."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

from prefix_core.artifacts import artifacts, delta, peft_format
from prefix_core.errors import ArtifactError
from prefix_core.methods import TRAINED
from prefix_core.methods.method import Steered
from prefix_core.methods.settings import TUNED
from prefix_core.model.base import Base
from prefix_core.model.loading import load_base
from prefix_core.places import SHIPPED
from prefix_core.tasks.task import Task
from prefix_core.training.train import Trained, train
from prefix_core.writing.engine import Shelf
from prefix_core.writing.generate import Request, write
from tests.conftest import make_gpt2


@pytest.fixture(scope="module")
def trained(tiny: Base, e2e: Task) -> dict[str, Trained]:
    """Every method after a few steps that move it far."""
    results = {}
    for method in TRAINED:
        settings = replace(TUNED[method], steps=8, batch=4, prefix_length=7, learning_rate=0.02)
        results[method] = list(train(tiny, e2e, method, e2e.pool()[:20], settings))[-1].result
    return results


def saved(base: Base, result: Trained, folder: Path) -> artifacts.Card:
    card = artifacts.describe(base, "e2e", result, {"name": "own", "inputs": 20})
    return artifacts.save(folder, base, result.kept, card)


def written(base: Base, steered: Steered, task: Task) -> list[str]:
    return write(base, [Request(steered, replace(task, finish=str), example.source) for example in task.pool()[:4]])


@pytest.mark.parametrize("method", TRAINED)
def test_what_is_saved_writes_the_same_when_read_back(
    tiny: Base, e2e: Task, trained: dict[str, Trained], method: str, tmp_path: Path
) -> None:
    result = trained[method]
    card = saved(tiny, result, tmp_path)
    steered, found = artifacts.load(tmp_path, tiny)
    assert found == card and card.bytes == sum(file.stat().st_size for file in tmp_path.glob("*.safetensors"))
    assert (steered.kept, steered.trained, steered.bytes) == (card.kept, card.trained, card.bytes)
    plain = written(tiny, Steered("prompt", tiny.writer), e2e)
    assert written(tiny, steered, e2e) != plain
    if method not in artifacts.WHOLE_LAYERS:
        assert written(tiny, steered, e2e) == written(tiny, result.steered, e2e)
    else:  # packed: as near as 8 bits are, see test_delta
        origin = TRAINED[method].origin(tiny)
        kept = delta.decompress(peft_format.read_tensors(artifacts.tensor_files(tmp_path)), origin)
        for name, tensor in kept.items():
            change = (result.kept[name] - origin[name]).norm()
            assert (tensor - result.kept[name]).norm() <= 0.01 * change
        assert card.full_bytes == 2 * card.kept
        smaller = artifacts.save(tmp_path, tiny, result.kept, card, delta.Packing(4))
        assert smaller.bytes < card.bytes < card.full_bytes
        assert artifacts.load(tmp_path, tiny)[0].bytes == smaller.bytes


def test_peft_reads_ours_and_writes_the_same(
    tiny: Base, tiny_folder: Path, e2e: Task, trained: dict[str, Trained], tmp_path: Path
) -> None:
    from peft import PeftModel

    saved(tiny, trained["prefix"], tmp_path)
    theirs = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_folder), tmp_path)
    ids = torch.tensor([tiny.encode(e2e.prompt(e2e.pool()[0].source))])
    out = theirs.generate(
        input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=e2e.max_new_tokens, do_sample=False,
        pad_token_id=0,
    )  # fmt: skip
    text = tiny.decode(out[0, ids.shape[1] :].tolist()).removesuffix("�")
    assert written(tiny, trained["prefix"].steered, e2e)[0] == text


@pytest.mark.parametrize("projection", [False, True])
def test_we_read_what_peft_saves_and_write_the_same(
    tiny: Base, tiny_folder: Path, e2e: Task, projection: bool, tmp_path: Path
) -> None:
    from peft import PrefixTuningConfig, TaskType, get_peft_model

    torch.manual_seed(3)
    config = PrefixTuningConfig(
        task_type=TaskType.CAUSAL_LM, num_virtual_tokens=5, prefix_projection=projection, encoder_hidden_size=24
    )
    theirs = get_peft_model(AutoModelForCausalLM.from_pretrained(tiny_folder), config).eval()
    with torch.no_grad():
        for parameter in theirs.prompt_encoder.parameters():
            parameter.mul_(3)
    theirs.save_pretrained(tmp_path)
    steered, card = artifacts.load(tmp_path, tiny)
    assert card.method == "prefix" and steered.prefix is not None and steered.prefix.length == 5
    ids = torch.tensor([tiny.encode(e2e.prompt(e2e.pool()[0].source))])
    out = theirs.generate(
        input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=e2e.max_new_tokens, do_sample=False,
        pad_token_id=0,
    )  # fmt: skip
    assert written(tiny, steered, e2e)[0] == tiny.decode(out[0, ids.shape[1] :].tolist()).removesuffix("�")


def test_another_base_is_refused(tiny: Base, trained: dict[str, Trained], tmp_path: Path) -> None:
    other = load_base(str(make_gpt2(tmp_path / "other", layers=3)))
    for method, result in trained.items():
        saved(tiny, result, tmp_path / method)
        with pytest.raises(ArtifactError, match="was trained on base"):
            artifacts.load(tmp_path / method, other)


def test_a_prefix_of_pefts_own_is_for_the_base_that_it_names(
    tiny: Base, trained: dict[str, Trained], tmp_path: Path
) -> None:
    saved(tiny, trained["prefix"], tmp_path)
    (tmp_path / artifacts.CARD).unlink()
    config = tmp_path / peft_format.PEFT_CONFIG
    facts = json.loads(config.read_text())
    for name in (tiny.name, f"/elsewhere/{Path(tiny.name).name}", None):
        config.write_text(json.dumps(facts | {"base_model_name_or_path": name}))
        assert artifacts.load(tmp_path, tiny)[1].method == "prefix"
    config.write_text(json.dumps(facts | {"base_model_name_or_path": "somebody/other-model"}))
    with pytest.raises(ArtifactError, match="trained on 'somebody/other-model'"):
        artifacts.load(tmp_path, tiny)


def test_broken_and_foreign_files_are_refused_with_the_reason(
    tiny: Base, trained: dict[str, Trained], tmp_path: Path
) -> None:
    def copy(name: str) -> Path:
        return Path(shutil.copytree(tmp_path / "good", tmp_path / name))

    saved(tiny, trained["prefix"], tmp_path / "good")
    cut = copy("cut") / peft_format.PEFT_WEIGHTS
    cut.write_bytes(cut.read_bytes()[:-40])
    shaped, infinite, named = (copy(name) / peft_format.PEFT_WEIGHTS for name in ("shaped", "infinite", "named"))
    save_file({"prompt_embeddings": torch.zeros(5, 8)}, shaped)
    width = tiny.shape.prefix_parameters(1)
    save_file({"prompt_embeddings": torch.full((5, width), torch.inf)}, infinite)
    save_file({"weights": torch.zeros(5, width)}, named)
    lora = copy("lora") / peft_format.PEFT_CONFIG
    lora.write_text(json.dumps({"peft_type": "LORA", "task_type": "CAUSAL_LM"}))
    (copy("card") / artifacts.CARD).write_text("{")
    for name, change in {"typed": {"trained": "many"}, "hashed": {"base_hash": 5}, "listed": {"method": ["x"]}}.items():
        card = copy(name) / artifacts.CARD
        card.write_text(json.dumps(json.loads(card.read_text()) | change))
    (copy("config") / peft_format.PEFT_CONFIG).write_text("[]")
    reasons = {
        "cut": "not a readable safetensors",
        "shaped": r"prompt_embeddings of \(length",
        "infinite": "not finite",
        "named": "holds weights",
        "lora": "only PREFIX_TUNING",
        "card": "no readable card",
        "typed": "trained is 'many'",
        "hashed": "base_hash is '5'",
        "listed": "method is",
        "config": "not a PEFT configuration",
        "absent": "no folder",
    }
    for name, reason in reasons.items():
        with pytest.raises(ArtifactError, match=reason):
            artifacts.load(tmp_path / name, tiny)


def test_weights_that_do_not_fit_are_refused(tiny: Base, trained: dict[str, Trained], tmp_path: Path) -> None:
    for method in ("fine_tune", "top_layers", "adapter"):
        card = saved(tiny, trained[method], tmp_path / method)
        some = dict(list(trained[method].kept.items())[:-1])
        artifacts.save(tmp_path / method, tiny, some, card)
        with pytest.raises(ArtifactError):
            artifacts.load(tmp_path / method, tiny)


def test_the_shelf_drops_the_least_used(tiny: Base, trained: dict[str, Trained], tmp_path: Path) -> None:
    folders = []
    for number in range(3):
        folders.append(tmp_path / str(number))
        saved(tiny, trained["top_layers"], folders[-1])
    size = 4 * trained["top_layers"].steered.kept
    shelf = Shelf(tiny, room=2 * size)
    first = shelf.get(folders[0])
    shelf.get(folders[1])
    assert shelf.get(folders[0]) is not None and shelf.get(folders[0])[0] is first[0]
    shelf.get(folders[2])
    assert list(shelf.held) == [folders[0], folders[2]]


def test_of_whole_models_one_is_held_at_a_time(tiny: Base, trained: dict[str, Trained], tmp_path: Path) -> None:
    for number, method in enumerate(("fine_tune", "prefix", "fine_tune")):
        saved(tiny, trained[method], tmp_path / str(number))
    shelf = Shelf(tiny)
    for number in range(3):
        shelf.get(tmp_path / str(number))
    assert [path.name for path in shelf.held] == ["1", "2"]
    assert shelf.taken == sum(size for *_, size in shelf.held.values())


def test_shipped_artifacts_are_listed_by_base_task_and_method(
    tiny: Base, trained: dict[str, Trained], tmp_path: Path
) -> None:
    folder = artifacts.folder_of(tiny, "e2e", "prefix", tmp_path)
    saved(tiny, trained["prefix"], folder)
    assert {path: card.method for path, card in artifacts.shipped(tmp_path).items()} == {folder: "prefix"}


def test_saving_replaces_its_own_files_and_no_others(tiny: Base, trained: dict[str, Trained], tmp_path: Path) -> None:
    for name in ("model.safetensors", "checkpoint.safetensors"):
        save_file({"x": torch.zeros(1)}, tmp_path / name)
    saved(tiny, trained["prefix"], tmp_path)
    card = saved(tiny, trained["adapter"], tmp_path)
    assert (tmp_path / "model.safetensors").exists() and (tmp_path / "checkpoint.safetensors").exists()
    assert not (tmp_path / peft_format.PEFT_WEIGHTS).exists() and not (tmp_path / peft_format.PEFT_CONFIG).exists()
    steered, found = artifacts.load(tmp_path, tiny)
    assert (steered.kept, found.bytes) == (card.kept, card.bytes)


def test_all_that_is_shipped_for_a_base_stays_small() -> None:
    sizes: dict[str, int] = {}
    for folder in artifacts.shipped(SHIPPED):
        sizes[folder.parts[-3]] = sizes.get(folder.parts[-3], 0) + artifacts.stored_bytes(folder)
    assert sizes and all(size < 130_000_000 for size in sizes.values()), sizes
