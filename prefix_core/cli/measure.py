"""The commands that measure: speed, how good a base is, everything shipped for it, the paper's findings on it."""

import argparse
import sys
from pathlib import Path

from prefix_core.artifacts import artifact_root
from prefix_core.base import load_base
from prefix_core.cli import options
from prefix_core.cli.options import count, named_base, named_precision, show
from prefix_core.errors import InputError
from prefix_core.evidence import FULL_SIZE, ROWS, outdated
from prefix_core.full_shape import SHAPES
from prefix_core.places import named_bases
from prefix_core.tasks import TASKS


def run_bench(asked: argparse.Namespace) -> None:
    from prefix_core.bench import bench, bench_shape, record, table

    if asked.tokens < 2:
        raise InputError(f"--tokens is {asked.tokens}; the first one is left out, so at least 2 are needed")
    if asked.record and not asked.shape:
        raise InputError("--record keeps what was measured of a --shape; name one")
    length = asked.seconds, asked.tokens
    result = bench_shape(asked.shape, *length) if asked.shape else bench(asked.base, *length)
    if asked.record:
        record(asked.shape, result)
    show(asked, result, table(result))


def run_measure(asked: argparse.Namespace) -> None:
    from prefix_core.pretrain import measure as measuring
    from prefix_core.pretrain.base_table import table

    bases = [load_base(name, asked.device) for name in asked.bases]
    results = measuring.measure(bases, lambda line: print(line, file=sys.stderr))
    if asked.tune is not None:
        sizes = [None if size == "all" else int(size) for size in asked.tune] or measuring.SIZES
        for base, result in zip(bases, results, strict=True):
            result["e2e"] = measuring.tune(base, sizes, asked.steps, asked.limit)
    if asked.record:
        measuring.record(results)
    show(asked, results, table(results))


def size(text: str) -> str:
    """A number of texts, or "all"."""
    if text == "all" or (text.isdigit() and int(text) > 0):
        return text
    raise argparse.ArgumentTypeError(f"{text!r} is neither a number of texts nor 'all'")


def run_rebuild(asked: argparse.Namespace) -> None:
    from prefix_core.rebuild import rebuild

    base = named_base(asked)
    precision, folder = named_precision(asked, base), asked.evidence
    rebuild(base, asked.tasks, asked.methods, asked.splits, asked.steps, asked.limit, folder, precision=precision)
    if base.name == "embedded":
        from prefix_core.ui.precompute import precompute

        precompute(base.name, artifact_root(), report=lambda line: print(line, file=sys.stderr))


def run_results(asked: argparse.Namespace) -> None:
    from prefix_core import results

    if asked.check:
        reasons = outdated()
        if reasons:
            raise InputError("the evidence is older than the artifacts; run rebuild: " + "; ".join(reasons))
        print("the evidence is of what is shipped", file=sys.stderr)
    elif asked.write:
        results.write_into(Path(asked.write))
    else:
        print(results.markdown(), end="")


def run_study(asked: argparse.Namespace) -> None:
    from prefix_core.study import STUDIES, study

    base = named_base(asked)
    for name in asked.names or STUDIES:
        study(base, name, asked.limit, asked.evidence)


def add(commands: options.Commands) -> None:
    command = commands.add_parser("bench", help="speed and memory beside PEFT, transformers")
    options.add_base(command)
    options.add_json(command)
    command.add_argument("--seconds", type=float, default=10.0, help="for each, in all rounds (default: %(default)s)")
    command.add_argument("--tokens", type=int, default=64, help="written a row, at least 2 (default: %(default)s)")
    command.add_argument("--shape", choices=SHAPES, help="a model of full size with random weights instead of --base")
    command.add_argument("--record", action="store_true", help=f"keep a shape's result in assets/evidence/{FULL_SIZE}")
    command.set_defaults(run=run_bench)

    command = commands.add_parser("measure", help="how good a base is: one table, a column a base")
    command.add_argument(
        "--base", "--bases", dest="bases", nargs="+", default=named_bases(),
        help="one or several, side by side: 'embedded', folders, Hub names (default: %(default)s)",
    )  # fmt: skip
    options.add_device(command)
    options.add_json(command)
    command.add_argument(
        "--tune", nargs="*", type=size, metavar="TEXTS",
        help="also train on so many E2E texts and score on E2E's dev set; without numbers: 100 500 all (slow)",
    )  # fmt: skip
    command.add_argument("--steps", type=count, default=1000, help="of each of those at most (default: %(default)s)")
    command.add_argument("--limit", type=count, help="score on the first so many dev inputs (default: all)")
    command.add_argument("--record", action="store_true", help="keep the results with the first base's evidence")
    command.set_defaults(run=run_measure)

    command = commands.add_parser(
        "rebuild", help="train and score everything shipped for a base; write the opening comparisons"
    )
    options.add_placed_base(command)
    options.add_precision(command)
    command.add_argument("--tasks", nargs="+", default=[], choices=[name for name in TASKS if name != "custom"])
    command.add_argument("--methods", nargs="+", default=list(ROWS), choices=ROWS, help="rows of the results table")
    command.add_argument(
        "--splits", nargs="+", default=[], help="what to score on, such as dev or test (default: all but test)"
    )
    command.add_argument("--steps", type=count, help="optimizer steps of each (default: its own)")
    command.add_argument("--limit", type=count, help="score on the first so many inputs (default: all)")
    command.add_argument("--evidence", type=Path, help="folder for what is measured (default: the base's own)")
    command.set_defaults(run=run_rebuild)

    command = commands.add_parser("results", help="print the tables of results, from what rebuild measured")
    command.add_argument("--write", metavar="README", help="put them into this file, between its marks, instead")
    command.add_argument("--check", action="store_true", help="say whether they are older than what is shipped")
    command.set_defaults(run=run_results)

    command = commands.add_parser("study", help="measure one of the paper's findings on a base")
    options.add_placed_base(command)
    studies = "lengths, variants, few_examples, initial_words, topics"
    command.add_argument("names", nargs="*", metavar="STUDY", help=studies)
    command.add_argument("--limit", type=count, default=200, help="score on the first so many inputs (%(default)s)")
    command.add_argument("--evidence", type=Path, help="folder for what is measured (default: the base's own)")
    command.set_defaults(run=run_study)
