"""The commands that measure: speed, everything shipped for it, the paper's findings on it."""

import argparse
import sys
from pathlib import Path

from prefix_core.artifacts.artifacts import artifact_root
from prefix_core.cli import options
from prefix_core.cli.options import count, named_base, named_precision, show
from prefix_core.errors import InputError
from prefix_core.model.loading import load_base
from prefix_core.places import DEFAULT_BASE, evidence_of
from prefix_core.studies.bench import SHAPES, bench, bench_shape, record, table
from prefix_core.studies.evidence import FULL_SIZE, ROWS, outdated
from prefix_core.tasks import MEASURED


def run_bench(asked: argparse.Namespace) -> None:
    if asked.tokens < 2:
        raise InputError(f"--tokens is {asked.tokens}; the first one is left out, so at least 2 are needed")
    if asked.record and not asked.shape:
        raise InputError("--record keeps what was measured of a --shape; name one")
    if asked.live:
        return run_live(asked)
    if asked.prefixes:
        return run_many_prefixes(asked)
    length = asked.seconds, asked.tokens
    result = bench_shape(asked.shape, *length) if asked.shape else bench(asked.base, *length)
    if asked.record:
        record(asked.shape, result)
    text = table(result)
    if asked.against:
        from prefix_core.studies import against_llama_cpp

        result["llama.cpp"] = against_llama_cpp.bench(asked.base, *length)
        text += "\nllama.cpp           " + "  ".join(
            f"{name} {value:,.1f}" for name, value in result["llama.cpp"].items()
        )
    show(asked, result, text)


def run_live(asked: argparse.Namespace) -> None:
    from prefix_core.studies import live, live_findings

    if unknown := set(asked.sets) - {"e2e", live.NEWS, *live.OWN}:
        raise InputError(f"there is no set {sorted(unknown)[0]!r}; choose of e2e, {live.NEWS}, {', '.join(live.OWN)}")
    result = live.live(load_base(asked.base), asked.rows or live.ROWS, asked.limit, sets=asked.sets, draws=asked.draws)
    show(asked, result, live_findings.table(result))


def run_many_prefixes(asked: argparse.Namespace) -> None:
    from prefix_core.studies import many_tasks

    result = many_tasks.many_prefixes(load_base(asked.base), asked.prefixes)
    show(asked, result, many_tasks.table(result))


def run_rebuild(asked: argparse.Namespace) -> None:
    from prefix_core.studies.rebuild import rebuild

    base = named_base(asked)
    precision, folder = named_precision(asked, base), asked.evidence
    rebuild(base, asked.tasks, asked.methods, asked.splits, asked.steps, asked.limit, folder, precision, asked.minutes)
    if base.name == DEFAULT_BASE:
        from prefix_core.studies.precompute import precompute

        precompute(base.name, artifact_root(), report=lambda line: print(line, file=sys.stderr))


def run_results(asked: argparse.Namespace) -> None:
    from prefix_core.studies import results

    if asked.check:
        reasons = outdated()
        if reasons:
            raise InputError("the evidence is older than the artifacts; run rebuild: " + "; ".join(reasons))
        print("the evidence is of what is shipped", file=sys.stderr)
    elif asked.write:
        results.write()
    else:
        print(results.markdown(), end="")


def run_study(asked: argparse.Namespace) -> None:
    from prefix_core.studies import many_tasks, prompts
    from prefix_core.studies.study import STUDIES, standing, study

    if asked.list:
        for name, (made, planned) in standing(asked.evidence or evidence_of(asked.base)).items():
            print(f"{name:<16}{made} of {planned} runs" if planned else f"{name:<16}not run")
        return
    base = named_base(asked)
    for name in asked.names or [*STUDIES, many_tasks.STORAGE, prompts.NAME]:
        if name == many_tasks.STORAGE:
            many_tasks.record_storage(base, asked.evidence)
        elif name == prompts.NAME:
            prompts.record(base, asked.limit, asked.evidence)
        else:
            study(base, name, asked.limit, asked.evidence)


def add(commands: options.Commands) -> None:
    command = commands.add("bench", "measure speed and memory beside PEFT and transformers")
    options.add_base(command)
    options.add_json(command)
    command.add_argument("--seconds", type=float, default=10.0, help="for each, in all rounds (default: %(default)s)")
    command.add_argument("--tokens", type=int, default=64, help="written a row, at least 2 (default: %(default)s)")
    command.add_argument("--shape", choices=SHAPES, help="a model of full size with random weights instead of --base")
    command.add_argument("--against", choices=["llama.cpp"], help="measure decoding by llama-cpp-python, too")
    command.add_argument("--prefixes", type=count, help="instead: so many prefixes beside one base, such as 1000")
    command.add_argument(
        "--live", action="store_true",
        help="instead: the page's quick training, beside PEFT, fine-tuning and a prompt; recorded",
    )  # fmt: skip
    command.add_argument("--rows", nargs="+", type=count, help="of --live: how many (default: 10 50 100 500)")
    command.add_argument(
        "--sets", nargs="+", default=["e2e"], help="of --live: e2e, news, innkeeper, announcements, museum"
    )
    command.add_argument("--draws", type=count, default=3, help="of --live: subsets of the rows (default: %(default)s)")
    command.add_argument("--limit", type=count, default=100, help="of --live: inputs scored (default: %(default)s)")
    command.add_argument("--record", action="store_true", help=f"keep a shape's result in assets/evidence/{FULL_SIZE}")
    command.set_defaults(run=run_bench)

    command = commands.add("rebuild", "train and score everything shipped for a base; write the opening comparisons")
    options.add_placed_base(command)
    options.add_precision(command)
    command.add_argument("--tasks", nargs="+", default=[], choices=MEASURED)
    command.add_argument("--methods", nargs="+", default=[], choices=ROWS, help="rows of the results table")
    command.add_argument(
        "--splits", nargs="+", default=[], help="what to score on, such as dev or test (default: all but test)"
    )
    command.add_argument(
        "--minutes",
        type=float,
        help="for each training, trials included (default: 20 without a GPU, no limit with one)",
    )
    command.add_argument("--steps", type=count, help="optimizer steps of each, whatever time they take")
    command.add_argument("--limit", type=count, help="score on the first so many inputs (default: all)")
    command.add_argument("--evidence", type=Path, help="folder for what is measured (default: the base's own)")
    command.set_defaults(run=run_rebuild)

    command = commands.add("results", "print the tables of results, from what rebuild measured")
    command.add_argument("--write", action="store_true", help="put them into README.md and docs/results.md instead")
    command.add_argument("--check", action="store_true", help="say whether they are older than what is shipped")
    command.set_defaults(run=run_results)

    command = commands.add("study", "measure one of the paper's findings on a base")
    options.add_placed_base(command)
    studies = (
        "few_examples, lengths, initial_words, layers, few_news, variants, topics, within_news, lengths_news, storage, "
        "prompts"
    )
    command.add_argument("names", nargs="*", metavar="STUDY", help=f"{studies} (default: all, in this order)")
    command.add_argument("--list", action="store_true", help="say how far each is, and run none")
    command.add_argument("--limit", type=count, default=100, help="score on the first so many inputs (%(default)s)")
    command.add_argument("--evidence", type=Path, help="folder for what is measured (default: the base's own)")
    command.set_defaults(run=run_study)
