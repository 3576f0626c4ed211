"""The text a base model is pretrained on: reading it, holding some out, keeping the evaluation sets out, mixing it.

Laid out below the folder that the environment variable PREFIX_DATA_DIR names:
`pretraining/open/<source>.txt.xz` (documents, each ended by a line `<|endoftext|>`), and
`table_to_text/<set>/<split>.jsonl.gz`, `summarization/<set>/<split>.jsonl.gz` (one JSON object a line, `references`).
"""

import gzip
import json
import lzma
import os
import random
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from hashlib import blake2b
from itertools import chain
from pathlib import Path

from prefix_core.errors import InputError

END = "<|endoftext|>"
OVERLAP = 13  # words in a row shared with a test reference that take a document out (Brown et al. 2020)
HELD_OUT = 200  # one document in this many is never trained on
EVALUATED = {
    "table_to_text": [
        "e2e",
        "e2e_cleaned",
        "webnlg_2017",
        "webnlg_2020",
        "dart",
        "rnnlg_restaurant",
        "rnnlg_hotel",
        "fewshotwoz",
    ],
    "summarization": ["xsum"],
}


def data_folder() -> Path:
    """Where the data lies. Raises InputError when PREFIX_DATA_DIR is not set or not a folder."""
    folder = Path(os.environ.get("PREFIX_DATA_DIR", ""))
    if not os.environ.get("PREFIX_DATA_DIR") or not folder.is_dir():
        raise InputError("set PREFIX_DATA_DIR to the folder that holds pretraining/ and table_to_text/")
    return folder


def read_documents(source: str) -> list[str]:
    """All documents of one open source, in the order of its file."""
    path = data_folder() / "pretraining" / "open" / f"{source}.txt.xz"
    if not path.exists():
        raise InputError(f"no text named {source!r}: {path.name} is not in {path.parent}")
    with lzma.open(path, "rt", encoding="utf-8") as file:
        documents = file.read().split(f"\n{END}\n")
    return [document.strip() for document in documents if document.strip()]


def read_records(family: str, name: str, split: str) -> Iterator[dict]:
    """The JSON objects of `<family>/<name>/<split>.jsonl.gz`."""
    with gzip.open(data_folder() / family / name / f"{split}.jsonl.gz", "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)


def is_held_out(document: str) -> bool:
    """Whether a document is kept for measuring: decided by its text alone, so the same in every run."""
    return int.from_bytes(blake2b(document.encode(), digest_size=4).digest()) % HELD_OUT == 0


@cache
def held_out_documents(source: str) -> tuple[str, ...]:
    """The documents of one open source that are never trained on, in the order of its file."""
    return tuple(filter(is_held_out, read_documents(source)))


def word_runs(text: str) -> Iterator[str]:
    """Every run of OVERLAP words, lower case, punctuation dropped."""
    words = plain_words(text)
    return (" ".join(words[i : i + OVERLAP]) for i in range(len(words) - OVERLAP + 1))


def plain_words(text: str) -> list[str]:
    """Its words in lower case, without punctuation."""
    return re.findall(r"[a-z0-9]+", text.lower())


def _references(family: str, name: str, split: str) -> Iterator[str]:
    for record in read_records(family, name, split):
        yield from record.get("references") or [record["summary"]]


def _test_references() -> Iterator[tuple[str, str]]:
    """(evaluated set, reference)."""
    for family, names in EVALUATED.items():
        for name in names:
            yield from ((name, reference) for reference in _references(family, name, "test"))


@cache
def evaluation_runs() -> dict[str, str]:
    """Run of words -> the evaluated set whose test references hold it."""
    return {run: name for name, reference in _test_references() for run in word_runs(reference)}


@cache
def _evaluated_lines() -> frozenset[str]:
    """Whole test references, also those too short for a run, and FewShotWOZ's training ones, as plain words."""
    learned = _references("table_to_text", "fewshotwoz", "train")
    texts = chain((reference for _, reference in _test_references()), learned)
    return frozenset(" ".join(plain_words(text)) for text in texts)


def is_evaluated(reference: str) -> bool:
    """Whether it is a reference of an evaluated set, or shares a run of words with a test reference of one."""
    whole = " ".join(plain_words(reference)) in _evaluated_lines()
    return whole or any(run in evaluation_runs() for run in word_runs(reference))


def decontaminate(
    documents: Iterable[str], runs: Mapping[str, str], report: Callable[[str], object] = print
) -> Iterator[str]:
    """Drop, and report, every document that shares OVERLAP words in a row with a test reference."""
    for document in documents:
        shared = next((run for run in word_runs(document) if run in runs), None)
        if shared is None:
            yield document
        else:
            report(f"removed ({runs[shared]}): {document[:60]!r} ... {shared!r}")


def forever(documents: list[str], rng: random.Random) -> Iterator[str]:
    """All documents in random order, then again in another, without end."""
    while True:
        yield from rng.sample(documents, len(documents))


def mix(streams: Mapping[str, Iterator[str]], shares: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    """(source, document) without end, so that at any time each source has its share of the bytes."""
    written = dict.fromkeys(shares, 0.0)
    while True:
        source = min(written, key=written.__getitem__)
        document = next(streams[source])
        written[source] += (len(document.encode()) + 1) / shares[source]
        yield source, document
