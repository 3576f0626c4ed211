"""Summarization: an article is one line without the page around it; what does not fit is cut, and that is said."""

import pytest

from prefix_core.errors import InputError
from prefix_core.methods import prompt
from prefix_core.methods.settings import Settings
from prefix_core.tasks import get_task
from prefix_core.tasks.summarization import lead
from prefix_core.training.batches import encode_pairs
from prefix_core.training.train import train
from prefix_core.writing.generate import Decoding, Request, stream

NEWS = get_task("summarization")


def test_an_article_is_flattened_and_the_pages_words_dropped():
    page = (
        "Media playback is not supported on this device\nImage copyright Anyone\n The ferry\u00a0 sails.\n\n"
        "Media playback is unsupported on your device Image rights matter.\nImage caption A ferry\n"
    )
    assert NEWS.parse(page) == "The ferry sails. Image rights matter."


@pytest.mark.parametrize("columns", [("article", "summary"), ("document", "summary"), ("text", "target")])
def test_rows_of_news(columns):
    example = NEWS.from_record({columns[0]: "It rained.\nAll day.", columns[1]: "Rain.", "category": "weather"})
    assert (example.source, example.references, example.category) == ("It rained. All day.", ("Rain.",), "weather")


def test_errors_name_the_column():
    with pytest.raises(InputError, match=r"column 'article': The article is empty"):
        NEWS.from_record({"article": "Media playback is not supported on this device", "summary": "x"})
    with pytest.raises(InputError, match=r"column 'article' is no text"):
        NEWS.from_record({"article": ["a"], "summary": "x"})
    with pytest.raises(InputError, match="200,001 characters"):
        NEWS.parse("x" * 200_001)


@pytest.mark.parametrize(
    ("article", "sentence"),
    [
        ("It rained. Then it stopped.", "It rained."),
        ("Mr. A. Penn of St. Mary's spoke. He left.", "Mr. A. Penn of St. Mary's spoke."),
        ("It rose 1.5% to 3.2m. Nobody knew.", "It rose 1.5% to 3.2m."),
        ('"We won!" She laughed.', '"We won!"'),
        ("Why? Because.", "Why?"),
        ("no end at all", "no end at all"),
    ],
)
def test_the_lead_is_the_first_sentence(article, sentence):
    assert lead(article) == sentence


def test_the_lead_scores_as_a_summary_may():
    pool = NEWS.pool()
    scores = NEWS.score([lead(example.source) for example in pool], pool)
    assert list(scores) == ["rouge_1", "rouge_2", "rouge_l"] and 10 < scores["rouge_l"] < 70


def test_a_long_article_is_cut_to_what_is_left_and_that_is_said(tiny):
    room = tiny.shape.positions
    article = "The ferry sails again on Monday morning. " * room
    events = list(stream(tiny, [Request(prompt.steer(tiny, NEWS), NEWS, article)], Decoding(max_new_tokens=4)))
    assert events[-1].finished and not events[-1].error and events[-1].cut > 0
    example = NEWS.from_record({"article": article, "summary": "A ferry sails."})
    (pair,) = encode_pairs(tiny, NEWS, [example], prefix_length=5)
    assert len(pair.source) + len(pair.target) + 5 == room
    assert tiny.decode(pair.source).endswith(NEWS.separator)
    *_, last = train(tiny, NEWS, "prefix", [example], Settings(steps=1, batch=1, prefix_length=5, initial_words=""))
    assert last.result.steps == 1
