"""Prompting: nothing is trained; words around the input say what to do (zero-shot) and show it (few-shot).

An instruct model is asked through its own chat template: a system line, each example as a turn of the user and one of
the assistant, then the input. What stands before the input is the same for every input of a task: it is read once, and
its keys and values are kept, as a prefix is. So prompts share a batch with prefixes.
"""

import random
from functools import lru_cache
from typing import Any

from prefix_core.data.examples import Example
from prefix_core.errors import InputError
from prefix_core.methods.method import Steered
from prefix_core.methods.start import activations
from prefix_core.model.base import Base
from prefix_core.model.prefix import Prefix
from prefix_core.tasks.task import Task

SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"  # by `studies/prompts.py`
INPUT = "\N{OBJECT REPLACEMENT CHARACTER}"  # stands for the input in a filled chat template


@lru_cache(maxsize=32)
def steer(base: Base, task: Task, shots: int = 0, seed: int = 0, system: str = SYSTEM) -> Steered:
    """The task's instruction, and `shots` examples of the task's own pool, before every input.

    system: the line that a chat begins with; the default and the instructions were chosen by `studies/prompts.py`.

    Raises `InputError` for more examples than there are, and for so many that an input would have no room.
    """
    return showing(base, task, shown(task, shots, seed), system)


def showing(base: Base, task: Task, examples: list[Example], system: str = SYSTEM) -> Steered:
    """The task's instruction and these examples before every input. Raises `InputError` as `steer` does."""
    if base.begin:
        return Steered("prompt", base.writer, words=without_template(task, examples))
    if base.tokenizer.chat_template is None:
        beginning, closing = [*base.before, *base.encode(without_template(task, examples))], None
    else:
        before, after = chat(base, task, examples, system).split(INPUT)
        beginning, closing = special(base, before), tuple(special(base, after))
    if len(beginning) >= base.shape.positions:
        raise InputError(
            f"{len(examples)} examples take {len(beginning)} tokens, and this base has {base.shape.positions} in all: "
            "nothing would be left for an input; show fewer"
        )
    return Steered("prompt", base.writer, Prefix(*activations(base, beginning)), closing=closing)


def without_template(task: Task, examples: list[Example]) -> str:
    """For a model that only goes on with a text: the instruction on a line, or examples as they would go on."""
    if not examples:
        return f"{task.instruction}\n"
    return "".join(task.prompt(example.source) + example.references[0] + "\n\n" for example in examples)


def chat(base: Base, task: Task, examples: list[Example], system: str = SYSTEM) -> str:
    """The chat up to the place where the model's answer begins, `INPUT` standing for the input."""
    turns = [{"role": "system", "content": system}]
    for example in examples:
        turns.append({"role": "user", "content": f"{task.instruction}\n\n{task.linearize(example.source)}"})
        turns.append({"role": "assistant", "content": example.references[0]})
    turns.append({"role": "user", "content": f"{task.instruction}\n\n{INPUT}"})
    return str(base.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))


def special(base: Base, text: str) -> list[int]:
    """Tokens of a part of a filled template, in which special tokens are what they say."""
    tokens: Any = base.tokenizer.encode(text, add_special_tokens=False, split_special_tokens=False)
    return [int(token) for token in tokens]


def shown(task: Task, shots: int, seed: int = 0) -> list[Example]:
    """The examples of the task's pool that a prompt shows. Raises `InputError` for more than there are."""
    pool = task.pool()
    if not 0 <= shots <= len(pool):
        raise InputError(f"{shots} examples were asked for; task {task.name} has 0 to {len(pool)} to show")
    return random.Random(seed).sample(pool, shots)
