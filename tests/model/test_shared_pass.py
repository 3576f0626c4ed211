"""Rows of several methods in one pass write, token for token, what each writes alone."""

from dataclasses import replace

import pytest
import torch

from prefix_core.methods import TRAINED
from prefix_core.methods.method import Steered
from prefix_core.methods.prompt import steer
from prefix_core.methods.settings import TUNED
from prefix_core.model.base import Base
from prefix_core.model.shared_pass import SharedPass, one_pass
from prefix_core.tasks.task import Task
from prefix_core.writing.generate import Decoding, Request, stream, write
from tests.architectures import make_bases
from tests.model.test_packed_batch import loud_prefixes


@pytest.fixture(scope="module", params=["gpt2", "llama", "qwen2"])
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Base:
    return make_bases(tmp_path_factory.mktemp, [request.param])[request.param]


def methods(base: Base, task: Task) -> list[Steered]:
    """Every method that leaves the frozen network as it is or most of it, changed enough to be seen."""
    found = [Steered("prefix", base.writer, loud_prefixes(base)[0]), steer(base, task), steer(base, task, 2)]
    for method, settings in (
        ("adapter", replace(TUNED["adapter"], adapter_share=0.2)),
        ("adapter", replace(TUNED["adapter"], adapter_share=0.1)),
        ("top_layers", TUNED["top_layers"]),
    ):
        adaptation = TRAINED[method].start(base, settings)
        torch.manual_seed(len(found))
        moved = {name: tensor + 0.2 * torch.randn_like(tensor) for name, tensor in adaptation.kept().items()}
        found.append(TRAINED[method].steer(base, moved))
    return found


@pytest.mark.parametrize("beams", [1, 3])
def test_a_mixed_batch_writes_what_each_method_writes_alone(base: Base, e2e: Task, beams: int) -> None:
    every = methods(base, e2e)
    requests = [Request(steered, e2e, e2e.pool()[place].source) for place in (0, 3) for steered in every]
    decoding = Decoding(max_new_tokens=16, beams=beams)
    alone = [write(base, [request], decoding)[0] for request in requests]
    assert write(base, requests, decoding) == alone
    assert len(set(alone)) > len(alone) // 2  # the methods and the inputs matter
    shared = {event.pane: event.shared for event in stream(base, requests, decoding)}
    assert set(shared.values()) == {len(requests)}


def test_a_matrix_that_methods_share_is_read_once(base: Base, e2e: Task) -> None:
    """Of four methods' rows the lower layers multiply all at once, the top two those of FT-top2 apart."""
    every = methods(base, e2e)
    network = one_pass([steered.network for steered in every], [1] * len(every))
    assert isinstance(network, SharedPass) and network.rows == (3, 1, 1, 1)
    top = len(network.networks[0].layers) - 2
    for index in range(top + 2):
        matrices = {id(each.layers[index].qkv) for each in network.networks}
        assert len(matrices) == (1 if index < top else 2)
