"""Published data sets by name, `webnlg_2017:train`: from PREFIX_DATA_DIR where it is set, else the Hugging Face Hub.

On the Hub these sets have loading scripts, which `datasets` runs no more; its parquet copies of them are read instead.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prefix_core.errors import InputError

SPLITS = ("train", "dev", "test")
HUB = "hf://datasets/{repository}@refs%2Fconvert%2Fparquet/{config}/{split}/*.parquet"


@dataclass(frozen=True)
class DataSet:
    """Where a set lies. folder: under PREFIX_DATA_DIR; hub: owner/name/config; columns: what its rows must have there.

    dev, hub_dev: what the development split is called in either place. only: cells that a test row must have.
    """

    folder: str
    hub: str = ""
    columns: tuple[str, ...] = ()
    dev: str = "dev"
    hub_dev: str = "validation"
    only: dict[str, str] = field(default_factory=dict)


_E2E = ("meaning_representation", "human_reference")
DATA_SETS = {
    "e2e": DataSet("table_to_text/e2e", "tuetschek/e2e_nlg/default", _E2E),
    "e2e_cleaned": DataSet("table_to_text/e2e_cleaned", "tuetschek/e2e_nlg_cleaned/default", _E2E),
    "webnlg_2017": DataSet(
        "table_to_text/webnlg_2017",
        "webnlg-challenge/web_nlg/webnlg_challenge_2017",
        ("category", "modified_triple_sets", "lex"),
        hub_dev="dev",
        only={"test_category": "testdata_with_lex"},  # the others are without texts, or the unseen part again
    ),
    "dart": DataSet("table_to_text/dart", "Yale-LILY/dart/default", ("tripleset", "annotations")),
    "xsum": DataSet("summarization/xsum", "EdinburghNLP/xsum/default", ("document", "summary"), dev="validation"),
    "bbc_news_lead": DataSet("summarization/bbc_news_lead", dev="validation"),
}


def named(name: str) -> tuple[DataSet, str] | None:
    """`webnlg_2017:dev` -> the set and the split; None where it is no such name. Raises `InputError` for the split."""
    set_name, colon, split = name.partition(":")
    if not colon or set_name not in DATA_SETS:
        return None
    if split not in SPLITS:
        raise InputError(f"{name}: there is no split '{split}'. Choose one of: {', '.join(SPLITS)}.")
    return DATA_SETS[set_name], split


def local_file(data: DataSet, split: str) -> Path | None:
    """The split's file under PREFIX_DATA_DIR; None where that is not set. Raises `InputError` if it is not there."""
    folder = os.environ.get("PREFIX_DATA_DIR")
    if not folder:
        return None
    path = Path(folder) / data.folder / f"{data.dev if split == 'dev' else split}.jsonl.gz"
    if not path.exists():
        raise InputError(f"there is no {path}; PREFIX_DATA_DIR should be the folder that holds {data.folder}")
    return path


def hub_rows(name: str, data: DataSet, split: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """(row number, column -> cell) of a split on the Hub. Raises `InputError` without network, or for other columns."""
    if not data.hub:
        raise InputError(f"{name} is not on the Hugging Face Hub; set PREFIX_DATA_DIR to a folder with {data.folder}")
    repository, _, config = data.hub.rpartition("/")
    files = HUB.format(repository=repository, config=config, split=data.hub_dev if split == "dev" else split)
    for row, record in parquet_rows(files, f"{name} ({repository} on the Hugging Face Hub)"):
        if missing := [column for column in data.columns if column not in record]:
            raise InputError(
                f"{name}: {repository} has no column '{missing[0]}' any more, only {', '.join(record)};"
                f" set PREFIX_DATA_DIR to a folder with {data.folder}"
            )
        if split != "test" or all(record.get(column) == cell for column, cell in data.only.items()):
            yield row, record


def parquet_rows(files: str, what: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """(row number, column -> cell) of parquet files, here (a path) or on the Hub (hf://). Raises `InputError`."""
    from datasets import load_dataset

    try:
        yield from enumerate(load_dataset("parquet", data_files=files, split="train", streaming=True), 1)
    except InputError:
        raise
    except Exception as error:  # of many kinds: httpx, fsspec, pyarrow, datasets
        why = str(error).strip().split("\n")[0] or type(error).__name__
        raise InputError(f"{what} cannot be read: {why}. Is there a network? Local files need none.") from error
