"""The command line: every job of the core in one line. Results go to standard output, all else to standard error."""

import argparse
import json
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from prefix_core import artifacts
from prefix_core.base import DTYPES, Base, fastest_precision, load_base
from prefix_core.errors import InputError, PrefixError
from prefix_core.evaluate import evaluate
from prefix_core.evidence import EVIDENCE, FULL_SIZE, ROWS, outdated
from prefix_core.examples import load_examples
from prefix_core.full_shape import SHAPES
from prefix_core.generate import Decoding, Request, write
from prefix_core.methods import METHODS, TRAINED, prompt
from prefix_core.methods.method import Steered
from prefix_core.places import named_bases
from prefix_core.progress import follow
from prefix_core.settings import PAPER, PRECISIONS, VARIANTS, defaults
from prefix_core.split import draw, facts, one_text_each, split
from prefix_core.tasks import TASKS, custom, get_task, task_of
from prefix_core.tasks.task import Task
from prefix_core.together import together
from prefix_core.train import train
from prefix_core.workers import join

DATA_HELP = "a .csv, .tsv, .jsonl, .jsonl.gz or .parquet file of inputs and their texts, or a set such as xsum:train"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0, or 2 with one line on standard error for bad use."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except PrefixError as error:
        print(f"prefix_core: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"prefix_core: {error.filename or 'a file'}: {error.strerror or error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("prefix_core: stopped", file=sys.stderr)
        return 130
    return 0


def run_generate(options: argparse.Namespace) -> None:
    task, base = _task(options), _base(options)
    text = _standard_input() if options.text == "-" else options.text
    steered = _steered(base, task, options)
    output = write(base, [Request(steered, task, task.read(text))], _decoding(options))[0]
    _show(options, {"task": task.name, "method": options.method, "output": output}, output)


def run_evaluate(options: argparse.Namespace) -> None:
    task, base = _task(options), _base(options)
    examples = load_examples(options.data, task, options.limit)
    steered = _steered(base, task, options)
    with tqdm(total=len(examples), desc="writing", unit="input", file=sys.stderr) as bar:
        scores, outputs = evaluate(base, task, steered, examples, _decoding(options), bar.update)
    interval = scores["interval"]
    lines = [
        f"{name:>14}  {value}" + (f"  ({interval[name][0]} to {interval[name][1]})" if name in interval else "")
        for name, value in scores.items()
        if name != "interval"
    ]
    _show(options, scores, "\n".join(lines))
    if options.outputs:
        Path(options.outputs).write_text("".join(f"{output}\n" for output in outputs), encoding="utf-8")


def run_train(options: argparse.Namespace) -> None:
    workers = join(options.device)
    task, base = _task(options), _base(options)
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    examples = load_examples(options.data, task)
    if options.held_out:
        held_out = load_examples(options.held_out, task, options.held_out_limit)
        learned = examples if options.examples is None else draw(examples, options.examples, options.seed)
    else:
        learned, held_out = split(examples, options.examples, options.seed)
    found = defaults(options.method, base.parameters, task.initial_words)
    settings = (PAPER if options.preset == "paper" else found).replaced(
        seed=options.seed,
        steps=options.steps,
        epochs=options.epochs,
        batch=options.batch,
        accumulate=options.accumulate,
        learning_rate=options.learning_rate,
        variant=options.variant,
        prefix_length=options.length,
        initial_words=options.words,
        adapter_share=options.adapter_share,
        mlp_width=options.mlp_width or None,
        patience=options.patience,
        precision=_precision(options, base),
    )
    if options.mlp_width == 0:
        settings = replace(settings, mlp_width=None)
    trained, kept = METHODS[options.method].costs(base, settings)
    share, size = 100 * kept / base.parameters, round(kept * artifacts.bytes_per_parameter(options.method))
    costs = f"{trained:,} parameters to train, {kept:,} to keep: {share:.2f}% of the base, {size:,} bytes"
    if workers.first:
        print(f"{costs}; {workers.count} processes" if workers.count > 1 else costs, file=sys.stderr)
    checkpoint = out / "checkpoint.safetensors"
    with _until_interrupted() as interrupted:
        events = train(
            base, task, options.method, learned, settings, held_out,
            checkpoint=checkpoint, should_stop=interrupted, too_long="cut" if options.cut else "refuse",
            workers=workers,
        )  # fmt: skip
        result = follow(events, f"{task.name} {options.method}", silent=not workers.first)
    if not workers.first:
        return
    if result.ended == "diverged" and not result.best_step:
        raise InputError(f"the loss was no number any more at step {result.steps}; choose a lower --learning-rate")
    data = {"file": Path(options.data).name, **facts(learned)}
    if task.name == custom.NAME:
        data |= custom.facts_of(options.template, options.target)
    card = artifacts.save(out, base, result.kept, artifacts.describe(base, task.name, result, data))
    if result.ended == "stopped":
        print(f"stopped; the same command goes on from {checkpoint}", file=sys.stderr)
    else:
        checkpoint.unlink(missing_ok=True)
    if result.ended == "diverged":
        print(f"the loss was no number any more at step {result.steps}; kept step {result.best_step}", file=sys.stderr)
    print(f"saved to {out}: {card.bytes:,} bytes after {card.steps} steps, {card.seconds:.0f} s", file=sys.stderr)


def run_list(options: argparse.Namespace) -> None:
    cards = artifacts.shipped()
    rows = [{"folder": str(folder), **asdict(card)} for folder, card in cards.items()]
    lines = [
        f"{card.task:<13} {card.method:<11} {card.kept:>12,} parameters {card.bytes:>12,} bytes "
        f"(unpacked {card.full_bytes:,})  {folder}"
        for folder, card in cards.items()
    ]
    _show(options, rows, "\n".join(lines) or "nothing is trained yet: python -m prefix_core train --help")


def run_together(options: argparse.Namespace) -> None:
    base = _base(options)
    asked = options.request or [(name, None) for name in _tasks_with_a_prefix(base)]
    requests = []
    for name, text in asked:
        task = get_task(name)
        steered, _ = artifacts.load(_shipped(base, task, "prefix"), base)
        sources = [task.read(text)] if text is not None else [example.source for example in task.pool()[:2]]
        requests += [Request(steered, task, source) for source in sources]
    decoding = Decoding(max_new_tokens=options.max_new_tokens, too_long="cut" if options.cut else "refuse")
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
    _show(options, {"rows": rows, **times, "tokens": result.tokens, "same": result.same}, "\n".join(lines))


def run_bench(options: argparse.Namespace) -> None:
    from prefix_core.bench import bench, bench_shape, record, table

    if options.tokens < 2:
        raise InputError(f"--tokens is {options.tokens}; the first one is left out, so at least 2 are needed")
    if options.record and not options.shape:
        raise InputError("--record keeps what was measured of a --shape; name one")
    asked = options.seconds, options.tokens
    result = bench_shape(options.shape, *asked) if options.shape else bench(options.base, *asked)
    if options.record:
        record(options.shape, result)
    _show(options, result, table(result))


def run_pretrain(options: argparse.Namespace) -> None:
    from prefix_core.pretrain.export import export
    from prefix_core.pretrain.run import pretrain

    pretrain(options.run_file, options.out, minutes=options.minutes)
    if options.export:
        export(options.run_file, options.out, options.export)


def run_measure(options: argparse.Namespace) -> None:
    from prefix_core.pretrain import measure as measuring

    bases = [load_base(name, options.device) for name in options.bases]
    results = measuring.measure(bases, lambda line: print(line, file=sys.stderr))
    if options.tune is not None:
        sizes = [None if size == "all" else int(size) for size in options.tune] or measuring.SIZES
        for base, result in zip(bases, results, strict=True):
            result["e2e"] = measuring.tune(base, sizes, options.steps, options.limit)
    if options.record:
        measuring.record(results)
    _show(options, results, measuring.table(results))


def run_rebuild(options: argparse.Namespace) -> None:
    from prefix_core.rebuild import rebuild

    folder = Path(options.evidence)
    base = _base(options)
    precision = _precision(options, base)
    rebuild(
        base, options.tasks, options.methods, options.splits, options.steps, options.limit, folder, precision=precision
    )


def run_results(options: argparse.Namespace) -> None:
    from prefix_core import results

    if options.check:
        reasons = outdated()
        if reasons:
            raise InputError("the evidence is older than the artifacts; run rebuild: " + "; ".join(reasons))
        print("the evidence is of what is shipped", file=sys.stderr)
    elif options.write:
        results.write_into(Path(options.write))
    else:
        print(results.markdown(), end="")


def run_sweep(options: argparse.Namespace) -> None:
    from prefix_core.sweep import sweep

    task, base = get_task(options.task), _base(options)
    learned, held_out = split(load_examples(options.data, task), None, options.seed)
    watched = one_text_each(held_out[: options.held_out_limit])
    rows = sweep(base, task, options.methods, learned, watched, options.steps)
    _show(options, rows, "\n".join(f"{row['held_out_loss']:.4f}  {row}" for row in rows))


def run_study(options: argparse.Namespace) -> None:
    from prefix_core.study import STUDIES, study

    base = _base(options)
    for name in options.names or STUDIES:
        study(base, name, options.limit, Path(options.evidence))


@contextmanager
def _until_interrupted() -> Iterator[Callable[[], bool]]:
    """Ctrl-C asks the work to stop and keep what it has; a second one ends it at once."""
    asked = threading.Event()

    def ask(number: int, frame: object) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        print("stopping after this step (again: at once)", file=sys.stderr)
        asked.set()

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, before)


def _size(text: str) -> str:
    if text == "all" or (text.isdigit() and int(text) > 0):
        return text
    raise argparse.ArgumentTypeError(f"{text!r} is neither a number of texts nor 'all'")


def _base(options: argparse.Namespace) -> Base:
    return load_base(options.base, options.device, options.dtype)


def _precision(options: argparse.Namespace, base: Base) -> str | None:
    """What `--precision` asks for; raises `InputError` where it would be a hundred times slower."""
    if options.precision == "bf16" != fastest_precision(base.device):
        raise InputError("this processor has no bf16 arithmetic, so training in it would take days; drop --precision")
    return options.precision


def _task(options: argparse.Namespace) -> Task:
    """What `--task` names; a custom one by `--template` and `--target`, or by the card of `--artifact`."""
    if options.task != custom.NAME:
        return get_task(options.task)
    if options.template and options.target:
        return custom.custom(options.template, options.target)
    if getattr(options, "artifact", None):
        card = artifacts.read_card(Path(options.artifact))
        return task_of(card.task, card.data)
    raise InputError(
        "a custom task needs --template, the input's column or a text with columns in it such as '{title} -> {body}',"
        " and --target, the column to be written"
    )


def _standard_input() -> str:
    try:
        return sys.stdin.read()
    except UnicodeDecodeError as error:
        raise InputError(f"standard input is not UTF-8 text: {error.reason} at byte {error.start}") from error


def _steered(base: Base, task: Task, options: argparse.Namespace) -> Steered:
    """What `--method` and `--artifact` name, ready to write."""
    if options.method == "prompt":
        if options.artifact:
            raise InputError("prompting has no artifact; leave out --artifact, or name another --method")
        return prompt.steer(base, task, options.shots, options.seed)
    if options.shots:
        raise InputError(f"--shots is for prompting; {options.method} has learned the task")
    folder = Path(options.artifact) if options.artifact else _shipped(base, task, options.method)
    steered, card = artifacts.load(folder, base)
    if card.method != options.method:
        raise InputError(f"{folder} holds a {card.method}, not a {options.method}")
    if card.task not in ("", task.name):
        raise InputError(f"{folder} was trained for task {card.task!r}, not for {task.name!r}")
    return steered


def _shipped(base: Base, task: Task, method: str) -> Path:
    """The folder of the shipped artifact."""
    folder = artifacts.folder_of(base, task.name, method)
    if not folder.is_dir():
        raise InputError(
            f"no {method} is trained for task {task.name} on base {base.name!r} ({folder}); train one with "
            f"'python -m prefix_core train', or name its folder with --artifact"
        )
    return folder


def _tasks_with_a_prefix(base: Base) -> list[str]:
    names = [name for name in TASKS if artifacts.folder_of(base, name, "prefix").is_dir()]
    if not names:
        raise InputError(f"no prefix is trained on base {base.name!r}; train one with 'python -m prefix_core train'")
    return names


def _decoding(options: argparse.Namespace) -> Decoding:
    return Decoding(
        max_new_tokens=options.max_new_tokens,
        beams=options.beams,
        length_penalty=options.length_penalty,
        temperature=options.temperature,
        top_p=options.top_p,
        seed=options.seed,
        too_long="cut" if options.cut else "refuse",
    )


def _show(options: argparse.Namespace, result: Any, text: str) -> None:
    print(json.dumps(result, ensure_ascii=False) if options.json else text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m prefix_core",
        description="Prefix-tuning: steer a frozen language model with a small learned prefix.",
        epilog="'python -m prefix_core COMMAND --help' explains a command.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    base = argparse.ArgumentParser(add_help=False)
    base.add_argument(
        "--base",
        default=named_bases()[0],
        help="the frozen model: 'embedded', a folder, or a Hub name such as gpt2-medium (default: %(default)s)",
    )
    which = argparse.ArgumentParser(add_help=False, parents=[base])
    base.add_argument("--device", default="cpu", help="cpu or cuda (default: %(default)s)")
    base.add_argument("--dtype", default="fp32", choices=DTYPES, help="(default: %(default)s)")
    steering = argparse.ArgumentParser(add_help=False)
    steering.add_argument("--task", default="e2e", choices=[*TASKS, custom.NAME], help="(default: %(default)s)")
    own = argparse.ArgumentParser(add_help=False)
    own.add_argument("--template", help="custom task: its input, a column's name or such as '{title} -> {body}'")
    own.add_argument("--target", help="custom task: the column that holds the text to be written")
    steering.add_argument("--method", default="prefix", choices=METHODS, help="(default: %(default)s)")
    steering.add_argument("--artifact", help="a folder that training wrote (default: the shipped one)")
    steering.add_argument("--shots", type=int, default=0, help="prompt: examples shown before the input (default: 0)")
    learning = argparse.ArgumentParser(add_help=False)
    learning.add_argument(
        "--precision", choices=PRECISIONS,
        help="of training: bf16 multiplies in bf16 and keeps fp32 parameters, faster where the hardware has it "
        "(default: train: fp32, the same on any machine; rebuild: what is fastest here)",
    )  # fmt: skip
    decoding = argparse.ArgumentParser(add_help=False)
    decoding.add_argument("--beams", type=int, default=1, help="beam search with so many beams; the paper's: 5")
    decoding.add_argument("--length-penalty", type=float, default=1.0, help="beam search (default: %(default)s)")
    decoding.add_argument("--temperature", type=float, default=0.0, help="above 0: sample (default: greedy)")
    decoding.add_argument("--top-p", type=float, default=1.0, help="sample from the likeliest tokens only")
    decoding.add_argument("--seed", type=int, default=0, help="of sampling and of few-shot examples")
    decoding.add_argument("--max-new-tokens", type=int, help="(default: the task's)")
    decoding.add_argument("--cut", action="store_true", help="cut an input that is too long instead of refusing it")
    as_json = argparse.ArgumentParser(add_help=False)
    as_json.add_argument("--json", action="store_true", help="print JSON")

    command = commands.add_parser(
        "generate", parents=[base, steering, own, decoding, as_json], help="write the text for one input"
    )
    command.add_argument("--text", required=True, help="the input: 'name[Blue Spice], area[riverside]'; - reads it")
    command.set_defaults(run=run_generate)

    command = commands.add_parser(
        "evaluate", parents=[base, steering, own, decoding, as_json], help="score a method on a file of examples"
    )
    command.add_argument("--data", required=True, help=DATA_HELP)
    command.add_argument("--limit", type=int, help="the first so many inputs")
    command.add_argument("--outputs", help="write the outputs to this file, a line each")
    command.set_defaults(run=run_evaluate)

    command = commands.add_parser("train", parents=[base, own, learning], help="train a method on your examples")
    command.add_argument("--task", default="e2e", choices=[*TASKS, custom.NAME], help="(default: %(default)s)")
    command.add_argument("--method", default="prefix", choices=TRAINED, help="(default: %(default)s)")
    command.add_argument("--data", required=True, help=DATA_HELP)
    command.add_argument("--out", required=True, help="folder for the result; a run cut short goes on from here")
    command.add_argument("--examples", type=int, help="learn from so many texts, drawn by the seed (default: all)")
    command.add_argument("--held-out", help="file of held-out examples (default: some of --data)")
    command.add_argument("--held-out-limit", type=int, default=200, help="(default: %(default)s)")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--cut", action="store_true", help="cut inputs that are too long instead of refusing them")
    command.add_argument("--preset", choices=["paper"], help="the paper's settings instead of those found for the base")
    command.add_argument("--steps", type=int, help="optimizer steps (default: from --epochs)")
    command.add_argument("--epochs", type=float)
    command.add_argument("--batch", type=int, help="texts a step, of all processes together")
    command.add_argument(
        "--accumulate", type=int, help="run a batch in so many parts, one after another: less memory, the same step"
    )
    command.add_argument("--learning-rate", type=float)
    command.add_argument("--length", type=int, help="prefix: its length in tokens")
    command.add_argument(
        "--variant", choices=VARIANTS,
        help="prefix: one of the paper's ablations: vectors between input and output (infix), or input embeddings "
        "alone (embedding: prompt tuning)",
    )  # fmt: skip
    command.add_argument("--mlp-width", type=int, help="prefix: units of the reparameterization; 0 for none")
    command.add_argument("--words", help="prefix: the words whose activations it starts from; '' for random")
    command.add_argument("--patience", type=int, help="stop after so many held-out measurements without a gain")
    command.add_argument("--adapter-share", type=float, help="adapter: its size as a share of the base, such as 0.03")
    command.set_defaults(run=run_train)

    command = commands.add_parser(
        "together", parents=[base, as_json], help="inputs of several tasks in one batch, timed against one at a time"
    )
    command.add_argument(
        "--request", nargs=2, action="append", metavar=("TASK", "TEXT"),
        help="an input and its task; give it several times (default: two examples of every task with a prefix)",
    )  # fmt: skip
    command.add_argument("--max-new-tokens", type=int, help="(default: the task's)")
    command.add_argument("--cut", action="store_true", help="cut an input that is too long instead of refusing it")
    command.set_defaults(run=run_together)

    command = commands.add_parser("list", parents=[as_json], help="what is trained and shipped")
    command.set_defaults(run=run_list)

    command = commands.add_parser("bench", parents=[which, as_json], help="speed and memory beside PEFT, transformers")
    command.add_argument("--seconds", type=float, default=10.0, help="for each measurement (default: %(default)s)")
    command.add_argument("--tokens", type=int, default=64, help="written a row, at least 2 (default: %(default)s)")
    command.add_argument("--shape", choices=SHAPES, help="a model of full size with random weights instead of --base")
    command.add_argument("--record", action="store_true", help=f"keep a shape's result in assets/evidence/{FULL_SIZE}")
    command.set_defaults(run=run_bench)

    command = commands.add_parser("pretrain", help="make the embedded base model from text")
    command.add_argument("--run-file", default=str(Path(__file__).parent / "pretrain" / "runs" / "third.toml"))
    command.add_argument("--out", default="runs/base", help="folder for checkpoints; goes on from there")
    command.add_argument(
        "--minutes", type=float,
        help="end the whole run after so many minutes, those before a resume and those spent measuring included; the "
        "rate then decays along the clock (default: the run file's steps)",
    )  # fmt: skip
    command.add_argument("--export", help="write the finished base to this folder, such as assets/base")
    command.set_defaults(run=run_pretrain)

    command = commands.add_parser("measure", parents=[as_json], help="how good a base is: one table, a column a base")
    command.add_argument(
        "--base", "--bases", dest="bases", nargs="+", default=named_bases(),
        help="one or several, side by side: 'embedded', folders, Hub names (default: %(default)s)",
    )  # fmt: skip
    command.add_argument("--device", default="cpu", help="cpu or cuda (default: %(default)s)")
    command.add_argument(
        "--tune", nargs="*", type=_size, metavar="TEXTS",
        help="also train on so many E2E texts and score on E2E's dev set; without numbers: 100 500 all (slow)",
    )  # fmt: skip
    command.add_argument("--steps", type=int, default=1000, help="of each of those at most (default: %(default)s)")
    command.add_argument("--limit", type=int, help="score on the first so many dev inputs (default: all)")
    command.add_argument("--record", action="store_true", help="keep the results in assets/evidence/base.json")
    command.set_defaults(run=run_measure)

    command = commands.add_parser(
        "rebuild", parents=[base, learning], help="train and score everything shipped for a base"
    )
    command.add_argument("--tasks", nargs="+", default=[], choices=[name for name in TASKS if name != "custom"])
    command.add_argument("--methods", nargs="+", default=list(ROWS), choices=ROWS, help="rows of the results table")
    command.add_argument(
        "--splits", nargs="+", default=[], help="what to score on, such as dev or test (default: all but test)"
    )
    command.add_argument("--steps", type=int, help="optimizer steps of each (default: its own)")
    command.add_argument("--limit", type=int, help="score on the first so many inputs (default: all)")
    command.add_argument("--evidence", default=str(EVIDENCE), help="folder for what is measured")
    command.set_defaults(run=run_rebuild)

    command = commands.add_parser("results", help="print the tables of results, from what rebuild measured")
    command.add_argument("--write", metavar="README", help="put them into this file, between its marks, instead")
    command.add_argument("--check", action="store_true", help="say whether they are older than what is shipped")
    command.set_defaults(run=run_results)

    command = commands.add_parser("study", parents=[base], help="measure one of the paper's findings on a base")
    studies = "lengths, variants, few_examples, initial_words, topics"
    command.add_argument("names", nargs="*", metavar="STUDY", help=studies)
    command.add_argument("--limit", type=int, default=200, help="score on the first so many inputs (%(default)s)")
    command.add_argument("--evidence", default=str(EVIDENCE), help="folder for what is measured")
    command.set_defaults(run=run_study)

    command = commands.add_parser("sweep", parents=[base, as_json], help="find and record good settings for a base")
    command.add_argument("--task", default="e2e", choices=TASKS, help="(default: %(default)s)")
    command.add_argument("--methods", nargs="+", default=list(TRAINED), choices=TRAINED)
    command.add_argument("--data", required=True, help="a file of examples")
    command.add_argument("--steps", type=int, default=150, help="of every candidate (default: %(default)s)")
    command.add_argument("--held-out-limit", type=int, default=40, help="inputs measured (default: %(default)s)")
    command.add_argument("--seed", type=int, default=0)
    command.set_defaults(run=run_sweep)
    return parser
