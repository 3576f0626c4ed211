"""How a prefix is trained on a few rows: as many steps as a pace allows, from rows where they can be shown."""

import pytest

from prefix_core.data.examples import one_text_each
from prefix_core.methods.settings import defaults
from prefix_core.model.base import Base
from prefix_core.model.loading import load_base
from prefix_core.tasks.task import Task
from prefix_core.training.few_rows import PACES, at_pace, from_rows, measured_every
from tests.architectures import make_base


def test_a_pace_bounds_the_steps_and_measures_a_few_times() -> None:
    quick, thorough = PACES["quick"], PACES["thorough"]
    assert [quick.steps(texts) for texts in (6, 36, 400)] == [quick.fewest, 20, quick.most]
    assert thorough.steps(36) > quick.steps(36)
    for steps in (12, 13, 30):
        every = measured_every("quick", steps)
        assert len({*range(every, steps + 1, every), steps}) == 2  # beside the one before training


def test_what_it_starts_from_decides_its_rate_and_the_layers_that_learn(tiny: Base, e2e: Task) -> None:
    rows = one_text_each(e2e.pool())[:20]
    rest, settings = from_rows(tiny, e2e, rows)
    shown = len(rows) - len(rest)
    assert shown == len(settings.demonstrations) > 0
    assert settings.layers == "upper half" and settings.initial_words == e2e.instruction
    words = defaults("prefix", "table-to-text:")
    assert at_pace(tiny, settings, "quick", rest).learning_rate == PACES["quick"].rates["rows"]
    assert at_pace(tiny, settings, "quick", rest[:5]).learning_rate == PACES["quick"].rates["rows"] / 2
    assert at_pace(tiny, words, "quick", rest[:5]).learning_rate == PACES["quick"].rates["words"]
    assert at_pace(tiny, words, "quick", rest).learning_rate == PACES["quick"].rates["words"]
    tuned = at_pace(tiny, defaults("fine_tune", ""), "thorough", rest, "fine_tune")
    assert tuned.learning_rate == PACES["thorough"].rates["fine_tune"] and tuned.patience is None
    assert tuned.steps == at_pace(tiny, settings, "thorough", rest).steps


def test_an_encoder_decoder_starts_from_words(tmp_path_factory: pytest.TempPathFactory, e2e: Task) -> None:
    bart = load_base(str(make_base(tmp_path_factory.mktemp("bart"), "bart")))
    rows = one_text_each(e2e.pool())[:20]
    rest, settings = from_rows(bart, e2e, rows)
    assert rest == rows and not settings.demonstrations and settings.initial_words == e2e.initial_words
