"""The results as Markdown: a table for each task, from what assets/evidence has, with the paper's rows beside ours."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prefix_core.places import EVIDENCE, PACKAGE
from prefix_core.studies import findings
from prefix_core.studies.evidence import FULL_SIZE, path_of
from prefix_core.tasks import get_task

MARKS = ("<!-- results -->\n", "<!-- /results -->\n")  # around the tables, in the README and in docs/results.md
PAPER = "paper.json"

# Task -> its scores, the headline first, and their headings; a score that no row has is left out.
SCORES = {
    "e2e": {
        "bleu": "BLEU",
        "nist": "NIST",
        "meteor": "METEOR",
        "rouge_l": "ROUGE-L",
        "cider": "CIDEr",
        "slot_coverage": "values said",
        "names_said": "names said",
        "invented": "invented a text",
    },
    "webnlg": {
        "bleu": "BLEU",
        "bleu_seen": "BLEU, seen",
        "bleu_unseen": "BLEU, unseen",
        "meteor": "METEOR",
        "chrf": "chrF",
        "ter": "TER",
        "slot_coverage": "values said",
        "invented": "invented a text",
    },
    "dart": {
        "bleu": "BLEU",
        "meteor": "METEOR",
        "chrf": "chrF",
        "ter": "TER",
        "slot_coverage": "values said",
        "invented": "invented a text",
    },
    "summarization": {"rouge_l": "ROUGE-L", "rouge_1": "ROUGE-1", "rouge_2": "ROUGE-2"},
}
LABELS = {
    "prefix": "prefix",
    "prefix_long": "a longer prefix",
    "fine_tune": "fine-tuned",
    "top_layers": "FT-top2",
    "adapter": "adapter",
    "adapter_small": "adapter, 0.1%",
    "prompt_0": "prompted",
    "prompt_3": "prompted, 3 examples",
    "lead": "the article's first sentence",
}
DECIMALS = {"nist": 2, "cider": 2, "invented": 2}
SHARES = {"slot_coverage", "names_said"}
WRITTEN = {"milliseconds_per_token_1": "1 row", "milliseconds_per_token_8": "8 rows"}
COSTS = ("trained", "kept", "of base", "on disk", "training", "tokens/s", "texts seen")


def markdown(folder: Path = EVIDENCE) -> str:
    """A section a task: its dev set, then the headline on its other sets; then the low-data studies and what was not
    run; at the end what full-size models take."""
    paper = json.loads((folder / PAPER).read_text(encoding="utf-8"))
    sections = []
    for task in SCORES:
        path = path_of(task, "dev", folder)
        evidence = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
        tables = [json.loads(other.read_text(encoding="utf-8")) for other in sorted(folder.glob(f"{task}-*.json"))]
        tables = [other for other in tables if not evidence or other["base_hash"] == evidence["base_hash"]]
        sections.append(section(task, evidence, paper["tasks"][task], paper["split"]) + others(task, tables))
    sections.append(findings.markdown(folder))
    if (path := folder / FULL_SIZE).exists():
        sections.append(full_size(json.loads(path.read_text(encoding="utf-8"))))
    return "\n".join(sections)


def section(task: str, evidence: dict[str, Any] | None, paper: dict[str, Any], paper_split: str) -> str:
    title = f"### {get_task(task).title}\n"
    if not evidence or not evidence["rows"]:
        return f"{title}\nNot measured on this base yet.\n"
    rows = evidence["rows"]
    names = [name for name in SCORES[task] if any(name in row for row in rows)]
    inputs = " or ".join(f"{count:,}" for count in sorted({row["inputs"] for row in rows}))
    most_cut = max(row.get("cut", 0) for row in rows)
    cut = f" (at most {most_cut:,} of them cut to fit the context)" if most_cut else ""
    said = (
        f"{inputs} inputs of {evidence['scored_on']}{cut}, {evidence['decoding']}, on the {evidence['base']} "
        f"base ({evidence['base_parameters']:,} parameters), learned from {evidence['learned_from']}. In italics "
        f"**another model**: the paper's {paper['model']} on the {paper_split} set, {paper['decoding']}."
    )
    head = ["method", *(SCORES[task][name] for name in names), *COSTS]
    lines = [line(head), f"|---|{'--:|' * (len(head) - 1)}"]
    lines += [line([LABELS[row["row"]], *scores(row, names), *costs(row)]) for row in rows]
    for row in paper["rows"]:
        share = f"{row['share']}%" if "share" in row else ""
        cells = [f"{LABELS[row['row']]}, {paper['model']}", *scores(row, names), "", "", share, "", "", "", ""]
        lines.append(line([f"*{cell}*" if cell else "" for cell in cells]))
    table = "\n".join(lines)
    return f"{title}\n{said}\n\n{table}\n{unsure(rows, names[0], SCORES[task][names[0]])}"


def others(task: str, tables: Sequence[dict[str, Any]]) -> str:
    """The first score on a task's other sets and on the parts of them, a line each, a column a method."""
    measured = {row["row"] for evidence in tables for row in evidence["rows"]}
    names = [name for name in LABELS if name in measured]
    headline, *rest = SCORES[task]
    lines = []
    for evidence in tables:
        rows = {row["row"]: row for row in evidence["rows"]}
        for score in [headline, *(name for name in rest if name.startswith(f"{headline}_"))]:
            if any(score in row for row in rows.values()):
                part = SCORES[task][score].partition(", ")[2]
                inputs = f"{evidence['rows'][0]['inputs']:,}" if score == headline else ""
                cells = [scores(rows[name], [score])[0] if name in rows else "" for name in names]
                decoding = "" if evidence["decoding"] == "greedy" else f", {evidence['decoding']}"
                lines.append(line([evidence["scored_on"] + (part and f", {part}") + decoding, inputs, *cells]))
    if not lines:
        return ""
    head = line([SCORES[task][headline], "inputs", *(LABELS[name] for name in names)])
    return "\n" + "\n".join([head, f"|---|{'--:|' * (len(names) + 1)}", *lines]) + "\n"


def line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def scores(row: dict[str, Any], names: Sequence[str]) -> list[str]:
    """The row's scores as cells, the first with its interval."""
    cells = []
    for place, name in enumerate(names):
        if name not in row:
            cells.append("")
            continue
        decimals, unit = DECIMALS.get(name, 1), "%" if name in SHARES else ""
        cell = f"{row[name]:.{decimals}f}{unit}"
        if place == 0 and name in row.get("interval", {}):
            low, high = row["interval"][name]
            cell += f" ({low:.{decimals}f}–{high:.{decimals}f})"
        cells.append(cell)
    return cells


def costs(row: dict[str, Any]) -> list[str]:
    """The cells under `COSTS`."""
    training = row.get("training")
    if not training:
        return ["0", "0", "0", "0", "", "", "0"]
    disk = f"{row['bytes'] / 1e6:.1f} MB" if row["bytes"] >= 1e5 else f"{row['bytes'] / 1e3:.0f} kB"
    if row["full_bytes"] > 1.1 * row["bytes"]:
        disk += f" ({row['full_bytes'] / 1e6:.1f} unpacked)"
    speed = f"{training['tokens_per_second']:,}"
    seconds, seen = f"{training['seconds']:,.0f} s", f"{training['texts_seen']:,}"
    return [f"{row['trained']:,}", f"{row['kept']:,}", f"{row['share']:.2f}%", disk, seconds, speed, seen]


def unsure(rows: Sequence[dict[str, Any]], score: str, heading: str) -> str:
    """A sentence naming the rows that do not differ significantly from the prefix: their 95% intervals overlap."""
    bounds = {row["row"]: row["interval"][score] for row in rows if score in row.get("interval", {})}
    if "prefix" not in bounds:
        return ""
    low, high = bounds.pop("prefix")
    same = [LABELS[name] for name, (other_low, other_high) in bounds.items() if other_low <= high and low <= other_high]
    names = ", ".join(same) or "none"
    return f"\nNot significantly different from the prefix in {heading} (95% intervals overlap): {names}.\n"


def full_size(measured: dict[str, dict[str, Any]]) -> str:
    """The section of `bench --shape`: a row for each shape and dtype, PEFT's and transformers' numbers in brackets."""
    one = next(iter(measured.values()))
    threads = "one thread" if one["threads"] == 1 else f"{one['threads']} threads"
    said = (
        f"Random weights, {threads}, a prefix of {one['prefix_length']} trained directly; in brackets PEFT (training) "
        "and `transformers` (writing) on the same weights in the same run. "
        "`python -m prefix_core bench --shape gpt2-medium --record` measures one anew."
    )
    head = [
        "",
        "parameters",
        "a prefix of 5",
        "",
        "training, tokens/s",
        *(f"{n}, ms a token" for n in WRITTEN.values()),
    ]
    lines = [line([*head, "peak memory"]), f"|---|--:|--:|---|{'--:|' * (len(WRITTEN) + 2)}"]
    for shape, result in measured.items():
        size, kept = f"{result['parameters']:,}", f"{result['kept_at_5']:,}"
        for dtype, ours in result["prefix_core"].items():
            peft, theirs = (result.get(side, {}).get(dtype, {}) for side in ("peft", "transformers"))
            cells = [beside(ours, peft, "training_tokens_per_second", 0)]
            cells += [beside(ours, theirs, name, 1) for name in WRITTEN]
            memory = f"{beside(ours, peft, 'peak_megabytes', 0)} MB"
            lines.append(line([shape, size, kept, dtype, *cells, memory]))
            shape = size = kept = ""
    alone = [shape for shape, result in measured.items() if "not_compared" in result]
    why = f"\n{', '.join(alone)}: {measured[alone[0]]['not_compared']}.\n" if alone else ""
    return f"### Models of full size\n\n{said}\n\n" + "\n".join(lines) + f"\n{why}"


def beside(ours: dict[str, float], theirs: dict[str, float], name: str, decimals: int) -> str:
    """Our number, and theirs in brackets where there is one."""
    other = f" ({theirs[name]:,.{decimals}f})" if name in theirs else ""
    return f"{ours[name]:,.{decimals}f}{other}"


def summary(folder: Path = EVIDENCE) -> str:
    """One table: each method's first score on every task, on the test set where it was measured, else the dev set."""
    tables = {task: _headline_table(task, folder) for task in SCORES}
    measured = {task: evidence for task, evidence in tables.items() if evidence}
    if not measured:
        return "Nothing is measured on this base yet; `python -m prefix_core rebuild` does it.\n"
    rows = {task: {row["row"]: row for row in evidence["rows"]} for task, evidence in measured.items()}
    names = [name for name in LABELS if any(name in known for known in rows.values())]
    headlines = {task: next(iter(SCORES[task])) for task in measured}
    head = ["method", "of base", *(f"{get_task(task).title}: {SCORES[task][headlines[task]]}" for task in measured)]
    lines = [line(head), f"|---|{'--:|' * (len(head) - 1)}"]
    for name in names:
        known = [table[name] for table in rows.values() if name in table]
        share = f"{max(row['share'] for row in known):.2f}%" if any(row.get("share") for row in known) else ""
        cells = [scores(rows[task].get(name, {}), [headlines[task]])[0] for task in measured]
        lines.append(line([LABELS[name], share, *cells]))
    base = next(iter(measured.values()))["base"]
    sets = ", ".join(evidence["scored_on"] for evidence in measured.values())
    return f"On `{base}`, greedy, with 95% intervals; scored on {sets}.\n\n" + "\n".join(lines) + "\n"


def _headline_table(task: str, folder: Path) -> dict[str, Any] | None:
    for split in ("test", "dev"):
        path = path_of(task, split, folder)
        if path.exists():
            evidence: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            if evidence["rows"]:
                return evidence
    return None


def write(folder: Path = EVIDENCE) -> None:
    """Put the summary into this checkout's README and the whole tables into docs/results.md, between `MARKS`."""
    root = PACKAGE.parent
    for path, tables in ((root / "README.md", summary(folder)), (root / "docs" / "results.md", markdown(folder))):
        text = path.read_text(encoding="utf-8")
        start, end = text.index(MARKS[0]) + len(MARKS[0]), text.index(MARKS[1])
        path.write_text(text[:start] + tables + text[end:], encoding="utf-8")
