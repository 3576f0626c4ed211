"""The sweep that the defaults come from: what it tries, and what it leaves."""

import json
from pathlib import Path

from prefix_core.base import Base
from prefix_core.sweep import LENGTHS, RATES, RECORD, candidates, sweep
from prefix_core.tasks.task import Task


def test_each_setting_is_changed_by_itself(tiny: Base, e2e: Task) -> None:
    tried = candidates("prefix", tiny, e2e)
    assert len(set(tried)) == len(tried)
    assert {settings.prefix_length for settings in tried} == set(LENGTHS)
    assert {settings.mlp_width for settings in tried} == {None, 512}
    assert "" in {settings.initial_words for settings in tried}
    assert [settings.learning_rate for settings in candidates("adapter", tiny, e2e)] == list(RATES)


def test_a_sweep_leaves_its_numbers_in_place_of_older_ones(tiny: Base, e2e: Task, tmp_path: Path) -> None:
    older = [
        {"base_hash": "another", "task": "e2e", "method": "adapter"},
        {"base_hash": tiny.weights_hash, "task": "e2e", "method": "top_layers", "held_out_loss": 1.0, "seed": 7},
        {"base_hash": tiny.weights_hash, "task": "e2e", "method": "prefix", "held_out_loss": 9.0, "seed": 8},
    ]
    (tmp_path / RECORD).write_text(json.dumps(older))
    examples = e2e.pool()
    for _ in range(2):
        found = sweep(tiny, e2e, ["top_layers"], examples[:10], examples[10:14], 2, tmp_path)
        assert [row["method"] for row in found] == ["prefix", *["top_layers"] * len(RATES)]
        assert sorted(row["learning_rate"] for row in found[1:]) == sorted(RATES)
        losses = [row["held_out_loss"] for row in found[1:]]
        assert losses == sorted(losses) and len(set(losses)) == len(losses)
        assert 7 not in {row["seed"] for row in found}
        written = json.loads((tmp_path / RECORD).read_text())
        assert sorted(map(str, written)) == sorted(map(str, found))
