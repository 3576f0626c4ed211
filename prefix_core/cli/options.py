"""What several commands share: groups of options, and what is named by them."""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prefix_core.artifacts import artifacts, share
from prefix_core.data.examples import Example, load_examples
from prefix_core.data.report import Report
from prefix_core.errors import InputError
from prefix_core.methods import METHODS, prompt
from prefix_core.methods.method import Steered
from prefix_core.methods.prefix import start_of
from prefix_core.methods.settings import PRECISIONS, Settings
from prefix_core.model.base import Base, TooLong, fastest_precision
from prefix_core.model.loading import DTYPES, load_base
from prefix_core.model.prefix import Prefix
from prefix_core.places import named_bases
from prefix_core.tasks import TASKS, custom, get_task, task_of
from prefix_core.tasks.task import Task
from prefix_core.writing.generate import Decoding

ARTIFACT_HELP = "a folder that training wrote, or hf:OWNER/NAME on the Hugging Face Hub"
KINDS = "CSV, TSV, JSON lines, JSON, .xlsx, .xls, .ods, Parquet, Arrow, XML, HTML"
DATA_HELP = f"a file of inputs and their texts ({KINDS}; also in gzip or zip), or a set such as xsum:train"


class Commands:
    """The commands of a parser; parsers: by name."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self._subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
        self.parsers: dict[str, argparse.ArgumentParser] = {}

    def add(self, name: str, does: str) -> argparse.ArgumentParser:
        """A new command. does: what it is for, in the list of all commands and above its own help."""
        parser = self._subparsers.add_parser(name, help=does, description=f"{does[:1].upper()}{does[1:]}.")
        self.parsers[name] = parser
        return parser


def add_base(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--base",
        default=named_bases()[0],
        help="the frozen model: 'smollm2', a folder, or a Hub name such as gpt2-medium (default: %(default)s)",
    )


def add_data(command: argparse.ArgumentParser) -> None:
    """Examples from a file, and how it is read."""
    command.add_argument("--data", required=True, help=DATA_HELP)
    add_reading(command)


def add_reading(command: argparse.ArgumentParser) -> None:
    """How the rows of a file are read."""
    command.add_argument("--sheet", help="of a workbook: the sheet's name (default: the one that holds a table)")
    command.add_argument(
        "--leave-out-empty", action="store_true", help="pass over rows without an input or a text (default: refuse)"
    )
    command.add_argument("--verbose", action="store_true", help="say how the file was read")


def named_examples(asked: argparse.Namespace, task: Task, limit: int | None = None, place: str = "") -> list[Example]:
    """The examples of `--data`, or of another file; how it was read is said on standard error."""
    return load_examples(place or asked.data, task, limit, asked.sheet, asked.leave_out_empty, say_how_read(asked))


def say_how_read(asked: argparse.Namespace) -> Callable[[Report], None]:
    """Says on standard error how a file was read: everything with `--verbose`, else that something was passed over."""

    def say(report: Report) -> None:
        lines = report.lines()
        if asked.verbose:
            print(*lines, sep="\n", file=sys.stderr)
        elif report.left_out or report.notes:
            print(f"{lines[0]}; --verbose says what was passed over", file=sys.stderr)

    return say


def add_placed_base(command: argparse.ArgumentParser) -> None:
    """The base, and where and in what its weights lie."""
    add_base(command)
    add_device(command)
    command.add_argument("--dtype", default="fp32", choices=DTYPES, help="(default: %(default)s)")


def add_device(command: argparse.ArgumentParser) -> None:
    command.add_argument("--device", default="cpu", help="cpu, cuda or cuda:1 (default: %(default)s)")


def add_task(command: argparse.ArgumentParser) -> None:
    command.add_argument("--task", default="e2e", choices=[*TASKS, custom.NAME], help="(default: %(default)s)")
    command.add_argument("--template", help="custom task: its input, a column's name or such as '{title} -> {body}'")
    command.add_argument("--target", help="custom task: the column that holds the text to be written")


def add_steering(command: argparse.ArgumentParser) -> None:
    command.add_argument("--method", default="prefix", choices=METHODS, help="(default: %(default)s)")
    command.add_argument("--artifact", help=f"{ARTIFACT_HELP} (default: the shipped one)")
    add_other_weights(command)
    command.add_argument("--shots", type=int, default=0, help="prompt: examples shown before the input (default: 0)")
    command.add_argument(
        "--strength", type=float, default=1.0,
        help="of a prefix: 0 hides it, 1 is as it was learned, 2 counts as if it stood there twice (default: 1)",
    )  # fmt: skip
    command.add_argument("--layers", type=span, help="of a prefix: the layers it acts in, such as 5-12 (default: all)")


def add_other_weights(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--allow-other-weights", action="store_true",
        help="load what was trained on another base of the same shapes; what it writes was never measured",
    )  # fmt: skip


def add_decoding(command: argparse.ArgumentParser) -> None:
    command.add_argument("--beams", type=int, default=1, help="beam search with so many beams; the paper's: 5")
    command.add_argument("--length-penalty", type=float, default=1.0, help="beam search (default: %(default)s)")
    command.add_argument("--temperature", type=float, default=0.0, help="above 0: sample (default: greedy)")
    command.add_argument("--top-p", type=float, default=1.0, help="sample from the likeliest tokens only")
    command.add_argument("--seed", type=int, default=0, help="of sampling and of few-shot examples")
    add_room(command)


def add_room(command: argparse.ArgumentParser) -> None:
    command.add_argument("--max-new-tokens", type=count, help="(default: the task's)")
    add_cut(command)


def add_cut(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--cut", action=argparse.BooleanOptionalAction,
        help="cut an input that is too long, or refuse it (default: cut articles, refuse tables)",
    )  # fmt: skip


def too_long(asked: argparse.Namespace) -> TooLong | None:
    return None if asked.cut is None else "cut" if asked.cut else "refuse"


def count(text: str) -> int:
    """A whole number of at least 1."""
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no whole number of at least 1")


def span(text: str) -> range:
    """Layers as people count them: '5-12', or one, '5'."""
    lower, _, upper = text.partition("-")
    return range(count(lower) - 1, count(upper or lower))


def add_precision(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--precision",
        choices=PRECISIONS,
        help="of training: bf16 multiplies in bf16 and keeps fp32 parameters, faster where the hardware has it "
        "(default: train: fp32, the same on any machine; rebuild: what is fastest here)",
    )


def add_json(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="print JSON")


def named_base(asked: argparse.Namespace) -> Base:
    return load_base(asked.base, asked.device, asked.dtype)


def named_precision(asked: argparse.Namespace, base: Base) -> str | None:
    """What `--precision` asks for; raises `InputError` where it would be a hundred times slower."""
    precision: str | None = asked.precision
    if precision == "bf16" != fastest_precision(base.device):
        raise InputError("this processor has no bf16 arithmetic, so training in it would take days; drop --precision")
    return precision


def named_task(asked: argparse.Namespace) -> Task:
    """What `--task` names; a custom one by `--template` and `--target`, or by the card of `--artifact`."""
    if asked.task != custom.NAME:
        return get_task(asked.task)
    if asked.template and asked.target:
        return custom.custom(asked.template, asked.target)
    if getattr(asked, "artifact", None):
        card = artifacts.read_card(share.located(asked.artifact))
        return task_of(card.task, card.data)
    raise InputError(
        "a custom task needs --template, the input's column or a text with columns in it such as '{title} -> {body}',"
        " and --target, the column to be written"
    )


def named_steered(base: Base, task: Task, asked: argparse.Namespace) -> Steered:
    """What `--method` and `--artifact` name, as `--strength` and `--layers` ask for, ready to write."""
    return _steered(base, task, asked).acting(asked.strength, asked.layers)


def named_start(base: Base, task: Task, asked: argparse.Namespace) -> Prefix:
    """What the prefix that `--artifact` names was before its training, by its card."""
    folder = share.located(asked.artifact) if asked.artifact else shipped_folder(base, task, "prefix")
    try:
        settings = Settings(**artifacts.read_card(folder).settings)
    except TypeError as error:
        raise InputError(f"{folder}: its card's settings are not those of a training here ({error})") from None
    return start_of(base, settings)


def _steered(base: Base, task: Task, asked: argparse.Namespace) -> Steered:
    if asked.method == "prompt":
        if asked.artifact:
            raise InputError("prompting has no artifact; leave out --artifact, or name another --method")
        return prompt.steer(base, task, asked.shots, asked.seed)
    if asked.shots:
        raise InputError(f"--shots is for prompting; {asked.method} has learned the task")
    folder = share.located(asked.artifact) if asked.artifact else shipped_folder(base, task, asked.method)
    steered, card = artifacts.load(folder, base, asked.allow_other_weights)
    if card.loaded_on:
        trained = f"{card.base!r}, weights {card.base_hash[:12]}"
        print(f"prefix_core: {folder} learned on other weights ({trained}): this was never measured", file=sys.stderr)
    if card.method != asked.method:
        raise InputError(f"{folder} holds a {card.method}, not a {asked.method}")
    if card.task not in ("", task.name):
        raise InputError(f"{folder} was trained for task {card.task!r}, not for {task.name!r}")
    return steered


def shipped_folder(base: Base, task: Task, method: str) -> Path:
    """The folder of the shipped artifact."""
    folder = artifacts.folder_of(base, task.name, method)
    if not folder.is_dir():
        raise InputError(
            f"no {method} is trained for task {task.name} on base {base.name!r} ({folder}); train one with "
            f"'python -m prefix_core train', or name its folder with --artifact"
        )
    return folder


def asked_decoding(asked: argparse.Namespace) -> Decoding:
    return Decoding(
        max_new_tokens=asked.max_new_tokens,
        beams=asked.beams,
        length_penalty=asked.length_penalty,
        temperature=asked.temperature,
        top_p=asked.top_p,
        seed=asked.seed,
        too_long=too_long(asked),
    )


def show(asked: argparse.Namespace, result: Any, text: str) -> None:
    every_letter = (sys.stdout.encoding or "").lower().startswith("utf")
    print(json.dumps(result, ensure_ascii=not every_letter) if asked.json else text)
