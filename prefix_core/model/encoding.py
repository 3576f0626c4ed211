"""Text to tokens that fit: prefix, words, input and output share one context, and nothing is cut in silence.

Without a prefix a text begins with the end token (or what the base's tokenizer puts first), as every document did when
the base was trained; a prefix made from words begins with it too, and the input follows; before an infix stands the
input. In an encoder-decoder the input has a context of its own, and the tokenizer's tokens around it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from prefix_core.errors import InputError
from prefix_core.model.base import Base

TooLong = Literal["refuse", "cut"]


@dataclass(frozen=True)
class Encoded:
    """tokens: what the model is given; cut: how many tokens of the input were left out at its end."""

    tokens: list[int]
    cut: int = 0


def encode_input(
    base: Base,
    text: str,
    ending: str = "",
    words: str = "",
    prefix_length: int = 0,
    reserve: int = 0,
    too_long: TooLong = "refuse",
    where: str = "the input",
    infix: bool = False,
    closing: Sequence[int] | None = None,
) -> Encoded:
    """`words + text + ending` as tokens, leaving room in the context for the prefix and `reserve` tokens of output.

    too_long "cut" shortens `text` at its end, keeping words and ending; "refuse" raises `InputError`, as does an
    input of which nothing would be left. closing: tokens that stand in the place of `ending`.
    """
    positions = base.shape.positions
    room, shared = (
        positions - prefix_length - reserve,
        f", of which the prefix takes {prefix_length} and the output {reserve}",
    )
    if base.begin:
        if room < len(base.begin):
            raise InputError(f"{where}: the output may take {positions} tokens{shared}: shorten one of them")
        room, shared = positions, " for it"
    first = [] if prefix_length and not infix and not base.begin else [*base.before]
    if closing is not None:
        ending = ""
    last = [*(closing or ()), *base.after]
    tokens = first + base.encode(words + text + ending) + last
    over = len(tokens) - room
    if over <= 0:
        if not tokens:
            raise InputError(f"{where} is empty; write something to go on from")
        return Encoded(tokens)
    budget = f"{where} takes {len(tokens)} tokens; this base has {positions}{shared}"
    body = first + base.encode(words + text)
    head = len(first + base.encode(words))
    tail = [*base.encode(ending), *last]
    left = room - len(tail)
    if left <= head:
        raise InputError(f"{budget}: nothing of it would be left; use a shorter prefix, fewer examples or less output")
    if too_long == "refuse":
        raise InputError(f"{budget}: shorten it by {over} tokens, or allow it to be cut (--cut)")
    return Encoded(body[:left] + tail, cut=len(body) - left)
