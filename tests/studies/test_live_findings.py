"""Live training summed up: means and spans over the subsets, who is ahead where, and what decides it."""

from prefix_core.studies.live_findings import cells, markdown, table, verdict


def row(side: str, score: float, rows: int = 50, draw: int = 0, set: str = "e2e") -> dict:
    told = {"set": set, "rows": rows, "draw": draw, "inputs": 100, "side": side, "bleu": score, "rouge_l": 90 - score}
    first = {"seconds_to_first": 1.0, "steps": 20} if side == "prefix" else {}
    return told | first | {"seconds": 0.0 if side == "prompt" else 20.0, "names_said": 88.0}


def compared(ours: float, tuned: float, **place: int | str) -> list[dict]:
    scores = {"prefix": ours, "peft": 50, "fine_tune": tuned, "prompt": 30}
    return [row(side, score, **place) for side, score in scores.items()]


RUNS = [
    *compared(20, 25, rows=10, set="news"),
    *compared(54, 52, draw=0),
    *compared(58, 54, draw=1),
    *compared(40, 45, rows=10),
]


def test_means_and_spans_are_over_the_subsets_and_sets_stand_in_their_order() -> None:
    few, more, news = cells(RUNS)
    assert [(cell.set, cell.rows) for cell in (few, more, news)] == [("e2e", 10), ("e2e", 50), ("news", 10)]
    assert more.subsets == 2 and more.means["prefix"]["bleu"] == 56 and more.spans["prefix"] == (54, 58)
    assert more.means["fine_tune"]["bleu"] == 53 and more.best == "prefix"
    assert news.score == "rouge_l" and news.best == "prefix"  # 70, though its BLEU is the lowest
    assert few.best == "peft"


def test_the_first_sentence_says_where_the_prefix_is_behind() -> None:
    said = verdict(cells(RUNS))
    assert said == "The prefix is ahead of all three others in 2 of 3 comparisons; ahead elsewhere: PEFT in 1."
    assert verdict(cells(compared(60, 50))) == "The prefix is ahead of all three others in 1 of 1 comparisons."


def test_every_side_has_its_cell_and_the_best_is_bold() -> None:
    record = {"runs": RUNS, "threads": 1, "precision": "bf16"}
    line = next(line for line in markdown(record).splitlines() if line.startswith("| 50 of restaurants"))
    assert line == (
        "| 50 of restaurants (E2E) | 2 | 100 | 1.0 s | 20 s | **56.0** (88%) | 50.0 (88%) | 53.0 (88%) | 30.0 (88%) |"
    )
    lines = table(record).splitlines()
    assert len(lines) == 1 + 4 * 3 and len({len(line) for line in lines}) == 1
