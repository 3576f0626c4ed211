"""What a prefix starts from: words, some of a person's own rows, or random numbers.

Words decide the results when examples are few (Li & Liang 2021, section 7.4), but a prefix that starts from them has to
learn from nothing what a text looks like. Of rows written out (demonstrations) the model has read an instruction and
two to four inputs with their texts: at step 0 the prefix is a few-shot prompt, and training goes on from there.
"""

from collections.abc import Sequence
from statistics import median

import torch
from torch import Tensor

from prefix_core.data.examples import Example
from prefix_core.errors import InputError
from prefix_core.methods.settings import Settings
from prefix_core.model.base import Base, Shape
from prefix_core.model.reading import forward
from prefix_core.tasks.task import Task

COUNT = 3
MOST_TOKENS = 320  # of all demonstrations together: every one of them is read behind in every step, and by every text


@torch.no_grad()
def beginning(base: Base, settings: Settings, length: int, generator: torch.Generator) -> Tensor:
    """Keys and values at step 0: of demonstrations, of words, or random; (2, layers, P, kv_heads, head_dim)."""
    words, infix = settings.initial_words, settings.variant == "infix"
    if settings.demonstrations:
        if base.begin:
            raise InputError(f"demonstrations are for decoders; {base.name!r} is an encoder-decoder: start from words")
        return activations(base, start_tokens(base, words, settings.demonstrations))
    return word_start(base, words, length, infix) if words else random_start(base.shape, length, generator)


def start_words(base: Base, settings: Settings) -> list[str]:
    """The tokens that a prefix of these settings starts as, one a position, as spelled; none if it starts at random."""
    words, length = settings.initial_words, length_of(base, settings)
    if settings.demonstrations:
        tokens = start_tokens(base, words, settings.demonstrations)
    else:
        first = [] if settings.variant == "infix" else base.before
        tokens = [*first, *said(base, words, length)][:length] if words else []
    return [str(base.tokenizer.decode([token])) for token in tokens]


def length_of(base: Base, settings: Settings) -> int:
    """P of a prefix with these settings: as chosen, or all of what its demonstrations take."""
    if not settings.demonstrations:
        return settings.prefix_length
    return len(start_tokens(base, settings.initial_words, settings.demonstrations))


def written_out(task: Task, example: Example) -> str:
    """An input and its first text, as they stand in training."""
    return task.prompt(example.source) + " ".join(example.references[0].split())


def start_tokens(base: Base, words: str, demonstrations: Sequence[str]) -> list[int]:
    """What the start has read: the words on a line, and each demonstration with the end token that ends a text."""
    tokens = [*base.before, *base.encode(f"{words}\n\n" if words else "")]
    for demonstration in demonstrations:
        tokens += [*base.encode(demonstration), base.end, *base.encode("\n")]
    return tokens


def choose(base: Base, task: Task, examples: Sequence[Example], count: int = COUNT) -> list[Example]:
    """The examples to show: none longer than the usual one, each as unlike the others as can be had.

    Half of the examples at most, and what `MOST_TOKENS` and a quarter of the base's context allow; none where one alone
    is too long.
    """
    room = min(MOST_TOKENS, base.shape.positions // 4)
    lengths = [len(base.encode(written_out(task, example))) for example in examples]
    usual = median(lengths) if lengths else 0
    short = [place for place, length in enumerate(lengths) if length <= usual]
    short.sort(key=lambda place: -lengths[place])  # the first is a usual one
    words = {place: set(written_out(task, examples[place]).lower().split()) for place in short}
    chosen: list[int] = []

    def likeness(place: int) -> float:
        """To the nearest of those chosen: the share of words that both have."""
        shared = [len(words[place] & words[other]) / len(words[place] | words[other]) for other in chosen]
        return max(shared, default=0.0)

    while len(chosen) < min(count, len(examples) // 2):
        left = room - sum(lengths[place] for place in chosen)
        fitting = [place for place in short if place not in chosen and lengths[place] <= left]
        if not fitting:
            break
        chosen.append(min(fitting, key=likeness))
    return [examples[place] for place in reversed(chosen)]


@torch.no_grad()
def word_start(base: Base, words: str, length: int, infix: bool = False) -> Tensor:
    """Keys and values of what begins every text (the end token) and of `words`, repeated until they fill `length`.

    An encoder-decoder reads them and writes them, too; an infix begins no text. Returns (2, layers, length, kv_heads,
    head_dim) in fp32. Raises `InputError` if `words` holds no token.
    """
    tokens = said(base, words, length)
    written = tokens[: max(0, length - len(base.begin))] if base.begin else []
    first = [] if infix else base.before
    return activations(base, [*first, *tokens][:length], written)


@torch.no_grad()
def activations(base: Base, tokens: Sequence[int], written: Sequence[int] = ()) -> Tensor:
    """The keys and values that the base computes for P tokens at the beginning of a text.

    written: what an encoder-decoder writes behind its own first tokens meanwhile. Returns (2, layers, P, kv_heads,
    head_dim) in fp32.
    """
    parts: dict[int, Tensor] = {}  # by layer: (2, P, kv_heads, head_dim)

    def watch(layer: int, keys: Tensor, values: Tensor) -> None:
        parts[layer] = torch.stack([keys, values])[:, : len(tokens)].float()

    forward(base, base.stored, [tokens], [[written]], [None], watch=watch)
    return torch.stack([parts[layer] for layer in range(base.shape.prefix_layers)], 1)


def said(base: Base, words: str, length: int) -> list[int]:
    """The tokens of `words` again and again, at least `length` of them; raises `InputError` if there are none."""
    tokens = base.encode(words)
    if not tokens:
        raise InputError("the initial words are empty; give a word or two that name the task, such as 'summarize:'")
    return tokens * (length // len(tokens) + 1)


def random_start(shape: Shape, length: int, generator: torch.Generator) -> Tensor:
    """Random keys and values (standard deviation 0.02, as the networks' own weights): the paper's weaker choice."""
    return 0.02 * torch.randn(2, shape.prefix_layers, length, shape.kv_heads, shape.head_dim, generator=generator)
