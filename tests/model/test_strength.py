"""A prefix weaker, stronger, or in some layers only, against what that must be the same as."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from prefix_core.errors import InputError
from prefix_core.methods.method import Steered
from prefix_core.model import reading
from prefix_core.model.base import Base
from prefix_core.model.prefix import Prefix, stack
from prefix_core.model.reading import forward
from tests.architectures import loud, reference, written

KINDS = ["gpt2", "llama", "gemma3_text", "t5", "bart"]
INPUTS = [[5, 9, 30, 7, 7, 81, 12], [12], [8, 200, 41], [44, 45, 46, 47]]
TEXT = [3, 90, 17, 4]
LENGTH = 5
Place = Callable[[int], None]


@pytest.fixture(params=KINDS)
def base(request: pytest.FixtureRequest, bases: dict[str, Base]) -> Base:
    return bases[request.param]


@pytest.fixture
def placed(monkeypatch: pytest.MonkeyPatch) -> Place:
    """Make every row stand where it would behind a prefix of that length, whatever its own."""

    def place(length: int) -> None:
        def at_length(prefixes: list[Prefix | None], *others: object) -> object:
            stacked = stack(prefixes, *others)  # type: ignore[arg-type]
            return replace(stacked, lengths=torch.full_like(stacked.lengths, length))

        monkeypatch.setattr(reading, "stack", at_length)

    return place


def of_base(base: Base, row: list[int]) -> list[int]:
    return [*base.before, *row, *base.after] if base.begin else row


@torch.no_grad()
def logits(base: Base, prefix: Prefix | None) -> Tensor:
    inputs = [of_base(base, row) for row in INPUTS]
    return base.network.logits(forward(base, base.network, inputs, [[TEXT]] * len(inputs), [prefix] * len(inputs))[1])


def test_at_one_nothing_is_computed_otherwise(base: Base) -> None:
    prefix = loud(base)
    assert stack([prefix.acting(1.0), None], base.shape, base.network.tokens).shift is None
    assert torch.equal(logits(base, prefix.acting(1.0)), logits(base, prefix))


def test_at_zero_the_model_writes_without_it_at_the_same_positions(base: Base, placed: Place) -> None:
    hidden = logits(base, loud(base).acting(0.0))
    if base.config.model_type in ("llama", "gemma3_text", "t5"):  # distances count there, not places
        torch.testing.assert_close(hidden, logits(base, None), rtol=1e-4, atol=1e-4)
    placed(LENGTH)
    plain = logits(base, None)
    torch.testing.assert_close(hidden, plain, rtol=1e-4, atol=1e-4)
    assert (logits(base, loud(base)) - plain).abs().max() > 0.1


def test_at_two_it_counts_as_if_it_stood_there_twice(base: Base, placed: Place) -> None:
    prefix = loud(base)
    stronger = logits(base, prefix.acting(2.0))
    placed(LENGTH)
    twice = Prefix(*(part.repeat_interleave(2, 1) for part in (prefix.keys, prefix.values)))
    torch.testing.assert_close(stronger, logits(base, twice), rtol=1e-4, atol=1e-4)
    assert (stronger - logits(base, prefix)).abs().max() > 0.01


@pytest.mark.parametrize("beams", [1, 3], ids=["greedy", "beam"])
def test_a_mixed_batch_writes_for_each_row_what_it_gets_alone(base: Base, beams: int) -> None:
    """Rows end at different steps, so that others take their places."""
    strengths, counts = [0.5, 1.0, 0.0, 3.0], [LENGTH, 0, 17, 1]
    prefixes = [
        loud(base, count, seed).acting(strength) if count else None
        for seed, (strength, count) in enumerate(zip(strengths, counts, strict=True))
    ]
    rows = [(of_base(base, row), prefix) for row, prefix in zip(INPUTS, prefixes, strict=True)]
    assert written(base, rows, 10, beams) == [written(base, [row], 10, beams)[0] for row in rows]


@torch.no_grad()
def test_in_some_layers_it_acts_there_alone(bases: dict[str, Base]) -> None:
    base = bases["llama"]
    prefix, tokens = loud(base), INPUTS[0]
    found = []
    for layer in (0, 1):
        model = reference(base, prefix)
        model.model.layers[1 - layer].self_attn.reference = None
        places = torch.arange(LENGTH, LENGTH + len(tokens))[None]
        theirs = model(torch.tensor([tokens]), position_ids=places).logits[0, -1]
        states = forward(base, base.network, [tokens], [[[]]], [prefix.acting(1.0, range(layer, layer + 1))])[1]
        torch.testing.assert_close(base.network.logits(states)[0], theirs, rtol=1e-4, atol=1e-4)
        found.append(theirs)
    assert (found[0] - found[1]).abs().max() > 0.01
    torch.testing.assert_close(logits(base, prefix.acting(1.0, range(2))), logits(base, prefix))


@torch.no_grad()
def test_an_infix_at_zero_is_hidden_too(bases: dict[str, Base]) -> None:
    base = bases["llama"]
    infix = replace(loud(base), infix=True)
    assert (logits(base, infix) - logits(base, None)).abs().max() > 0.1
    at_places = logits(base, replace(infix, values=torch.zeros_like(infix.values), keys=infix.keys - 1e4).acting(0.0))
    assert torch.equal(logits(base, infix.acting(0.0)), at_places)  # whatever it holds


def test_what_cannot_be_is_refused(bases: dict[str, Base]) -> None:
    base = bases["llama"]
    steered = Steered("prefix", base.writer, loud(base))
    assert steered.acting() is steered
    for strength in (-1.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match="0 or more"):
            steered.acting(strength)
    for span in (range(0, 3), range(1, 1), range(-1, 1)):
        with pytest.raises(InputError, match="layers 1 to 2"):
            steered.acting(1.0, span)
    with pytest.raises(InputError, match="adapter has none"):
        Steered("adapter", base.writer).acting(2.0)
    with pytest.raises(InputError, match="three kinds"):
        Steered("prefix", bases["bart"].writer, loud(bases["bart"])).acting(1.0, range(0, 1))
