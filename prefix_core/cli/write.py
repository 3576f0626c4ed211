"""The commands that write with what is trained: generate, evaluate, together, list."""

import argparse
import sys
from dataclasses import asdict
from pathlib import Path

from tqdm import tqdm

from prefix_core.artifacts import artifacts
from prefix_core.cli import options
from prefix_core.cli.options import (
    asked_decoding,
    named_base,
    named_examples,
    named_start,
    named_steered,
    named_task,
    shipped_folder,
    show,
    too_long,
)
from prefix_core.data.examples import load_inputs
from prefix_core.errors import InputError
from prefix_core.model.base import Base
from prefix_core.studies.acts import to_json, where_it_acts
from prefix_core.studies.evaluate import evaluate
from prefix_core.tasks import TASKS, get_task
from prefix_core.writing.generate import Decoding, Request, tokens_cut, write
from prefix_core.writing.together import together
from prefix_core.writing.written import SUFFIXES, check_ending, save, table


def run_generate(asked: argparse.Namespace) -> None:
    if asked.data:
        write_rows(asked)
        return
    task, base = named_task(asked), named_base(asked)
    text = standard_input() if asked.text == "-" else asked.text
    steered = named_steered(base, task, asked)
    request, decoding = Request(steered, task, task.parse(text)), asked_decoding(asked)
    cut = tokens_cut(base, request, decoding)
    output = write(base, [request], decoding)[0]
    if cut:
        print(f"prefix_core: the input was cut at its end, by {cut} tokens, to fit the context", file=sys.stderr)
    show(asked, {"task": task.name, "method": asked.method, "output": output, "cut": cut}, output)


def write_rows(asked: argparse.Namespace) -> None:
    """A text for every row of a file, and what each says of its input, into another file."""
    if not asked.out:
        raise InputError(f"--data needs --out, a file for the texts that ends in one of {', '.join(SUFFIXES)}")
    check_ending(Path(asked.out))
    task, base = named_task(asked), named_base(asked)
    inputs = load_inputs(asked.data, task, asked.sheet, asked.leave_out_empty, options.say_how_read(asked))
    steered, decoding = named_steered(base, task, asked), asked_decoding(asked)
    requests, cut = [Request(steered, task, one.source) for one in inputs], 0
    for one, request in zip(inputs, requests, strict=True):
        try:
            cut += tokens_cut(base, request, decoding) > 0
        except InputError as error:
            raise InputError(f"{Path(asked.data).name}, row {one.number}: {error}") from None
    with tqdm(total=len(inputs), desc="writing", unit="input", file=sys.stderr) as bar:
        texts = write(base, requests, decoding, on_done=bar.update)
    if cut:
        print(f"prefix_core: {cut} inputs were cut at their end, to fit the context", file=sys.stderr)
    head, rows = table(task, inputs, [{asked.method: text} for text in texts])
    save(Path(asked.out), head, rows)
    print(f"{len(rows)} texts written to {asked.out}", file=sys.stderr)
    if asked.json:
        show(asked, [dict(zip(head, row, strict=True)) for row in rows], "")


def run_inspect(asked: argparse.Namespace) -> None:
    task, base = named_task(asked), named_base(asked)
    text = standard_input() if asked.text == "-" else asked.text
    request = Request(named_steered(base, task, asked), task, task.parse(text))
    start = named_start(base, task, asked)
    output = asked.output or write(base, [request], asked_decoding(asked))[0]
    places = to_json(where_it_acts(base, request, output, start))
    show(asked, {"task": task.name, "output": output, "places": places}, "")


def run_evaluate(asked: argparse.Namespace) -> None:
    task, base = named_task(asked), named_base(asked)
    examples = named_examples(asked, task, asked.limit)
    steered = named_steered(base, task, asked)
    with tqdm(total=len(examples), desc="writing", unit="input", file=sys.stderr) as bar:
        scores, outputs = evaluate(base, task, steered, examples, asked_decoding(asked), bar.update)
    interval = scores["interval"]
    lines = [
        f"{name:>14}  {value}" + (f"  ({interval[name][0]} to {interval[name][1]})" if name in interval else "")
        for name, value in scores.items()
        if name != "interval"
    ]
    if len(examples) == 1:
        print("prefix_core: no CIDEr: it needs two inputs at least, by which words are weighed", file=sys.stderr)
    show(asked, scores, "\n".join(lines))
    if asked.outputs:
        Path(asked.outputs).write_text("".join(f"{output}\n" for output in outputs), encoding="utf-8")


def run_together(asked: argparse.Namespace) -> None:
    base = named_base(asked)
    wanted = asked.request or [(name, None) for name in tasks_with_a_prefix(base)]
    requests = []
    for name, text in wanted:
        task = get_task(name)
        steered, _ = artifacts.load(shipped_folder(base, task, "prefix"), base)
        sources = [task.parse(text)] if text is not None else [example.source for example in task.pool()[:2]]
        requests += [Request(steered, task, source) for source in sources]
    decoding = Decoding(max_new_tokens=asked.max_new_tokens, too_long=too_long(asked))
    for event in together(base, requests, decoding):
        result = event.result
    assert result is not None  # nobody stops it
    rows = [
        {"task": request.task.name, "input": request.task.label(request.source), "output": output, "alone": alone}
        for request, output, alone in zip(requests, result.outputs, result.alone, strict=True)
    ]
    times = {"seconds_together": result.seconds_together, "seconds_alone": result.seconds_alone}
    lines = [f"{row['task']}: {row['input']}\n    {row['output']}" for row in rows]
    lines.append(
        f"{len(rows)} inputs, {result.tokens} tokens: {result.seconds_together:.2f} s in one batch, "
        f"{result.seconds_alone:.2f} s one at a time, {result.times_faster:.1f} times faster; the outputs are "
        + ("identical" if result.same else "NOT identical")
    )
    show(asked, {"rows": rows, **times, "tokens": result.tokens, "same": result.same}, "\n".join(lines))


def standard_input() -> str:
    """All of it, whatever the terminal's encoding: UTF-8, or refused."""
    content = sys.stdin.buffer.read()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"standard input: byte {error.start + 1} (0x{content[error.start]:02x}) is not UTF-8 ({error.reason})."
            " Convert the text to UTF-8."
        ) from None


def tasks_with_a_prefix(base: Base) -> list[str]:
    names = [name for name in TASKS if artifacts.folder_of(base, name, "prefix").is_dir()]
    if not names:
        raise InputError(f"no prefix is trained on base {base.name!r}; train one with 'python -m prefix_core train'")
    return names


def run_list(asked: argparse.Namespace) -> None:
    cards = artifacts.listed(Path(asked.folder)) if asked.folder else artifacts.shipped()
    rows = [{"folder": str(folder), **asdict(card)} for folder, card in cards.items()]
    lines = [
        f"{card.task:<13} {folder.name:<13} {card.trained:>12,} trained {card.kept:>12,} kept {card.bytes:>12,} bytes "
        f"(unpacked {card.full_bytes:,})  {folder}"
        for folder, card in cards.items()
    ]
    show(asked, rows, "\n".join(lines) or "nothing is trained yet: python -m prefix_core train --help")


OF_WRITING = (
    options.add_placed_base,
    options.add_task,
    options.add_steering,
    options.add_decoding,
    options.add_json,
)


def add(commands: options.Commands) -> None:
    command = commands.add("generate", "write the text for one input, or for every row of a file")
    for add_some in OF_WRITING:
        add_some(command)
    asked = command.add_mutually_exclusive_group(required=True)
    asked.add_argument("--text", help="the input: 'name[Blue Spice], area[riverside]'; - reads it")
    asked.add_argument("--data", help=f"a file of many inputs, a row each ({options.KINDS})")
    options.add_reading(command)
    command.add_argument("--out", help=f"with --data: the file for the texts; it ends in {', '.join(SUFFIXES)}")
    command.set_defaults(run=run_generate)

    command = commands.add("inspect", "show where a prefix acts in a text, token by token, as JSON")
    for add_some in OF_WRITING[:-1]:
        add_some(command)
    command.add_argument("--text", required=True, help="the input, as for generate; - reads it")
    command.add_argument("--output", help="the text to look at (default: what the prefix writes)")
    command.set_defaults(run=run_inspect, json=True)

    command = commands.add("evaluate", "score a method on a file of examples")
    for add_some in OF_WRITING:
        add_some(command)
    options.add_data(command)
    command.add_argument("--limit", type=options.count, help="score on the first so many inputs (default: all)")
    command.add_argument("--outputs", help="write the outputs to this file, a line each")
    command.set_defaults(run=run_evaluate)

    command = commands.add("together", "write inputs of several tasks in one batch, timed against one at a time")
    options.add_placed_base(command)
    command.add_argument(
        "--request", nargs=2, action="append", metavar=("TASK", "TEXT"),
        help="an input and its task; give it several times (default: two examples of every task with a prefix)",
    )  # fmt: skip
    options.add_room(command)
    options.add_json(command)
    command.set_defaults(run=run_together)

    command = commands.add("list", "list what is trained and shipped")
    command.add_argument("--folder", help="what is in this folder instead, however deep")
    options.add_json(command)
    command.set_defaults(run=run_list)
