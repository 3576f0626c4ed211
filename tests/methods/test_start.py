"""What a prefix starts from: rows written out, words or random numbers; and that it is kept like any other."""

from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from prefix_core.artifacts import artifacts
from prefix_core.artifacts.share import read_zip, write_zip
from prefix_core.data.examples import Example
from prefix_core.errors import InputError
from prefix_core.methods import prefix
from prefix_core.methods.settings import TUNED, Settings, chosen
from prefix_core.methods.start import (
    MOST_TOKENS,
    choose,
    length_of,
    random_start,
    start_tokens,
    word_start,
    written_out,
)
from prefix_core.model.base import Base
from prefix_core.tasks.custom import custom
from prefix_core.tasks.task import Task
from prefix_core.training.train import train
from prefix_core.writing.generate import Request, write

ROWS = ("name : The Mill\nThe Mill is a pub.", "name : Nox\nNox sells tea.")
SETTINGS = replace(TUNED["prefix"], initial_words="Write a text.", demonstrations=ROWS)


def test_step_0_writes_what_the_model_writes_behind_the_same_words(tiny: Base, e2e: Task) -> None:
    source = e2e.pool()[0].source
    start = prefix.start(tiny, SETTINGS)
    tokens = start_tokens(tiny, "Write a text.", ROWS)
    assert start.prefix_length == len(tokens) and tokens.count(tiny.end) == 2 + len(tiny.before)
    (text,) = write(tiny, [Request(prefix.steer(tiny, start.kept()), e2e, source)])
    read = torch.tensor([[*tokens, *tiny.encode(e2e.prompt(source))]])
    out = tiny.model.generate(read, max_new_tokens=e2e.max_new_tokens, do_sample=False, pad_token_id=tiny.end)
    said = tiny.decode([token for token in out[0, read.shape[1] :].tolist() if token != tiny.end])
    assert text == e2e.finish(said) != ""


def test_rows_that_are_shown_are_short_and_unlike_each_other(tiny: Base) -> None:
    task = custom("{a}", "b")
    plain = [Example(f"one two three {number}", ("alpha beta gamma",)) for number in range(6)]
    other = Example("vier funf sechs", ("delta epsilon zeta",))
    long = Example("long " * 40, ("quite other words " * 20,))
    shown = choose(tiny, task, [*plain, other, long], 2)
    assert other in shown and long not in shown and len(shown) == 2
    assert choose(tiny, task, [*plain, other, long], 2) == shown
    assert len(choose(tiny, task, plain[:3], 3)) == 1  # half of the rows at most: the others are learned from
    assert choose(tiny, task, [Example("word " * MOST_TOKENS, ("text",))] * 4) == []
    assert written_out(task, other) == "vier funf sechs\ndelta epsilon zeta"


def test_files_and_cards_hold_all_vectors_and_tell_trained_from_kept(tiny: Base, e2e: Task, tmp_path: Path) -> None:
    settings = replace(SETTINGS, layers="upper half", steps=2)
    *_, last = train(tiny, e2e, "prefix", e2e.pool()[:8], settings)
    assert last.result is not None
    card = artifacts.describe(tiny, "e2e", last.result, {})
    assert card.kept == 2 * card.trained == tiny.shape.prefix_parameters(length_of(tiny, settings))
    artifacts.save(tmp_path / "folder", tiny, last.result.kept, card)
    loaded, read = artifacts.load(tmp_path / "folder", tiny)
    assert Settings(**read.settings) == settings  # as JSON has it
    packed = write_zip(tmp_path / "it.zip", tiny, loaded.prefix, read)
    for steered in (loaded, read_zip(packed, tiny)[0]):
        assert torch.equal(steered.prefix.keys, last.result.kept["keys"])
        assert torch.equal(steered.prefix.values, last.result.kept["values"])


def test_variants_and_encoder_decoders_have_none(tiny: Base) -> None:
    with pytest.raises(InputError, match="demonstrations begin a prefix"):
        replace(SETTINGS, variant="infix")


def test_a_setting_of_today_does_not_make_an_older_card_another_training() -> None:
    older = asdict(replace(SETTINGS, demonstrations=()))
    del older["demonstrations"]
    assert chosen(older) == chosen(asdict(replace(SETTINGS, demonstrations=())))
    assert chosen(older) != chosen(asdict(SETTINGS))
    assert chosen(older)["learning_rate"] == SETTINGS.learning_rate


def test_words_activations_are_the_bases_own_keys_and_values(tiny: Base) -> None:
    words = "name : a pub"
    tokens = [tiny.end, *tiny.encode(words)]
    cache = tiny.model(torch.tensor([tokens]), use_cache=True).past_key_values
    start = word_start(tiny, words, len(tokens))
    for layer in range(tiny.shape.layers):
        torch.testing.assert_close(start[0, layer], cache.layers[layer].keys[0].transpose(0, 1), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(start[1, layer], cache.layers[layer].values[0].transpose(0, 1), rtol=1e-4, atol=1e-5)


def test_no_words_are_refused_and_random_starts_follow_the_seed(tiny: Base) -> None:
    with pytest.raises(InputError, match="initial words are empty"):
        word_start(tiny, "", 5)
    one, same, other = (random_start(tiny.shape, 4, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, same) and not torch.equal(one, other)
