"""How well a base predicts text it never saw: bits per byte by source, and nats per token by position.

Every base is given the same bytes, whatever its tokenizer, so bits per byte compare between bases.
"""

import math
import random
from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from prefix_core.base import Base
from prefix_core.inject import Rows
from prefix_core.prefix import stack
from prefix_core.pretrain.card import SOURCES
from prefix_core.pretrain.structured import STREAMS, stream
from prefix_core.pretrain.text import held_out_documents

BYTES = 12_000  # read of each source, in whole documents
LONGEST = 3_000  # characters read of one document, so that no source is one document
TOGETHER = 4096  # tokens run at once
LONG_SOURCE = "wikipedia_featured"
LONG = 8_000  # characters, which fill a context of MOST_POSITIONS and more with any tokenizer
MOST_POSITIONS = 1024
PIECE = 256  # positions


def held_out_text(source: str) -> list[str]:
    """The beginnings of held-out documents, about BYTES in all: the same in every call. Empty if none is held out."""
    if not held_out_documents(STREAMS[source][0] if source in STREAMS else source):
        return []
    texts: dict[str, None] = {}
    size = 0
    for document in stream(source, True, random.Random(source)):
        text = document[:LONGEST]
        if text in texts or size >= BYTES:
            break
        texts[text] = None
        size += len(text.encode())
    return list(texts)


def long_text() -> list[str]:
    """Long held-out documents: one context and more of text that hangs together."""
    return [document for document in held_out_documents(LONG_SOURCE) if len(document) > LONG]


@torch.inference_mode()
def token_losses(base: Base, rows: Sequence[list[int]]) -> list[Tensor]:
    """The loss of every token but the first of each row, (len(row) - 1,), in nats; rows fit the base's context."""
    losses: dict[int, Tensor] = {}
    for some in _batches(rows):
        lengths = [len(rows[index]) - 1 for index in some]
        layout = Rows(lengths, stack([None] * len(some), base.shape, base.network.tokens))
        inputs = torch.tensor([token for index in some for token in rows[index][:-1]], device=base.device)
        targets = torch.tensor([token for index in some for token in rows[index][1:]], device=base.device)
        hidden = base.network.hidden(inputs, layout.positions, layout)
        loss = F.cross_entropy(base.network.logits(hidden).float(), targets, reduction="none").cpu()
        losses.update(zip(some, loss.split(lengths), strict=True))
    return [losses[index] for index in range(len(rows))]


def _batches(rows: Sequence[list[int]]) -> Iterator[list[int]]:
    """Indices of rows of like length, about TOGETHER tokens at a time."""
    batch: list[int] = []
    for index in sorted(range(len(rows)), key=lambda index: len(rows[index])):
        if batch and len(rows[index]) * (len(batch) + 1) > TOGETHER:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def windows(tokens: list[int], context: int) -> Iterator[tuple[list[int], int]]:
    """(row of at most `context` + 1 tokens, how many at its end are counted): every token but the first once.

    Beyond the first row, what is counted has at least half of the context before it.
    """
    done = min(len(tokens), context + 1)
    yield tokens[:done], done - 1
    while done < len(tokens):
        fresh = min(max(1, context // 2), len(tokens) - done)
        done += fresh
        yield tokens[done - context - 1 : done], fresh


def bits_per_byte(base: Base, texts: Sequence[str]) -> float:
    """Mean loss of the texts' bytes, each text read on its own after the end token."""
    pieces = [piece for text in texts for piece in windows([base.end, *base.encode(text)], base.shape.positions)]
    losses = token_losses(base, [row for row, _ in pieces])
    nats = math.fsum(loss[-fresh:].sum().item() for loss, (_, fresh) in zip(losses, pieces, strict=True) if fresh)
    return nats / math.log(2) / sum(len(text.encode()) for text in texts)


def by_source(base: Base, texts: dict[str, list[str]]) -> dict[str, float]:
    """Bits per byte of each source that has held-out text."""
    return {source: bits_per_byte(base, own) for source, own in texts.items() if own}


def by_position(base: Base, texts: Sequence[str]) -> dict[str, Any]:
    """Nats per token along the context, or its first MOST_POSITIONS, of texts long enough to fill it.

    A window slides over each text by a quarter of the context, so that most of it stands in every quarter once.
    quarters: mean of each quarter. middle: of positions PIECE to 2 PIECE. later: what the very same tokens cost in the
    last quarter, minus what they cost in the middle, with less before them; error: its standard error over the texts.
    What a context or the texts are too short for is None.
    """
    context = min(base.shape.positions, MOST_POSITIONS)
    step = context // 4
    tokens = [base.encode(text) for text in texts]
    slid = [[some[at : at + context] for at in range(0, len(some) - context + 1, step)] for some in tokens]
    full = [own for own in slid if own]
    measured: dict[str, Any] = {"context": context, "texts": len(full), "quarters": None, "middle": None}
    measured.update(later=None, error=None)
    if len(full) > 1:
        found = iter(token_losses(base, [[base.end, *row] for own in full for row in own]))
        losses = [torch.stack([next(found) for _ in own]) for own in full]  # of each text: (windows, context)
        along = torch.stack([own.mean(0) for own in losses])
        measured["quarters"] = [quarter.mean().item() for quarter in along.tensor_split(4, 1)]
        if context >= 2 * PIECE:
            measured["middle"] = along[:, PIECE : 2 * PIECE].mean().item()
        pairs = [own for own in losses if len(own) > 2]
        if step == PIECE and len(pairs) > 1:  # a window's last quarter is the second of the next but one
            later = torch.stack([(own[:-2, 3 * step :] - own[2:, step : 2 * step]).mean() for own in pairs])
            measured.update(later=later.mean().item(), error=later.std().item() / math.sqrt(len(pairs)))
    return measured


def sources() -> dict[str, list[str]]:
    """Held-out text of every source a base may have been trained on."""
    return {source: held_out_text(source) for source in SOURCES}
