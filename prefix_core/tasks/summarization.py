"""Summarization: a news article to one sentence (XSUM, Narayan et al. 2018; Li & Liang 2021, section 5.1).

Articles are cut at the end of the context, as the paper cuts them at 512 tokens: a base's 1024 positions hold the
prefix and the summary besides.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from prefix_core.data.characters import flatten, visible
from prefix_core.data.columns import REFERENCE_COLUMNS, Columns, known, pick
from prefix_core.data.examples import Example, example_of
from prefix_core.errors import InputError
from prefix_core.scores.metrics import rouge
from prefix_core.tasks.task import Task, first_line

INPUT_COLUMNS = ("article", "document", "text", "source", "input")
SUMMARY_COLUMNS = ("summary", "highlights", *REFERENCE_COLUMNS)
MAX_ARTICLE = 200_000  # characters
LABEL_WORDS = 6
FEW_WORDS = 40  # hardly an article of XSUM or BBC News has fewer

# What a news site prints around an article, but never in it.
_PAGE_LINES = re.compile(
    r"^\s*(?:Image (?:copyright|caption|source)\b.*|Share this with.*|Copy this link.*)$", re.MULTILINE
)
_PAGE_WORDS = re.compile(r"Media playback is (?:not supported|unsupported) on (?:this|your) device\s*")
_END = re.compile(r"(?<=[.!?])[\"'”’)\]]*\s+(?=[\"'“‘(\[]*[A-Z0-9£$€])")
_NO_END = re.compile(r"(?:\b(?:Mr|Mrs|Ms|Dr|Prof|Sgt|Det|Insp|Rev|Hon|Gen|Col|Lt|St|No|vs|etc|Jr|Sr)|\b[A-Z])\.$")


def parse(raw: str | Sequence[Sequence[Any]]) -> str:
    """A pasted article -> one line of text, without the page's own words around it. Raises `InputError`."""
    text = raw if isinstance(raw, str) else "\n".join(str(cell) for row in raw for cell in row)
    if len(text) > MAX_ARTICLE:
        raise InputError(f"The article has {len(text):,} characters; at most {MAX_ARTICLE:,} can be read. Shorten it.")
    article = flatten(_PAGE_WORDS.sub("", _PAGE_LINES.sub("", visible(text))))
    if not article:
        raise InputError("The article is empty. Paste a text of a few sentences.")
    return article


def columns_of(records: Sequence[Mapping[str, Any]]) -> Columns:
    """One of `INPUT_COLUMNS`, and those of `SUMMARY_COLUMNS` that are there."""
    return known(records, INPUT_COLUMNS, SUMMARY_COLUMNS) or Columns((), ())


def source_of(record: Mapping[str, Any], inputs: Sequence[str] = ()) -> str:
    """The article of a row, in the column named, else in one of `INPUT_COLUMNS`. Raises `InputError`."""
    name, cell = pick(record, inputs or INPUT_COLUMNS, "article")
    if not isinstance(cell, str):
        raise InputError(f"column '{name}' is no text. Give the article as one text.")
    try:
        return parse(cell)
    except InputError as error:
        raise InputError(f"column '{name}': {error}") from None


def from_record(record: dict[str, Any], inputs: Sequence[str] = (), targets: Sequence[str] = ()) -> Example:
    """A row with an article and its summary, in the named columns, else in `INPUT_COLUMNS` and `SUMMARY_COLUMNS`."""
    return example_of(source_of(record, inputs), record, targets or SUMMARY_COLUMNS)


def unlike(article: str) -> str:
    """What about a text is unlike the articles that were learned from."""
    words = len(article.split())
    return f"This has {words} words; the articles in the training data have hundreds." if words < FEW_WORDS else ""


def lead(article: str) -> str:
    """The article's first sentence: the baseline that any summary should be measured against."""
    for end in _END.finditer(article):
        if not _NO_END.search(article[: end.start()]):
            return article[: end.end()].strip()
    return article


def label(article: str) -> str:
    """Its first words."""
    words = article.split(" ")
    return " ".join(words[:LABEL_WORDS]) + "…" * (len(words) > LABEL_WORDS)


def score(outputs: Sequence[str], examples: Sequence[Example]) -> dict[str, float]:
    """rouge_1, rouge_2 and rouge_l (see `metrics`)."""
    return {**rouge(outputs, [example.references for example in examples])}


SUMMARIZATION = Task(
    name="summarization",
    title="News (XSUM)",
    kind="text",
    columns=(),
    terms="XSUM and BBC News articles, copyright BBC: for research only, the texts are not passed on",
    instruction="What is this news article about? Answer in one short sentence.",
    initial_words="Write one sentence that sums up the news article below:",
    max_new_tokens=64,
    parse=parse,
    to_grid=lambda article: [],
    to_text=str,
    label=label,
    linearize=str,
    columns_of=columns_of,
    source_of=source_of,
    from_record=from_record,
    finish=first_line,
    score=score,
    slots=None,
    unlike=unlike,
    cut=True,
    separator="\nSummary:",
)
