"""Documents -> packed rows of token ids, made once and kept beside the run's checkpoints."""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from prefix_core.errors import InputError
from prefix_core.pretrain.structured import stream
from prefix_core.pretrain.text import decontaminate, evaluation_runs, mix
from prefix_core.pretrain.tokenizer import train_tokenizer

BATCH = 1000  # documents tokenised at a time
DECIDES = ("seed", "start", "model", "data", "mixture")  # parts of a run file that the rows are made from


class Prepared(NamedTuple):
    """What training reads. Rows are uint16 ids, one longer than the context: inputs are [:-1], targets [1:]."""

    tokenizer: PreTrainedTokenizerBase
    rows: np.ndarray  # (n, context + 1)
    held_out: dict[str, np.ndarray]  # source -> (m, context + 1)


def pack(documents: Iterable[list[int]], context: int, end: int) -> Iterator[list[int]]:
    """Rows of `context` + 1 ids, each beginning with `end` and a document (or the next piece of a long one).

    The end of a row cuts its last document; what is left of it is dropped unless it fills a row by itself.
    Documents of a row see those before them: a mask that kept them apart takes attention off its causal path, which
    costs it about 40% more time on a processor, and `end` tells the model where to start afresh.
    """
    row: list[int] = []
    for ids in documents:
        piece = [end, *ids]
        while piece:
            row += piece
            over = len(row) - (context + 1)
            if over < 0:
                break
            yield row[: context + 1]
            row, piece = [], piece[-over:] if over > context else []


def tokenised(documents: Iterable[str], tokenizer: PreTrainedTokenizerBase) -> Iterator[list[int]]:
    """Token ids of each document, worked out many at a time."""
    waiting = iter(documents)
    while batch := list(islice(waiting, BATCH)):
        yield from tokenizer(batch, verbose=False)["input_ids"]


def prepare(settings: dict[str, Any], folder: Path, report: Callable[[str], object] = print) -> Prepared:
    """Tokenizer, training rows and held-out rows of a run: made if `folder` hasn't got them, else read.

    Raises `InputError` where the folder holds those of another run file.
    """
    shares, sizes, data = settings["mixture"], settings["model"], settings["data"]
    context = sizes["positions"]
    done = folder / "prepared.json"
    made_from = {part: settings[part] for part in DECIDES if part in settings}
    if done.exists() and json.loads(done.read_text()).get("made_from", made_from) != made_from:
        raise InputError(
            f"{folder} holds text prepared for another run file; name another --out, or delete that folder"
        )
    if not done.exists():
        if sizes["vocabulary"] > 2**16:
            raise InputError("rows are stored as 16-bit ids: vocabulary can be at most 65536")
        folder.mkdir(parents=True, exist_ok=True)
        rng = random.Random(settings["seed"])
        streams = {name: stream(name, False, random.Random(f"{settings['seed']} {name}")) for name in shares}
        runs, removed, counts = evaluation_runs(), Counter[str](), Counter[str]()

        def note(line: str) -> None:
            removed[line[line.index("(") + 1 : line.index(")")]] += 1  # the set it overlaps with
            report(line)

        def clean() -> Iterator[str]:
            for name, document in mix(streams, shares):
                for kept in decontaminate([document], runs, note):
                    counts[name] += len(kept.encode())
                    yield kept

        def up_to(size: int) -> Iterator[str]:
            for document in clean():
                yield document
                size -= len(document.encode())
                if size <= 0:
                    return

        tokenizer = AutoTokenizer.from_pretrained(settings["start"]) if "start" in settings else None
        if tokenizer is None or len(tokenizer) != sizes["vocabulary"]:
            report("training the tokenizer")
            tokenizer = train_tokenizer(up_to(data["tokenizer_bytes"]), sizes["vocabulary"], context)
        tokenizer.model_max_length = context
        tokenizer.save_pretrained(folder / "tokenizer")
        report("packing rows")
        counts.clear()
        removed.clear()  # what the tokenizer read is not what the rows hold
        count = -(-data["tokens"] // context)
        packed = islice(pack(tokenised(clean(), tokenizer), context, tokenizer.eos_token_id), count)
        rows = np.fromiter((np.array(row, np.uint16) for row in packed), np.dtype((np.uint16, context + 1)), count)
        np.save(folder / "rows.npy", rows[rng.sample(range(count), count)])
        held = {}
        for name in shares:
            ids = tokenised(stream(name, True, random.Random(name)), tokenizer)
            packed = islice(pack(ids, context, tokenizer.eos_token_id), data["held_out_rows"])
            held[name] = np.array(list(packed), np.uint16)
        np.savez(folder / "held_out.npz", **held)  # type: ignore[arg-type]
        done.write_text(json.dumps({"made_from": made_from, "bytes": dict(counts), "removed": dict(removed)}, indent=1))
        report(
            f"{count * context:,} tokens from {sum(counts.values()):,} bytes; removed {sum(removed.values())} documents"
        )
    tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer")
    with np.load(folder / "held_out.npz") as held_out:
        return Prepared(tokenizer, np.load(folder / "rows.npy", mmap_mode="r"), dict(held_out))
