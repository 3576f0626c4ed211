"""What methods, metrics and tasks are called on the page, and how numbers are written there. Imports nothing heavy."""

from typing import NamedTuple

from prefix_core.tasks import TASKS
from prefix_core.tasks.task import Kind


class MethodLabel(NamedTuple):
    """A method as visitors see it: its name, and how it works in a few words."""

    title: str
    how: str


METHOD_LABELS = {
    "own": MethodLabel("Your prefix", "model frozen; the prefix you trained"),
    "prefix": MethodLabel("Prefix-tuned", "model frozen; a learned prefix before the input"),
    "fine_tune": MethodLabel("Fine-tuned", "every weight changed: a copy for this one task"),
    "top_layers": MethodLabel("FT-top2", "only the top two layers changed"),
    "adapter": MethodLabel("Adapter", "model frozen; small new layers inside"),
    "prompt": MethodLabel("Prompted", "nothing trained; asked in words"),
}
PREFIXES = ("own", "prefix")  # the methods that are one
ALL_METHODS = tuple(METHOD_LABELS)  # in the order of the panes
METHODS = tuple(method for method in ALL_METHODS if method != "own")  # those that do not depend on the visitor

# The rows of the measured tables, where a method may stand in two sizes.
ROW_TITLES = {
    "prefix": "Prefix",
    "prefix_long": "A longer prefix",
    "fine_tune": "Fine-tuned",
    "top_layers": "FT-top2",
    "adapter": "Adapter",
    "adapter_small": "Adapter, 0.1%",
    "prompt_0": "Prompted",
    "prompt_3": "Prompted, 3 examples",
    "lead": "First sentences",
}
# In the order they are offered. Higher is better for all but TER.
METRICS = {
    "bleu": "BLEU",
    "bleu_seen": "BLEU, seen",
    "bleu_unseen": "BLEU, unseen",
    "rouge_1": "ROUGE-1",
    "rouge_2": "ROUGE-2",
    "rouge_l": "ROUGE-L",
    "meteor": "METEOR",
    "nist": "NIST",
    "cider": "CIDEr",
    "ter": "TER (less is better)",
    "chrf": "chrF",
    "slot_coverage": "values said, %",
    "names_said": "names said, %",
}
# The sets that scores are measured on.
SETS = {
    "dev": "development set",
    "test": "test set",
    "test-beams": "test set, 5 beams",
    "test-ours": "tables of our own",
    "bbc": "BBC leads, development set",
    "test-bbc": "BBC leads, test set",
}
TASK_KINDS: dict[Kind, str] = {
    "table": "table → text",
    "triples": "triples → text",
    "text": "article → one sentence",
}


def task_title(name: str) -> str:
    """What a task is called, or one of its data sets: e2e:train -> Restaurants (E2E)."""
    task = name.partition(":")[0]
    return TASKS[task].title if task in TASKS else name


def set_title(split: str) -> str:
    """What a set is called: dev -> development set."""
    return SETS.get(split, split)


def seconds(value: float) -> str:
    """0.0123 -> 12 ms; 1.234 -> 1.23 s."""
    return f"{1000 * value:.0f} ms" if value < 0.9995 else f"{value:.2f} s"


def duration(value: float) -> str:
    """Longer times, in seconds: 7 -> 7 s; 83 -> 1 min 23 s."""
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def about(value: float) -> str:
    """Seconds that are only expected: 38 -> 40 s; 83 -> 1 min 20 s; 204 -> 3 min."""
    step = 5 if value < 60 else 10 if value < 120 else 60
    told = duration(max(step, step * round(value / step)))
    return told.removesuffix(" 0 s")


def number(value: float) -> str:
    """1234567 -> 1.23 M; 96.4 -> 96."""
    return _in_units(value, {"B": 1e9, "M": 1e6, "K": 1e3}) or f"{value:.0f}"


def size(count: int) -> str:
    """Bytes in powers of ten, as disks are sold: 614400 -> 614 kB; 0 -> nothing."""
    few = f"{count} bytes" if count else "nothing"
    return _in_units(count, {"TB": 1e12, "GB": 1e9, "MB": 1e6, "kB": 1e3}) or few


def _in_units(value: float, units: dict[str, float]) -> str:
    """Three digits of the largest unit that fits; nothing where none does."""
    name = next((name for name, unit in units.items() if value >= 0.9995 * unit), "")
    return f"{value / units[name]:.3g} {name}" if name else ""


def share(part: int, whole: int) -> str:
    """A percentage with two significant digits: 0.071%, 2.2%, 100%."""
    percent = 100 * part / whole if whole else 0.0
    return f"{percent:.0f}%" if percent >= 9.95 else f"{percent:.2g}%"
