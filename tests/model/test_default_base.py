"""The default base itself: as `transformers` runs it, its rounding, and the promises of a mixed batch."""

import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from prefix_core.data.examples import one_text_each
from prefix_core.methods.method import Steered
from prefix_core.methods.prefix import PrefixTuning
from prefix_core.methods.prompt import steer
from prefix_core.methods.settings import defaults
from prefix_core.methods.start import MOST_TOKENS, word_start
from prefix_core.model import gguf_file, smollm2
from prefix_core.model.base import Base
from prefix_core.model.prefix import Prefix
from prefix_core.model.products import HalfDense
from prefix_core.model.reading import forward
from prefix_core.tasks.task import Task
from prefix_core.training.batches import encode_pairs
from prefix_core.training.loss import held_out_mean, mean_loss
from prefix_core.ui.server import LARGEST_FILE
from prefix_core.ui.train.plan import LONGEST_PREFIX
from prefix_core.writing.generate import Decoding, Request, write


@pytest.fixture(scope="module")
def base(default_base: Base) -> Base:
    return default_base


def prefixes(base: Base) -> list[Prefix | None]:
    words = ("Write one sentence about this place:", "table-to-text:")
    return [Prefix(*word_start(base, some, length)) for some, length in zip(words, (8, 3), strict=True)] + [None]


LIGHT = """
import sys
from prefix_core.model.loading import load_base
load_base("smollm2")
print([name for name in ("sympy", "torch._dynamo", "transformers.modeling_utils") if name in sys.modules])
"""


def test_it_is_loaded_without_what_takes_seconds_to_import(base: Base) -> None:
    """By now it is prepared; and `transformers` still makes a model of it."""
    assert subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True).stdout == "[]\n"
    config = base.model.config
    assert type(config).__name__ == "LlamaConfig" and config.rope_parameters == base.config.rope_parameters
    names = ("hidden_size", "num_hidden_layers", "vocab_size", "rms_norm_eps", "tie_word_embeddings", "eos_token_id")
    assert all(getattr(config, name) == getattr(base.config, name) for name in names)


def test_its_shape_and_arithmetic(base: Base) -> None:
    shape = base.shape
    assert (shape.layers, shape.hidden, shape.kv_heads, shape.head_dim) == (30, 576, 3, 64)
    assert (shape.vocabulary, shape.positions, base.parameters) == (49_152, 8_192, 134_515_008)
    assert base.bytes == 269_100_288 and base.weights_hash == smollm2.WEIGHTS_HASH
    assert shape.prefix_parameters(11) == 126_720


def test_logits_and_greedy_tokens_are_those_of_transformers(base: Base, e2e: Task) -> None:
    model = base.model
    with torch.inference_mode():
        for example in e2e.pool()[:3]:
            tokens = base.encode(e2e.prompt(example.source) + example.references[0])
            theirs = model(torch.tensor([tokens])).logits[0]
            for network in (base.network, base.writer):
                _, hidden = forward(base, network, [tokens[:1]], [[tokens[1:]]], [None])
                ours = network.logits(hidden)
                assert (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max()
                assert torch.equal(ours.argmax(-1), theirs.argmax(-1))


def test_a_mixed_batch_gives_each_row_what_it_gets_alone(base: Base, e2e: Task) -> None:
    sources = [example.source for example in e2e.pool()[:2]]
    steered = [*(Steered("prefix", base.writer, prefix) for prefix in prefixes(base)), steer(base, e2e)]
    requests = [Request(one, e2e, source) for source in sources for one in steered]
    decoding = Decoding(max_new_tokens=12)
    alone = [write(base, [request], decoding)[0] for request in requests]
    assert write(base, requests, decoding) == alone


def test_learning_through_16_bits_is_learning_through_32(
    base: Base, e2e: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, found = defaults("prefix", e2e.initial_words), []
    pairs = encode_pairs(base, e2e, one_text_each(e2e.pool()[:2]), settings.prefix_length)
    for half in (True, False):
        monkeypatch.setattr("prefix_core.model.base.half_products", lambda half=half: half)
        one = replace(base)  # with a network of its own
        assert isinstance(one.layered("this").head, HalfDense) == half
        adaptation = PrefixTuning(one, settings)
        loss = mean_loss(one, adaptation, pairs)
        loss.backward()
        (parameter,) = adaptation.parameters()
        found.append((loss.detach(), parameter.grad))
    for narrow, wide in zip(*found, strict=True):
        assert (narrow - wide).abs().max() <= 1e-4 * wide.abs().max()


def test_rounding_to_fp16_costs_less_than_a_thousandth_of_a_nat(base: Base, e2e: Task) -> None:
    """On our own restaurant texts, behind the words that a prefix starts from."""
    _, _, exact = gguf_file._smollm(gguf_file.GGUFReader(smollm2.find(None)))
    changed = sum(int((tensor.half().float() != tensor).sum()) for tensor in exact.values() if tensor.ndim == 2)
    assert changed > 0.3 * base.parameters
    settings = defaults("prefix", e2e.initial_words)
    pairs = encode_pairs(base, e2e, one_text_each(e2e.pool()[:20]), settings.prefix_length)
    losses = [held_out_mean(one, PrefixTuning(one, settings), pairs) for one in (base, replace(base, tensors=exact))]
    assert 0 < abs(losses[0] - losses[1]) < 1e-3, losses


def test_the_longest_prefix_that_can_be_taken_home_can_be_brought_back(base: Base) -> None:
    shape = base.shape
    a_position = 2 * shape.layers * shape.kv_heads * shape.head_dim * 4  # bytes, in float32
    assert (MOST_TOKENS + LONGEST_PREFIX) * a_position < LARGEST_FILE  # demonstrations, and an instruction before them
