"""Every architecture against `transformers` and PEFT: trained, saved, mixed in a batch, searched, streamed."""

import json
from copy import deepcopy
from dataclasses import replace
from itertools import combinations, pairwise
from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from prefix_core.artifacts import artifacts, peft_format
from prefix_core.cli import main
from prefix_core.errors import ArtifactError, BaseError, InputError
from prefix_core.methods import TRAINED
from prefix_core.methods.method import Steered
from prefix_core.methods.settings import TUNED
from prefix_core.methods.start import random_start, word_start
from prefix_core.model.base import Base, encode_input, read_shape
from prefix_core.model.loading import load_base
from prefix_core.model.prefix import Prefix
from prefix_core.model.reading import forward
from prefix_core.tasks.task import Task
from prefix_core.training.batches import encode_pairs
from prefix_core.training.loss import mean_loss
from prefix_core.training.train import train
from prefix_core.writing.generate import Request, stream, write
from tests import architectures
from tests.architectures import DECODERS, ENCODER_DECODERS, make_base, reference, write_by_transformers

ALL = [*DECODERS, *ENCODER_DECODERS]
COUNT = 10  # tokens written
INPUTS = [[5, 9, 30, 7, 7, 81, 12], [12], [8, 200, 41], [44, 45, 46, 47]]
LENGTHS = [5, 0, 17, 1]


@pytest.fixture(params=ALL)
def base(request: pytest.FixtureRequest, bases: dict[str, Base]) -> Base:
    return bases[request.param]


def loud_prefixes(base: Base) -> list[Prefix | None]:
    """Random prefixes large enough to change every output."""
    generator = torch.Generator().manual_seed(1)
    return [Prefix(*(40 * random_start(base.shape, length, generator))) if length else None for length in LENGTHS]


def inputs(base: Base) -> list[list[int]]:
    return [[*base.before, *tokens, *base.after] for tokens in INPUTS] if base.begin else INPUTS


def written(base: Base, rows: list[tuple[list[int], Prefix | None]], beams: int = 1) -> list[list[int]]:
    return architectures.written(base, rows, COUNT, beams)


@pytest.mark.parametrize("beams", [1, 4], ids=["greedy", "beam"])
def test_a_mixed_batch_writes_what_transformers_writes_for_each(base: Base, beams: int) -> None:
    rows = list(zip(inputs(base), loud_prefixes(base), strict=True))
    options = {"num_beams": beams} if beams > 1 else {}
    expected = [write_by_transformers(base, tokens, prefix, COUNT, **options) for tokens, prefix in rows]
    assert written(base, rows, beams) == expected
    assert len({tuple(row) for row in expected}) == len(expected)


@torch.no_grad()
def test_a_mixed_batch_gives_each_row_what_it_gets_alone(base: Base) -> None:
    def logits(rows: list[int]) -> torch.Tensor:
        going = [inputs(base)[row] for row in rows]
        texts, prefixes = [[[3] * (2 + row)] for row in rows], [loud_prefixes(base)[row] for row in rows]
        return base.network.logits(forward(base, base.network, going, texts, prefixes)[1])

    together = logits([0, 1, 2, 3])
    alone = torch.cat([logits([row]) for row in range(4)])
    assert together.shape == (3 + 4 + 5 + 6, base.shape.vocabulary)
    assert (together - alone).abs().max() <= 2e-5 * alone.abs().max()


@torch.no_grad()
def test_texts_of_one_input_are_read_as_if_each_stood_there_alone(base: Base) -> None:
    texts = [[3, 4, 90, 91, 92, 93], [200], [17, 18, 19]]
    row, prefix = inputs(base)[0], loud_prefixes(base)[0]
    together = forward(base, base.network, [row, inputs(base)[1]], [texts, [[5]]], [prefix, None])[1]
    alone = [forward(base, base.network, [row], [[text]], [prefix])[1] for text in texts]
    alone.append(forward(base, base.network, [inputs(base)[1]], [[[5]]], [None])[1])
    assert (together - torch.cat(alone)).abs().max() <= 2e-5 * together.abs().max()


def test_a_row_streams_what_it_is_in_the_end(base: Base, e2e: Task) -> None:
    raw = replace(e2e, finish=str, max_new_tokens=COUNT)
    wanted = [
        Request(Steered("prefix", base.writer, prefix), raw, e2e.pool()[0].source) for prefix in loud_prefixes(base)
    ]
    events = list(stream(base, wanted))
    for pane, request in enumerate(wanted):
        told = [event for event in events if event.pane == pane]
        assert not told[-1].error and told[-1].finished and told[-1].shared == len(wanted)
        assert [event.tokens for event in told[:2]] == [1, 2]
        assert told[-1].text == write(base, [request])[0]
        assert all(later.text.startswith(event.text) for event, later in pairwise(told))


@pytest.mark.parametrize("method", ["prefix", "fine_tune"])
def test_what_is_trained_is_saved_and_writes_the_same_when_read_back(
    base: Base, e2e: Task, method: str, tmp_path: Path
) -> None:
    before = {name: tensor.clone() for name, tensor in base.model.named_parameters()}
    settings = replace(TUNED[method], steps=8, batch=4, prefix_length=6, mlp_width=16, learning_rate=0.01)
    events = list(train(base, e2e, method, e2e.pool()[:4], settings, e2e.pool()[12:14], held_out_every=8))
    result = events[-1].result
    assert result is not None and result.held_out_loss is not None
    assert events[-2].loss < events[0].loss
    assert all(torch.equal(before[name], tensor) for name, tensor in base.model.named_parameters())
    assert (result.steered.trained, result.steered.kept) == TRAINED[method].costs(base, settings)
    artifacts.save(tmp_path, base, result.kept, artifacts.describe(base, "e2e", result, {}))
    steered = artifacts.load(tmp_path, base)[0]
    raw = replace(e2e, finish=str, max_new_tokens=COUNT)
    ours, again = (
        write(base, [Request(one, raw, example.source) for example in e2e.pool()[:3]])
        for one in (result.steered, steered)
    )
    if method == "prefix":  # stored in fp32; whole layers in 8 bits
        assert again == ours
        assert torch.equal(steered.prefix.keys, result.steered.prefix.keys)
        assert torch.equal(steered.prefix.values, result.steered.prefix.values)


@pytest.mark.parametrize("method", ["top_layers", "adapter"])
def test_methods_that_change_layers_are_refused_where_there_is_no_packed_decoder(base: Base, method: str) -> None:
    settings = TUNED[method]
    if base.config.model_type in ("gpt2", "llama", "qwen2"):
        TRAINED[method].start(base, settings)
        return
    for ask in (TRAINED[method].start, TRAINED[method].costs):
        with pytest.raises(InputError, match="layers of GPT-2 and Llama"):
            ask(base, settings)


@pytest.mark.parametrize("width", [None, 8])
def test_every_site_gets_a_gradient_in_every_layer_and_position(base: Base, e2e: Task, width: int | None) -> None:
    settings = replace(TUNED["prefix"], prefix_length=3, mlp_width=width, initial_words="name: a pub")
    adaptation = TRAINED["prefix"].start(base, settings)
    pairs = encode_pairs(base, e2e, e2e.pool()[:3], 3)
    mean_loss(base, adaptation, pairs).backward()
    if width is None:
        assert (adaptation.encoder.added.grad.abs().amax((3, 4)) > 0).all()
    outer = [parameter for name, parameter in adaptation.named_parameters() if name.endswith("outer.weight")]
    assert width is None or len(outer) == len(base.shape.sites)
    assert all((parameter.grad.view(2, -1, width).abs().amax((1, 2)) > 0).all() for parameter in outer)
    assert adaptation.trained == TRAINED["prefix"].costs(base, settings)[0]


def test_each_sites_prefix_changes_the_output(base: Base) -> None:
    loud, row = loud_prefixes(base)[0], inputs(base)[0]

    def logits(prefix: Prefix) -> torch.Tensor:
        return base.network.logits(forward(base, base.network, [row], [[[3, 4]]], [prefix])[1])

    with torch.no_grad():
        whole = logits(loud)
        for layers in base.shape.sites.values():
            for layer in layers:
                keys, values = loud.keys.clone(), loud.values.clone()
                values[layer] = 0
                assert (logits(Prefix(keys, values)) - whole).abs().max() > 1e-3


@pytest.mark.parametrize("kind", DECODERS)
def test_the_activations_of_words_as_a_prefix_are_those_words_in_context(bases: dict[str, Base], kind: str) -> None:
    base = bases[kind]
    words = "name : The Wandering Heron"
    tokens = [*base.before, *base.encode(words)]
    with torch.no_grad():
        steered, spelled = (
            base.network.logits(forward(base, base.network, [row], [[[3, 4]]], [prefix])[1])
            for row, prefix in (
                (INPUTS[0], Prefix(*word_start(base, words, len(tokens)))),
                (tokens + INPUTS[0], None),
            )
        )
    assert (steered - spelled).abs().max() <= 2e-5 * spelled.abs().max()


@pytest.mark.parametrize("kind", ENCODER_DECODERS)
def test_the_activations_of_words_are_an_encoder_decoders_own(bases: dict[str, Base], kind: str) -> None:
    base = bases[kind]
    source = [*base.before, *base.encode("name : a pub")]
    begun = [*base.begin, *base.encode("name : a pub")][: len(source)]
    start = word_start(base, "name : a pub", len(source))
    out = reference(base, None)(
        input_ids=torch.tensor([source]), decoder_input_ids=torch.tensor([begun]), use_cache=True
    ).past_key_values
    for cache, site in ((out.self_attention_cache, "decoder"), (out.cross_attention_cache, "cross")):
        for layer, index in enumerate(base.shape.sites[site]):
            torch.testing.assert_close(
                start[0, index], cache.layers[layer].keys[0].transpose(0, 1), rtol=1e-4, atol=1e-5
            )
            torch.testing.assert_close(
                start[1, index], cache.layers[layer].values[0].transpose(0, 1), rtol=1e-4, atol=1e-5
            )
    assert len(base.shape.sites["encoder"]) == 3 and start[:, 4:].abs().amax((2, 3, 4)).min() > 0


@pytest.mark.parametrize("kind", DECODERS)
def test_peft_reads_ours_and_we_read_pefts(bases: dict[str, Base], kind: str, e2e: Task, tmp_path: Path) -> None:
    from peft import PeftModel, PrefixTuningConfig, TaskType, get_peft_model

    base, tokens, prefix = bases[kind], INPUTS[0], loud_prefixes(bases[kind])[0]

    def by_peft(model) -> list[int]:
        ids = torch.tensor([tokens])
        options = {"max_new_tokens": COUNT, "do_sample": False, "pad_token_id": base.end}
        out = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), **options)[0, len(tokens) :].tolist()
        return out[: out.index(base.end)] if base.end in out else out

    peft_format.save_peft(tmp_path, base, {"keys": prefix.keys, "values": prefix.values})
    theirs = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base.name), tmp_path)
    assert by_peft(theirs) == written(base, [(tokens, prefix)])[0]

    torch.manual_seed(3)
    shape = base.shape
    config = PrefixTuningConfig(
        task_type=TaskType.CAUSAL_LM, num_virtual_tokens=5, token_dim=shape.kv_heads * shape.head_dim,
        num_attention_heads=shape.kv_heads,
    )  # fmt: skip
    theirs = get_peft_model(AutoModelForCausalLM.from_pretrained(base.name), config).eval()
    with torch.no_grad():
        for parameter in theirs.prompt_encoder.parameters():
            parameter.mul_(3)
    theirs.save_pretrained(tmp_path / "theirs")
    steered = artifacts.load(tmp_path / "theirs", base)[0]
    assert by_peft(theirs) == written(base, [(tokens, steered.prefix)])[0]


@pytest.mark.parametrize("kind", ENCODER_DECODERS)
def test_three_sites_do_not_go_through_pefts_format(bases: dict[str, Base], kind: str, tmp_path: Path) -> None:
    base, prefix = bases[kind], loud_prefixes(bases[kind])[0]
    with pytest.raises(ArtifactError, match="decoder's self-attention only"):
        peft_format.save_peft(tmp_path, base, {"keys": prefix.keys, "values": prefix.values})
    (tmp_path / peft_format.PEFT_CONFIG).write_text("{}")
    with pytest.raises(ArtifactError, match="decoder's self-attention only"):
        artifacts.load(tmp_path, base)


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("mistral", {"sliding_window": 4}),
        ("qwen2", {"sliding_window": 4, "use_sliding_window": True, "max_window_layers": 1}),
        ("gemma3_text", {"sliding_window": 4}),
    ],
)
def test_a_prefix_stays_in_sight_of_a_sliding_window(tmp_path: Path, kind: str, changes: dict) -> None:
    base = load_base(str(make_base(tmp_path, kind, **changes)))
    wide = load_base(str(make_base(tmp_path / "wide", kind)))
    long = [(7 * place) % 390 + 5 for place in range(30)]
    prefixes = loud_prefixes(base)
    plain = write_by_transformers(base, long, None, COUNT)
    assert written(base, [(long, None)])[0] == plain  # the window is transformers' own
    assert written(wide, [(long, None)])[0] != plain  # and it matters
    with torch.no_grad():
        states = {}
        for index, prefix in enumerate(prefixes):
            for layer in range(2 if prefix else 0):
                one = Prefix(*(torch.zeros_like(part).index_copy(0, torch.tensor([layer]), part[layer : layer + 1])
                               for part in (prefix.keys, prefix.values)))  # fmt: skip
                logits = base.network.logits(forward(base, base.network, [long], [[long]], [one])[1])
                states[index, layer] = logits[-1]
    assert all((a - b).abs().max() > 1e-3 for a, b in combinations(states.values(), 2))
    together = forward(base, base.network, [long], [[long, long[:9]]], [prefixes[0]])[1]  # texts of one input, too
    alone = [forward(base, base.network, [long], [[text]], [prefixes[0]])[1] for text in (long, long[:9])]
    assert (together - torch.cat(alone)).abs().max() <= 2e-5 * together.abs().max()
    rows = [(long, prefix) for prefix in prefixes]
    model = reference(base, prefixes[0])
    ids, length = list(long), prefixes[0].length
    with torch.no_grad():
        for _ in range(COUNT):
            positions = torch.arange(length, length + len(ids))[None]
            ids.append(int(model(torch.tensor([ids]), position_ids=positions, use_cache=False).logits[0, -1].argmax()))
    assert written(base, rows)[0] == ids[len(long) :]


@pytest.mark.parametrize("method", ["prefix", "fine_tune"])
def test_training_in_bf16_is_nearly_that_in_fp32(base: Base, method: str, e2e: Task) -> None:
    found = []
    for precision in ("fp32", "bf16"):
        chosen = replace(TUNED[method], prefix_length=5, mlp_width=None, precision=precision)
        adaptation = TRAINED[method].start(base, chosen)
        mean = mean_loss(base, adaptation, encode_pairs(base, e2e, e2e.pool()[:3], adaptation.prefix_length))
        mean.backward()
        gradients = [parameter.grad.flatten() for parameter in adaptation.parameters() if parameter.grad is not None]
        assert all(gradient.dtype == torch.float32 for gradient in gradients)
        found.append((mean.item(), torch.cat(gradients)))
    (exact, exact_gradient), (rounded, rounded_gradient) = found
    assert rounded != exact and rounded == pytest.approx(exact, rel=2e-2)
    assert torch.cosine_similarity(exact_gradient, rounded_gradient, dim=0) > 0.98


@pytest.mark.parametrize("kind", ALL)
def test_a_base_in_bf16_is_trained_and_writes(bases: dict[str, Base], kind: str, e2e: Task) -> None:
    fine = bases[kind]
    modules = None if fine.modules is None else deepcopy(fine.modules).bfloat16()
    base = replace(fine, modules=modules, dtype=torch.bfloat16)
    for method in ("prefix", "fine_tune"):
        adaptation = TRAINED[method].start(base, replace(TUNED[method], prefix_length=4, mlp_width=8))
        loss = mean_loss(base, adaptation, encode_pairs(base, e2e, e2e.pool()[:2], adaptation.prefix_length))
        loss.backward()
        assert all(parameter.dtype == torch.float32 for parameter in adaptation.parameters())
        assert all(parameter.grad is not None for parameter in adaptation.parameters())
    with torch.no_grad():
        half, whole = (
            one.network.logits(forward(one, one.network, inputs(one), [[[3, 4]]] * 4, loud_prefixes(one))[1]).float()
            for one in (base, fine)
        )
    assert 0 < (half - whole).abs().mean() < 0.1 * whole.std()
    assert written(base, [(inputs(base)[0], loud_prefixes(base)[0])])


def test_a_prefix_is_trained_on_weights_loaded_in_bf16(base: Base, e2e: Task, tmp_path: Path) -> None:
    half = load_base(base.name, dtype="bf16")
    settings = replace(TUNED["prefix"], steps=8, batch=4, prefix_length=6, mlp_width=16, learning_rate=0.01)
    events = list(train(half, e2e, "prefix", e2e.pool()[:4], settings, e2e.pool()[12:14], held_out_every=8))
    assert events[-2].loss < events[0].loss
    result = events[-1].result
    assert result is not None and all(tensor.dtype == torch.float32 for tensor in result.kept.values())
    artifacts.save(tmp_path, half, result.kept, artifacts.describe(half, "e2e", result, {}))
    raw = replace(e2e, finish=str, max_new_tokens=COUNT)
    again = [Request(artifacts.load(tmp_path, half)[0], raw, example.source) for example in e2e.pool()[:3]]
    ours = [Request(result.steered, raw, example.source) for example in e2e.pool()[:3]]
    assert write(half, again) == write(half, ours)
    assert artifacts.load(tmp_path, base)[1].base_hash == half.weights_hash  # and it is the same base's


@pytest.mark.parametrize(
    ("kind", "change", "reason"),
    [
        ("gemma3_text", {"attn_logit_softcapping": 5.0}, "softcapping"),
        ("gemma3_text", {"use_bidirectional_attention": True}, "both directions"),
        ("llama", {"rope_parameters": {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}}, "rotary"),
        ("llama", {"model_type": "bert"}, "prefixes are run here on"),
        ("llama", {"model_type": "mamba"}, "prefixes are run here on"),
        ("bart", {"encoder_attention_heads": 2}, "other heads"),
    ],
)
def test_what_a_prefix_cannot_be_put_into_is_refused_with_the_reason(
    tmp_path: Path, kind: str, change: dict, reason: str
) -> None:
    config = json.loads((make_base(tmp_path, kind) / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(BaseError, match=reason):
        load_base(str(tmp_path))


def test_prefixes_of_the_papers_models_have_the_papers_parameters() -> None:
    medium = AutoConfig.for_model("gpt2", n_layer=24, n_embd=1024, n_head=16)
    assert read_shape(medium).prefix_parameters(5) == 245_760
    large = read_shape(AutoConfig.for_model("bart"))  # its defaults are BART-large's
    assert large.prefix_parameters(200) == (12 + 12 + 12) * 2 * 200 * 1024
    assert {site: len(layers) for site, layers in large.sites.items()} == {"decoder": 12, "cross": 12, "encoder": 12}


def test_the_command_line_trains_and_writes_on_another_base(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], e2e: Task
) -> None:
    rows = [f'"{e2e.linearize(example.source)}","{example.references[0]}"' for example in e2e.pool()[:6]]
    (tmp_path / "rows.csv").write_text("mr,ref\n" + "\n".join(rows) + "\n")
    base, out = str(make_base(tmp_path / "bart", "bart")), str(tmp_path / "out")
    options = ["--data", str(tmp_path / "rows.csv"), "--out", out, "--steps", "2", "--length", "3", "--mlp-width", "0"]
    assert main(["train", "--base", base, *options]) == 0
    assert (
        f"{read_shape(load_base(base).model.config).prefix_parameters(3):,} parameters to train"
        in capsys.readouterr().err
    )
    wanted = ["--artifact", out, "--text", "name[Blue Spice], area[riverside]", "--beams", "2"]
    assert main(["generate", "--base", base, *wanted]) == 0
    assert main(["generate", *wanted]) == 2 and "load that base" in capsys.readouterr().err


def test_an_encoder_decoders_input_has_a_context_of_its_own(bases: dict[str, Base]) -> None:
    base = bases["bart"]
    long = "pub " * 400
    assert len(encode_input(base, long, reserve=90, prefix_length=400).tokens) <= base.shape.positions
    with pytest.raises(InputError, match="shorten one of them"):
        encode_input(base, long, reserve=200, prefix_length=400)
    with pytest.raises(InputError, match="512 for it: shorten it by"):
        encode_input(base, long * 9, "\n")
    cut = encode_input(base, long * 9, "\n", too_long="cut")
    assert len(cut.tokens) == 512 and cut.tokens[0] == base.before[0] and cut.tokens[-1] == base.end and cut.cut > 0
