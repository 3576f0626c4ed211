"""DART: records of many sources as triples, to a text (Nan et al. 2021; Li & Liang 2021, section 5.1).

DART joins WebNLG 2017, cleaned E2E and tables of Wikipedia in one form. Its training split could not be had, so
prefixes are trained on the first two in DART's form (`webnlg_2017:train+e2e_cleaned:train`): four fifths as many texts,
and none of the tables.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from prefix_core.data.columns import REFERENCE_COLUMNS, TEXT_COLUMNS, Columns
from prefix_core.data.examples import Example, example_of
from prefix_core.data.tables import Table
from prefix_core.errors import InputError
from prefix_core.scores.slots import Coverage
from prefix_core.tasks import e2e, tabular, triples, wording
from prefix_core.tasks.triples import Triples
from prefix_core.tasks.webnlg import WEBNLG

E2E_SLOTS = {name for name in e2e.PAPER_NAMES if name != "name"}


def columns_of(records: Sequence[Mapping[str, Any]]) -> Columns:
    """Those of triples, or E2E's where there is one of its tables."""
    return tabular.columns_of(records) if _are_tables(records) else triples.columns_of(records)


def source_of(record: Mapping[str, Any], inputs: Sequence[str] = ()) -> Triples:
    """The triples of a row, or one of E2E's tables, which becomes `name : attribute : value`. Raises `InputError`."""
    return from_table(e2e.source_of(record, inputs)) if _are_tables([record]) else triples.source_of(record, inputs)


def from_record(record: dict[str, Any], inputs: Sequence[str] = (), targets: Sequence[str] = ()) -> Example:
    """A row of triples, or with one of E2E's tables, and its text(s)."""
    usual = TEXT_COLUMNS if _are_tables([record]) else REFERENCE_COLUMNS
    return example_of(source_of(record, inputs), record, targets or usual)


def _are_tables(records: Sequence[Mapping[str, Any]]) -> bool:
    columns = {str(name).strip().lower() for record in records for name in record}
    return not columns & set(triples.INPUT_COLUMNS) and bool(columns & set(tabular.INPUT_COLUMNS))


def from_table(table: Table) -> Triples:
    """E2E's table as DART has it: a triple for every attribute. What has no name is DART's `[TABLECONTEXT]`.

    Raises `InputError` where there is nothing but a name.
    """
    name = dict(table).get("name", "[TABLECONTEXT]")
    triples_of = tuple((name, attribute, value) for attribute, value in table if attribute != "name")
    if not triples_of:
        raise InputError(f"“{name}” has a name and nothing else. Give it another attribute, or remove the row.")
    return triples_of


def slots(source: Triples, text: str) -> Coverage:
    """As `wording.slots`; E2E's attributes with E2E's many wordings (children are welcome: familyFriendly)."""
    relations = {relation for _, relation, _ in source}
    return wording.slots(source, text, e2e.VOCABULARIES if relations and relations <= E2E_SLOTS else None)


def score(outputs: Sequence[str], examples: Sequence[Example]) -> dict[str, float]:
    """As `wording.score`."""
    return wording.score(outputs, examples, slots)


DART = replace(  # the same kind of input: only the data differ from WebNLG's
    WEBNLG,
    name="dart",
    title="Records (DART)",
    terms=(
        "WebNLG challenge 2017 (CC BY-NC-SA 4.0: not for commercial use) and cleaned E2E (CC BY-SA 4.0) in DART's form,"
        " in place of DART's own training split; scored on DART (MIT)"
    ),
    columns_of=columns_of,
    source_of=source_of,
    from_record=from_record,
    score=score,
    slots=slots,
    unlike=triples.unlike,
)
