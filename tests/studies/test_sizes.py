"""The arithmetic of costs, against the paper's number, the models of transformers, and the base's own shape."""

import pytest
import torch
from transformers import BartConfig, BartForConditionalGeneration, GPT2Config, GPT2LMHeadModel

from prefix_core.errors import InputError
from prefix_core.model.base import Base
from prefix_core.studies.sizes import MODELS, Model, cost, decoder, encoder_decoder


def test_the_papers_250k_of_gpt2_medium() -> None:
    medium = MODELS["GPT-2 medium"]
    assert medium.prefix_parameters(5) == 245_760
    assert cost(medium, 5).share == pytest.approx(0.0693, abs=1e-4)  # "0.1%"


@pytest.mark.parametrize(("layers", "width", "positions", "words"), [(2, 32, 40, 90), (3, 64, 128, 70)])
def test_parameters_are_those_of_transformers(layers: int, width: int, positions: int, words: int) -> None:
    with torch.device("meta"):
        gpt2 = GPT2LMHeadModel(
            GPT2Config(n_layer=layers, n_embd=width, n_head=4, n_positions=positions, vocab_size=words)
        )
        bart = BartForConditionalGeneration(
            BartConfig(
                vocab_size=words, d_model=width, max_position_embeddings=positions, encoder_layers=layers,
                decoder_layers=layers, encoder_ffn_dim=4 * width, decoder_ffn_dim=4 * width,
                encoder_attention_heads=4, decoder_attention_heads=4,
            )
        )  # fmt: skip
    assert decoder("", layers, width, positions, words).parameters == gpt2.num_parameters()
    assert encoder_decoder("", layers, width, positions, words).parameters == bart.num_parameters()


def test_known_models_have_the_parameters_they_are_known_for() -> None:
    known = {
        "GPT-2": 124_439_808, "GPT-2 medium": 354_823_168, "GPT-2 large": 774_030_080, "GPT-2 XL": 1_557_611_200,
        "BART base": 139_420_416, "BART large": 406_291_456,
    }  # fmt: skip
    assert {name: MODELS[name].parameters for name in known} == known
    assert MODELS["GPT-3 175B"].parameters == pytest.approx(175e9, rel=0.01)
    assert MODELS["GPT-3 13B"].parameters == pytest.approx(13e9, rel=0.02)


def test_the_base_counts_the_same(tiny: Base) -> None:
    shape = tiny.shape
    model = decoder("tiny", shape.layers, shape.hidden, shape.positions, shape.vocabulary)
    assert model.parameters == tiny.parameters
    assert model.prefix_parameters(7) == shape.prefix_parameters(7)


def test_a_hundred_tasks_cost_one_model_and_a_hundred_prefixes() -> None:
    model = Model("m", layers=2, width=10, parameters=10_000, sites=3)
    found = cost(model, 4, tasks=100, bytes_each=4)
    assert found.prefix == 3 * 2 * 2 * 4 * 10 == 480
    assert found.prefix_bytes == 4 * (10_000 + 100 * 480) and found.copies_bytes == 4 * 100 * 10_000
    assert found.share == pytest.approx(4.8)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"length": 0}, "The prefix length is 0; give a whole number from 1 to 1,000"),
        ({"tasks": 0}, "The number of tasks is 0"),
        ({"bytes_each": 3}, "cannot take 3 bytes"),
    ],
)
def test_counts_that_make_no_sense_are_refused(wrong: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        cost(MODELS["GPT-2"], **({"length": 5} | wrong))
