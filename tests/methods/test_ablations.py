"""The paper's ablations (sections 7.2, 7.3), embeddings alone and infix, on every decoder, against `transformers`."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, DynamicCache

from prefix_core.artifacts import artifacts, peft_format
from prefix_core.cli import main
from prefix_core.errors import ArtifactError, InputError
from prefix_core.methods import TRAINED
from prefix_core.methods.settings import TUNED, Settings
from prefix_core.model.base import Base
from prefix_core.model.prefix import Prefix
from prefix_core.model.reading import forward
from prefix_core.tasks.task import Task
from prefix_core.training.batches import encode_pairs
from prefix_core.training.loss import mean_loss
from prefix_core.training.train import Trained, train
from prefix_core.writing.generate import Request, stream, write
from tests.architectures import DECODERS, ENCODER_DECODERS, loud, make_base, written

COUNT, LENGTH = 10, 6
INPUTS = [[5, 9, 30, 7, 7, 81, 12], [12], [8, 200, 41], [44, 45, 46, 47]]
VARIANTS = ("infix", "embedding")


@pytest.fixture(params=DECODERS)
def base(request: pytest.FixtureRequest, bases: dict[str, Base]) -> Base:
    return bases[request.param]


def settings(variant: str, **changes) -> Settings:
    start = {"variant": variant, "prefix_length": LENGTH, "mlp_width": 16, "initial_words": "name: a pub"}
    return replace(TUNED["prefix"], **{**start, **changes})


def mixed(base: Base) -> list[Prefix | None]:
    return [loud(base, 5, infix=True), loud(base, 17), None, loud(base, 3, infix=True, seed=2)]


@torch.no_grad()
def logits(base: Base, rows: list[list[int]], texts: list[list[list[int]]], prefixes: list[Prefix | None]):
    return base.network.logits(forward(base, base.network, rows, texts, prefixes)[1])


@torch.no_grad()
@pytest.mark.parametrize("words", ["name: a pub", ""])
def test_the_keys_and_values_of_embeddings_are_those_of_inputs_embeds(base: Base, words: str) -> None:
    adaptation = TRAINED["prefix"].start(base, settings("embedding", initial_words=words))
    adaptation.encoder.added.add_(torch.randn(adaptation.encoder.added.shape))
    model = AutoModelForCausalLM.from_pretrained(base.name)
    row, text = INPUTS[0], [3, 4, 90]
    spelled = model.get_input_embeddings()(torch.tensor([row + text]))
    whole = torch.cat([adaptation.encoder.embeddings[None], spelled], 1)
    expected = model(inputs_embeds=whole).logits[0, LENGTH + len(row) - 1 :]
    found = logits(base, [row], [[text]], [Prefix(**adaptation.kept())])
    assert (found - expected).abs().max() <= 2e-5 * expected.abs().max()


def infix_in_the_cache(model, tokens: list[int], infix: Prefix, layers: int) -> tuple[DynamicCache, torch.Tensor]:
    """All but an input's last token, then the infix, in a cache; and the position that follows."""
    cache = DynamicCache()
    if tokens[:-1]:
        model(torch.tensor([tokens[:-1]]), past_key_values=cache)
    for layer in range(layers):
        cache.update(*(part[layer].transpose(0, 1)[None] for part in (infix.keys, infix.values)), layer)
    return cache, torch.tensor([len(tokens) - 1 + infix.length])


@torch.no_grad()
@pytest.mark.parametrize("row", INPUTS[:2])
def test_an_infix_is_what_transformers_sees_between_input_and_output(base: Base, row: list[int]) -> None:
    model, text, infix = AutoModelForCausalLM.from_pretrained(base.name), [3, 4, 90], loud(base, 5, infix=True)
    cache, place = infix_in_the_cache(model, row, infix, base.shape.layers)
    seen = torch.tensor([[row[-1], *text]])
    positions = (place + torch.arange(seen.shape[1]))[None]
    mask = torch.ones(1, len(row) - 1 + infix.length + seen.shape[1], dtype=torch.long)
    expected = model(seen, attention_mask=mask, past_key_values=cache, position_ids=positions).logits[0]
    found = logits(base, [row], [[text]], [infix])
    assert (found - expected).abs().max() <= 2e-5 * expected.abs().max()
    if row[:-1]:  # and that is another thing than a prefix
        assert (logits(base, [row], [[text]], [replace(infix, infix=False)]) - found).abs().max() > 1e-2


def test_an_infix_shares_a_batch_with_prefixes(base: Base) -> None:
    texts = [[[3] * (2 + row)] for row in range(4)]
    together = logits(base, INPUTS, texts, mixed(base))
    alone = [logits(base, *([part[row]] for part in (INPUTS, texts, mixed(base)))) for row in range(4)]
    assert (together - torch.cat(alone)).abs().max() <= 2e-5 * together.abs().max()
    branched = logits(base, INPUTS[:2], [[[3, 4], [200], [17, 18, 19]], [[5]]], mixed(base)[:2])
    alone = [logits(base, INPUTS[:1], [[text]], mixed(base)[:1]) for text in ([3, 4], [200], [17, 18, 19])]
    assert (branched[:-2] - torch.cat(alone)).abs().max() <= 2e-5 * branched.abs().max()


@torch.no_grad()
@pytest.mark.parametrize("beams", [1, 4], ids=["greedy", "beam"])
def test_a_mixed_batch_is_written_as_each_row_alone_and_greedily_as_by_transformers(base: Base, beams: int) -> None:
    rows = list(zip(INPUTS, mixed(base), strict=True))
    found = written(base, rows, COUNT, beams)
    assert found == [written(base, [row], COUNT, beams)[0] for row in rows]
    if beams == 1:
        model, (tokens, infix) = AutoModelForCausalLM.from_pretrained(base.name), rows[0]
        cache, place = infix_in_the_cache(model, tokens, infix, base.shape.layers)
        expected, token, seen = [], tokens[-1], cache.get_seq_length()
        for step in range(COUNT):
            mask = torch.ones(1, seen + step + 1, dtype=torch.long)
            out = model(
                torch.tensor([[token]]), attention_mask=mask, past_key_values=cache, position_ids=place[None] + step
            )
            token = int(out.logits[0, -1].argmax())
            if token == base.end:
                break
            expected.append(token)
        assert found[0] == expected


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_part_gets_a_gradient(base: Base, e2e: Task, variant: str) -> None:
    adaptation = TRAINED["prefix"].start(base, settings(variant, mlp_width=None))
    pairs = encode_pairs(base, e2e, e2e.pool()[:3], LENGTH, infix=adaptation.infix)
    mean_loss(base, adaptation, pairs).backward()
    (parameter,) = adaptation.parameters()
    over = (3, 4) if variant == "infix" else (1,)
    assert (parameter.grad.abs().amax(over) > 0).all()
    assert (adaptation.trained, *parameter.shape) == (
        TRAINED["prefix"].costs(base, settings(variant, mlp_width=None))[0],
        *((2, base.shape.layers, LENGTH, base.shape.kv_heads, base.shape.head_dim) if variant == "infix" else
          (LENGTH, base.network.tokens.shape[1])),
    )  # fmt: skip


@pytest.mark.parametrize("variant", VARIANTS)
def test_they_are_trained_in_bf16_too(base: Base, e2e: Task, variant: str) -> None:
    losses = []
    for precision in ("fp32", "bf16"):
        adaptation = TRAINED["prefix"].start(base, settings(variant, precision=precision))
        loss = mean_loss(base, adaptation, encode_pairs(base, e2e, e2e.pool()[:3], LENGTH, infix=adaptation.infix))
        loss.backward()
        assert all(parameter.grad.dtype == torch.float32 for parameter in adaptation.parameters())
        assert all(tensor.dtype == torch.float32 for tensor in adaptation.kept().values())
        losses.append(loss.item())
    assert losses[1] == pytest.approx(losses[0], rel=0.02) and losses[0] != losses[1]


def trained(base: Base, task: Task, variant: str) -> Trained:
    wanted = settings(variant, steps=8, batch=4, learning_rate=0.02)
    events = list(train(base, task, "prefix", task.pool()[:4], wanted, task.pool()[12:14], held_out_every=8))
    assert events[-2].loss < events[0].loss
    assert events[-1].result is not None
    return events[-1].result


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_is_trained_is_saved_and_streams_the_same_when_read_back(
    base: Base, e2e: Task, variant: str, tmp_path: Path
) -> None:
    result = trained(base, e2e, variant)
    card = artifacts.save(tmp_path, base, result.kept, artifacts.describe(base, "e2e", result, {}))
    assert card.kept == base.shape.prefix_parameters(LENGTH) and card.settings["variant"] == variant
    steered = artifacts.load(tmp_path, base)[0]
    assert steered.prefix is not None and steered.prefix.infix == (variant == "infix")
    raw = replace(e2e, finish=str, max_new_tokens=COUNT)
    ours, again = (
        [Request(one, raw, example.source) for example in e2e.pool()[:3]] for one in (result.steered, steered)
    )
    assert write(base, again) == write(base, ours)
    told = [event for event in stream(base, again) if event.pane == 0]
    assert told[-1].text == write(base, ours)[0]
    assert all(later.text.startswith(event.text) for event, later in pairwise(told))


def test_peft_reads_trained_embeddings_and_no_infix(bases: dict[str, Base], e2e: Task, tmp_path: Path) -> None:
    from peft import PeftModel

    base = bases["gpt2"]
    result = trained(base, e2e, "embedding")
    peft_format.save_peft(tmp_path, base, result.kept)
    theirs = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base.name), tmp_path)
    ids = torch.tensor([INPUTS[0]])
    out = theirs.generate(
        input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=COUNT, do_sample=False, pad_token_id=base.end
    )[0, len(INPUTS[0]) :].tolist()
    found = written(base, [(INPUTS[0], result.steered.prefix)], COUNT)[0]
    assert out[: len(found)] == found
    with pytest.raises(ArtifactError, match="an infix is kept in our own format"):
        peft_format.save_peft(tmp_path, base, trained(base, e2e, "infix").kept)


def test_an_input_before_an_infix_begins_as_any_text_does(bases: dict[str, Base], e2e: Task) -> None:
    base = bases["gpt2"]
    first = [encode_pairs(base, e2e, e2e.pool()[:1], LENGTH, infix=infix)[0].source for infix in (False, True)]
    assert first[1] == [*base.before, *first[0]]


@pytest.mark.parametrize("kind", ENCODER_DECODERS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_an_encoder_decoder_has_no_place_for_them(bases: dict[str, Base], kind: str, variant: str) -> None:
    base = bases[kind]
    with pytest.raises(InputError, match="variant is for decoders"):
        TRAINED["prefix"].start(base, settings(variant))
    with pytest.raises(InputError, match="choose one of prefix, infix, embedding"):
        settings("suffix")


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_command_line_trains_and_writes_with_them(tmp_path: Path, e2e: Task, variant: str) -> None:
    rows = [f'"{e2e.linearize(example.source)}","{example.references[0]}"' for example in e2e.pool()[:6]]
    (tmp_path / "rows.csv").write_text("mr,ref\n" + "\n".join(rows) + "\n")
    base, out = str(make_base(tmp_path / "llama", "llama")), str(tmp_path / "out")
    options = ["--data", str(tmp_path / "rows.csv"), "--out", out, "--steps", "2", "--length", "3"]
    assert main(["train", "--base", base, "--variant", variant, *options]) == 0
    assert main(["generate", "--base", base, "--artifact", out, "--text", "name[Blue Spice]"]) == 0
