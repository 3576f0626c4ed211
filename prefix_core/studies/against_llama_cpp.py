"""What llama.cpp writes behind an exported prefix, and how fast: by `llama-cpp-python`, in a process of its own.

Run as a plain file, by a Python that need have nothing else: it reads a job from standard input as JSON and answers in
JSON.
"""

import ctypes
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

PACKAGE = "llama-cpp-python==0.3.36"
NAMED = "PREFIX_LLAMA_CPP"  # a Python that has it, where this one has not
KINDS = {"f32": 0, "f16": 1}  # llama.cpp's codes of how it keeps keys and values


def python() -> str | None:
    """The Python that has llama-cpp-python: the one that PREFIX_LLAMA_CPP names, or this one; None if neither."""
    return os.environ.get(NAMED) or (sys.executable if importlib.util.find_spec("llama_cpp") else None)


def ask(job: dict[str, Any]) -> Any:
    """The answer to a job, from a process of its own. Raises `RuntimeError` with its last line if it fails.

    model: the GGUF file; state: an exported prefix or None; kind: of its numbers; inputs: rows of token ids; tokens: to
    write. Answers, a row each: the greedy tokens. With `rows` and `seconds`: milliseconds a token of so many rows at
    once, the first token apart. With `save`: the first row is read, and what llama.cpp keeps of it saved in that file.
    """
    done = subprocess.run(
        [python() or sys.executable, __file__], input=json.dumps(job), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or ["no message"])[-1])
    return json.loads(done.stdout)


def bench(base_name: str, seconds: float, tokens: int) -> dict[str, float]:
    """llama.cpp's row of `bench`: milliseconds a token at one row and at eight, behind a prefix of 10.

    Raises `BaseError` where llama-cpp-python is not at hand, and for a base that is not read from a GGUF file.
    """
    from prefix_core.artifacts.llama_cpp import export
    from prefix_core.errors import BaseError
    from prefix_core.model.loading import load_base
    from prefix_core.model.smollm2 import find
    from prefix_core.places import DEFAULT_BASE
    from prefix_core.studies.measurement import ROWS, work

    if python() is None:
        raise BaseError(
            f"llama-cpp-python is not installed: pip install {PACKAGE}, which needs a C++ compiler, or name a Python "
            f"that has it in {NAMED}"
        )
    if base_name != DEFAULT_BASE and not base_name.endswith(".gguf"):
        raise BaseError(f"llama.cpp reads GGUF files; base {base_name!r} is none")
    job = work(load_base(base_name))
    with TemporaryDirectory() as folder:
        state = Path(folder) / "prefix.state"
        export(state, job.base, job.prefix)
        model = find(None) if base_name == DEFAULT_BASE else Path(base_name)
        asked = {"model": str(model), "state": str(state), "kind": "f32", "inputs": job.inputs, "tokens": tokens}
        try:
            return {f"milliseconds_per_token_{rows}": ask({**asked, "rows": rows, "seconds": seconds}) for rows in ROWS}
        except RuntimeError as error:
            raise BaseError(f"measuring llama.cpp failed: {error}") from error


class Context:
    """A model with room for some rows at once, each behind the same prefix."""

    def __init__(self, model: str, state: str | None, kind: str, rows: int, room: int, threads: int) -> None:
        import llama_cpp

        self.api: Any = llama_cpp
        llama_cpp.llama_log_set(_silent, ctypes.c_void_p(0))
        llama_cpp.llama_backend_init()
        self.model = llama_cpp.llama_model_load_from_file(model.encode(), llama_cpp.llama_model_default_params())
        wanted = llama_cpp.llama_context_default_params()
        wanted.n_ctx, wanted.n_batch, wanted.n_seq_max, wanted.kv_unified = rows * room, rows * room, rows, True
        wanted.type_k = wanted.type_v = KINDS[kind]
        wanted.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED
        wanted.n_threads = wanted.n_threads_batch = threads
        self.context = llama_cpp.llama_init_from_model(self.model, wanted)
        self.memory = llama_cpp.llama_get_memory(self.context)
        self.words = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(self.model))
        self.batch = llama_cpp.llama_batch_init(rows * room, 0, 1)
        self.length = 0
        for row in range(rows) if state else ():
            tokens, count = (llama_cpp.llama_token * room)(), ctypes.c_size_t()
            if not llama_cpp.llama_state_seq_load_file(self.context, str(state).encode(), row, tokens, room, count):
                raise RuntimeError(f"llama.cpp does not load {state}")
            self.length = count.value

    def decode(self, rows: list[list[int]], position: int) -> list[Any]:
        """Run tokens of rows from a position on; the logits after each row's last, (vocabulary,)."""
        import numpy

        place, last = 0, []
        for row, tokens in enumerate(rows):
            for offset, token in enumerate(tokens):
                self.batch.token[place], self.batch.pos[place] = token, position + offset
                self.batch.n_seq_id[place], self.batch.seq_id[place][0] = 1, row
                self.batch.logits[place] = offset == len(tokens) - 1
                place += 1
            last.append(place - 1)
        self.batch.n_tokens = place
        if self.api.llama_decode(self.context, self.batch):
            raise RuntimeError("llama.cpp could not decode")
        logits = [self.api.llama_get_logits_ith(self.context, index) for index in last]
        return [numpy.ctypeslib.as_array(row, (self.words,)).copy() for row in logits]

    def forget(self) -> None:
        """Back to where the prefix ends."""
        self.api.llama_memory_seq_rm(self.memory, -1, self.length, -1)


def write(job: dict[str, Any]) -> list[list[int]]:
    """Every row alone, greedily."""
    room = 64 + max(len(row) for row in job["inputs"]) + job["tokens"]
    context = Context(job["model"], job["state"], job["kind"], 1, room, threads())
    answers = []
    for row in job["inputs"]:
        context.forget()
        tokens: list[int] = []
        fed, position = row, context.length
        for _ in range(job["tokens"]):
            (logits,) = context.decode([fed], position)
            position += len(fed)
            tokens.append(int(logits.argmax()))
            fed = tokens[-1:]
        answers.append(tokens)
    return answers


def speed(job: dict[str, Any]) -> float:
    """Milliseconds a token of the first `rows` inputs at once, cut to one length: the median within `seconds`."""
    inputs = job["inputs"][: job["rows"]]
    inputs = [row[: min(map(len, inputs))] for row in inputs]
    context = Context(
        job["model"], job["state"], job["kind"], len(inputs), 64 + len(inputs[0]) + job["tokens"], threads()
    )
    times: list[float] = []
    began = time.perf_counter()
    while not times or time.perf_counter() - began < job["seconds"]:
        context.forget()
        logits, position = context.decode(inputs, context.length), context.length + len(inputs[0])
        start = time.perf_counter()
        for step in range(job["tokens"] - 1):
            logits = context.decode([[int(row.argmax())] for row in logits], position + step)
        times.append(1000 * (time.perf_counter() - start) / (job["tokens"] - 1))
    return round(statistics.median(times), 2)


def keep(job: dict[str, Any]) -> int:
    """llama.cpp's own state of the first row; returns its bytes."""
    row = job["inputs"][0]
    context = Context(job["model"], None, job["kind"], 1, 64 + len(row), threads())
    context.decode([row], 0)
    tokens = (context.api.llama_token * len(row))(*row)
    return int(context.api.llama_state_seq_save_file(context.context, job["save"].encode(), 0, tokens, len(row)))


def threads() -> int:
    """As many as torch takes: the processor's cores."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _nothing(level: int, text: bytes, data: object) -> None:
    """llama.cpp tells a lot on standard error; what fails is raised."""


_silent = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)(_nothing)


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    does = speed if "rows" in asked else keep if "save" in asked else write
    json.dump(does(asked), sys.stdout)
