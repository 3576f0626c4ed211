"""A trained base grown deeper, longer and to other words: what it knew stays."""

from pathlib import Path

import pytest
import torch
from transformers import GPT2LMHeadModel

from prefix_core.errors import InputError
from prefix_core.pretrain.grow import grow, positions, words
from prefix_core.pretrain.run import new_model
from prefix_core.pretrain.tokenizer import train_tokenizer

TEXT = ["The old mill stands near Belwyn.", "Iron Bell opened in 1987 near the old mill.", "Café – 10 €"] * 3
SIZES = {"layers": 2, "hidden": 16, "heads": 2, "vocabulary": 300, "positions": 32}


def small_words(count: int = 270):
    return train_tokenizer(TEXT, count, 32)


@pytest.fixture
def start(tmp_path: Path) -> Path:
    """A base of other numbers than a new model's, biases included."""
    tokenizer = small_words()
    model = new_model({**SIZES, "vocabulary": len(tokenizer)}, seed=1)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.2 * torch.randn_like(weight))
    model.save_pretrained(tmp_path / "start")
    tokenizer.save_pretrained(tmp_path / "start")
    return tmp_path / "start"


@pytest.mark.parametrize(("layers", "longer"), [(2, 32), (2, 64), (3, 32), (5, 80)])
def test_it_writes_the_same_within_the_old_context(start: Path, layers: int, longer: int) -> None:
    tokenizer = small_words()
    model = new_model({**SIZES, "vocabulary": len(tokenizer), "layers": layers, "positions": longer}, seed=2)
    grow(model, tokenizer, start)
    old = GPT2LMHeadModel.from_pretrained(start)
    ids = torch.randint(0, len(tokenizer), (3, 32), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(model(ids).logits, old(ids).logits, atol=1e-5, rtol=1e-5)


def test_added_layers_can_learn(start: Path) -> None:
    tokenizer = small_words()
    model = new_model({**SIZES, "vocabulary": len(tokenizer), "layers": 4}, seed=2)
    grow(model, tokenizer, start)
    ids = torch.randint(0, len(tokenizer), (2, 20))
    model(ids, labels=ids).loss.backward()
    assert all(block.mlp.c_proj.weight.grad.abs().sum() > 0 for block in model.transformer.h)


def test_words_keep_their_vectors_and_new_ones_are_the_mean_of_their_spelling() -> None:
    before, after = small_words(265), small_words(300)
    vectors = torch.randn(len(before), 8, generator=torch.Generator().manual_seed(0))
    grown = words(vectors, before, after)
    assert grown.shape == (len(after), 8)
    known = before.get_vocab()
    new = [word for word in after.get_vocab() if word not in known]
    assert new
    for word, place in after.get_vocab().items():
        spelled = before(after.convert_tokens_to_string([word]))["input_ids"] if word in new else [known[word]]
        torch.testing.assert_close(grown[place], vectors[spelled].mean(0))
        assert len(spelled) > 1 or word not in new


def test_positions_beyond_the_old_context_repeat_its_second_half() -> None:
    old = torch.arange(8.0)[:, None]
    assert positions(old, 4)[:, 0].tolist() == [0, 1, 2, 3]
    assert positions(old, 18)[:, 0].tolist() == [*range(8), 4, 5, 6, 7, 4, 5, 6, 7, 4, 5]


@pytest.mark.parametrize("change", [{"layers": 1}, {"hidden": 32}, {"heads": 4}])
def test_what_it_cannot_grow_into_is_refused(start: Path, change: dict[str, int]) -> None:
    tokenizer = small_words()
    model = new_model({**SIZES, "vocabulary": len(tokenizer), **change}, seed=2)
    with pytest.raises(InputError, match="2 layers of 16 in 2 heads"):
        grow(model, tokenizer, start)


def test_a_start_that_is_not_there_is_named(tmp_path: Path) -> None:
    model = new_model(SIZES, seed=2)
    with pytest.raises(InputError, match=r"no base to start from in .*nowhere"):
        grow(model, small_words(), tmp_path / "nowhere")
