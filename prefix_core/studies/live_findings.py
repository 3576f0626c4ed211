"""What training live gives: means over the subsets, for every set, number of rows and side. Imports no torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

RECORD = "live.json"
SIDES = {
    "prefix": "prefix, as on the page",
    "peft": "PEFT's prefix, from the same start",
    "fine_tune": "fine-tuning",
    "prompt": "the same rows in a prompt",
}
SHORT = {"peft": "PEFT", "fine_tune": "fine-tuning", "prompt": "the prompt"}
SETS = {
    "e2e": "restaurants (E2E)",
    "news": "BBC news",
    "innkeeper": "our innkeeper",
    "announcements": "our train announcements",
    "museum": "our museum",
}
TIMES = ("seconds_to_first", "seconds", "steps")
SCORES = ("bleu", "names_said", "slot_coverage", "rouge_2", "rouge_l")

Runs = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Cell:
    """A set and a number of rows: of every side the means over the subsets, by name, and its lowest and highest score.

    score: the name of the score that decides, BLEU or, of news, ROUGE-L. inputs: scored, of each subset.
    """

    set: str
    rows: int
    subsets: int
    inputs: int
    score: str
    means: dict[str, dict[str, float]]
    spans: dict[str, tuple[float, float]]

    @property
    def best(self) -> str:
        """The side with the highest score."""
        return max(self.means, key=lambda side: self.means[side][self.score])


def cells(runs: Runs) -> list[Cell]:
    """The sets in their order, each by the number of rows."""
    places = sorted(
        {(row["set"], row["rows"]) for row in runs}, key=lambda place: (list(SETS).index(place[0]), place[1])
    )
    return [_cell([row for row in runs if (row["set"], row["rows"]) == place]) for place in places]


def _cell(runs: Runs) -> Cell:
    first = runs[0]
    score = "rouge_l" if first["set"] == "news" else "bleu"
    by_side = {side: [row for row in runs if row["side"] == side] for side in SIDES}
    means, spans = {}, {}
    for side, rows in by_side.items():
        means[side] = {name: mean(row[name] for row in rows) for name in (*TIMES, *SCORES) if name in rows[0]}
        spans[side] = (min(row[score] for row in rows), max(row[score] for row in rows))
    subsets = len({row["draw"] for row in runs})
    return Cell(first["set"], first["rows"], subsets, first["inputs"], score, means, spans)


def verdict(summed: Sequence[Cell]) -> str:
    """Where the prefix is ahead of the three others, and who is where it is not."""
    won = sum(cell.best == "prefix" for cell in summed)
    said = f"The prefix is ahead of all three others in {won} of {len(summed)} comparisons"
    others = [cell.best for cell in summed if cell.best != "prefix"]
    ahead = ", ".join(f"{title} in {others.count(side)}" for side, title in SHORT.items() if side in others)
    return f"{said}; ahead elsewhere: {ahead}." if ahead else f"{said}."


def table(result: Mapping[str, Any]) -> str:
    """For reading in a terminal: a line for every side; of the score that decides the lowest and the highest, too."""
    lines = [["set", "rows", "side", "subsets", *TIMES, *SCORES, "from", "to"]]
    for cell in cells(result["runs"]):
        for side, means in cell.means.items():
            figures = [f"{means[name]:.1f}" if name in means else "–" for name in (*TIMES, *SCORES)]
            low, high = cell.spans[side]
            lines.append([cell.set, f"{cell.rows}", side, f"{cell.subsets}", *figures, f"{low:.1f}", f"{high:.1f}"])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.rjust, line, widths)) for line in lines)


def machine(result: Mapping[str, Any]) -> str:
    """On how many threads it was measured, and in what."""
    threads = "one thread" if result["threads"] == 1 else f"{result['threads']} threads"
    return f"{threads}, {result['precision']}"


def markdown(result: Mapping[str, Any]) -> str:
    """A section: who is ahead, how it was measured, and a line for every set and number of rows."""
    summed = cells(result["runs"])
    said = (
        f"**{verdict(summed)}** What the page's quick training gives, and the others in the same seconds "
        f"({machine(result)}): BLEU, of news ROUGE-L, and in brackets the share of names said. PEFT has "
        "the best of three rates by held-out loss, each with all the seconds; nothing is trained for the prompt. Means "
        "over the subsets of the rows; 12 inputs of a set of our own cannot tell small differences."
    )
    head = ["rows", "subsets", "inputs", "first words", "trained", *SIDES.values()]
    lines = [head, ["---", *["--:"] * (len(head) - 1)]]
    for cell in summed:
        ours = cell.means["prefix"]
        times = [f"{ours['seconds_to_first']:.1f} s", f"{ours['seconds']:.0f} s"]
        shown = [scored(cell, side) for side in SIDES]
        lines.append([f"{cell.rows} of {SETS[cell.set]}", f"{cell.subsets}", f"{cell.inputs}", *times, *shown])
    body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"### Training while you watch\n\n{said}\n\n{body}\n\n`python -m prefix_core bench --live` measures it.\n"


def scored(cell: Cell, side: str) -> str:
    """A side's score, with its share of names said in brackets; the best in bold."""
    means = cell.means[side]
    names = f" ({means['names_said']:.0f}%)" if "names_said" in means else ""
    bold = "**" if side == cell.best else ""
    return f"{bold}{means[cell.score]:.1f}{bold}{names}"
