"""What `measure` found, as the one table of it: a column a base. Imports nothing heavy: the page shows it, too."""

from collections.abc import Sequence
from typing import Any


def cells(result: dict[str, Any]) -> dict[str, str]:
    """One base's column: label -> value."""
    bits, place, tuned = result["bits_per_byte"], result["by_position"], result.get("e2e", [])
    column = {
        "parameters": f"{result['parameters']:,}",
        "vocabulary": f"{result['vocabulary']:,}",
        "context": f"{result['positions']:,}",
        "held out, bits a byte: mean of sources": f"{sum(bits.values()) / len(bits):.3f}",
    }
    column |= {f"- {source}": f"{value:.3f}" for source, value in bits.items()}
    column["nats a token at positions 256-512"] = "" if place["middle"] is None else f"{place['middle']:.3f}"
    names = ("first", "second", "third", "last")
    column |= {
        f"- {name} quarter of the context": f"{value:.3f}"
        for name, value in zip(names, place["quarters"] or (), strict=False)
    }
    later = "" if place["later"] is None else f"{place['later']:+.3f} ± {place['error']:.3f}"
    column["- last quarter against positions 256-512"] = later
    column |= {f"copied: {kind}": f"{share:.1f}%" for kind, share in result["copying"].items()}
    column |= {f"said after 3 examples: {name}": f"{share:.1f}%" for name, share in result["tables"].items()}
    for row in tuned:
        label = f"E2E BLEU (values said), {row['examples']} examples, {row['method']}"
        column[label] = f"{row['bleu']:.1f} ({row['slot_coverage']:.1f}%)"
    return column


def lines_of(results: Sequence[dict[str, Any]]) -> list[list[str]]:
    """A line for every measure: its label, then each base's value, empty where it was not measured."""
    columns = [cells(result) for result in results]
    labels = dict.fromkeys(label for column in columns for label in column)
    return [[label, *(column.get(label, "") for column in columns)] for label in labels]


def table(results: Sequence[dict[str, Any]]) -> str:
    """All results as one Markdown table, a column a base."""
    rows = [["", *(result["base"] for result in results)], *lines_of(results)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    lines = [
        "| "
        + " | ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
        + " |"
        for row in rows
    ]
    rule = "|" + "|".join(["-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:])]) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])
