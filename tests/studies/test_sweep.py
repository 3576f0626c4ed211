"""The sweep that the defaults come from: what it tries, and what it leaves."""

import json
from pathlib import Path

from prefix_core.model.base import Base
from prefix_core.studies.sweep import ADAPTER_RATES, LONGER, RATES, RECORD, candidates, sweep
from prefix_core.tasks.task import Task


def test_each_setting_is_changed_by_itself(e2e: Task) -> None:
    tried = candidates("prefix", e2e)
    assert len(set(tried)) == len(tried)
    assert {settings.prefix_length for settings in tried} == {11, LONGER}
    assert {settings.mlp_width for settings in tried} == {None, 512}
    assert "" in {settings.initial_words for settings in tried}
    rates = [(settings.adapter_share, settings.learning_rate) for settings in candidates("adapter", e2e)]
    assert rates == [(share, rate) for share, some in ADAPTER_RATES.items() for rate in some]


def test_a_sweep_goes_on_where_it_was(tiny: Base, e2e: Task, tmp_path: Path) -> None:
    rates = RATES["top_layers"]
    older = [
        {"base_hash": "another", "task": "e2e", "method": "adapter"},
        {"base_hash": tiny.weights_hash, "task": "e2e", "method": "prefix", "held_out_loss": 9.0},
    ]
    (tmp_path / RECORD).write_text(json.dumps(older))
    examples = e2e.pool()
    given = [tiny, e2e, ["top_layers"], examples[:10], examples[10:14]]
    found = sweep(*given, 2, tmp_path)
    assert [row["method"] for row in found] == ["prefix", *["top_layers"] * len(rates)]
    assert sorted(row["learning_rate"] for row in found[1:]) == sorted(rates)
    losses = [row["held_out_loss"] for row in found[1:]]
    assert losses == sorted(losses) and len(set(losses)) == len(losses)
    written = json.loads((tmp_path / RECORD).read_text())
    assert sorted(map(str, written)) == sorted(map(str, found))
    kept = [{**row, "held_out_loss": 7.0} for row in written if row.get("learning_rate") != rates[0]]
    (tmp_path / RECORD).write_text(json.dumps(kept))
    again = sweep(*given, 2, tmp_path)
    (first,) = (row for row in found if row.get("learning_rate") == rates[0])
    assert [row["held_out_loss"] for row in again if row["held_out_loss"] != 7.0] == [first["held_out_loss"]]
    assert len(sweep(*given, 3, tmp_path)) == len(again) + len(rates)  # after more steps it is another number
    given[3] = examples[:9]
    assert len(sweep(*given, 3, tmp_path)) == len(again) + 2 * len(rates)  # and on other texts
