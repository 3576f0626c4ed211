"""What a training is expected to take is told before it begins, and corrected by what was seen."""

from dataclasses import replace
from pathlib import Path

import pytest

from prefix_core.errors import InputError
from prefix_core.model.base import Base
from prefix_core.places import ASSETS
from prefix_core.ui.labels import about
from prefix_core.ui.train import estimate, plan
from prefix_core.ui.train.estimate import MachineSpeed, copy_bytes, free_bytes, measured, work
from prefix_core.ui.train.limits import Limits
from prefix_core.ui.train.plan import TrainingForm, make_plan
from prefix_core.ui.train.sheet import read_file


def form(**changes: object) -> TrainingForm:
    sheet = read_file(ASSETS / "examples" / "training_sample.csv", Limits())
    inputs, target = sheet.guess
    return TrainingForm(sheet, "custom", inputs, target, **changes)  # type: ignore[arg-type]


def test_seconds_follow_from_the_work_and_from_what_was_seen(tiny: Base) -> None:
    quick, thorough = (make_plan(form(pace=pace), tiny, Limits()) for pace in ("quick", "thorough"))
    pace = measured(tiny)
    assert pace.start < pace.seconds(quick, tiny) < pace.seconds(thorough, tiny)
    pace.learn(quick, tiny, "prefix", quick.methods["prefix"].steps_for(quick.texts), seconds=30)
    assert pace.seconds(quick, tiny) == pytest.approx(pace.start + 30)
    whole = replace(quick, methods={"prefix": replace(quick.methods["prefix"], layers="all")})
    assert work(whole, tiny, "prefix") > work(quick, tiny, "prefix")  # the lower layers are run once for a text
    assert [about(seconds) for seconds in (1, 38, 83, 204)] == ["5 s", "40 s", "1 min 20 s", "3 min"]
    assert MachineSpeed(1e9).speed == 1e9


def test_fine_tuning_is_refused_where_its_memory_is_not_free(
    tiny: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimate, "MEMORY", tmp_path / "meminfo")
    monkeypatch.setattr(estimate, "GROUP", tmp_path)
    assert free_bytes() is None
    (tmp_path / "meminfo").write_text("MemTotal: 9000000 kB\nMemAvailable: 4000000 kB\n")
    assert free_bytes() == 4_096_000_000
    (tmp_path / "memory.max").write_text("1000000000\n")
    (tmp_path / "memory.current").write_text("600000000\n")
    assert free_bytes() == 400_000_000 < copy_bytes(tiny)
    monkeypatch.setattr(plan, "free_bytes", free_bytes)
    with pytest.raises(InputError, match="Untick the race"):
        make_plan(form(race=True), tiny, Limits())
    (tmp_path / "memory.max").write_text("max\n")
    assert set(make_plan(form(race=True), tiny, Limits()).methods) == {"prefix", "fine_tune"}
