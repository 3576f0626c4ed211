"""From a batch to its loss and gradient: the target tokens only, in one pass over the vocabulary.

The output layer is the largest matrix of a small model, and its logits are the largest tensor of a training step. The
gradients follow from the logits alone, so both are computed a few rows at a time, while they are still in the
processor's cache, and the logits are never kept.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from prefix_core.methods.method import Adaptation
from prefix_core.model.base import Base
from prefix_core.model.network import Network
from prefix_core.model.products import Dense, HalfDense, Product, StoredDense
from prefix_core.model.reading import forward
from prefix_core.training.batches import LONG, Pair, by_length, in_parts, target_tokens
from prefix_core.training.workers import ALONE, Workers

HELD_OUT_BATCH = 32  # texts
ROWS = 96  # rows worked on at a time: their logits, 19 MB of a small model, stay in a processor's cache
BLOCK = 12 * ROWS  # rows whose share of the output layer's own gradient is one matrix product
GPU_ROWS = 8192  # both of them on a GPU, which fewer would not keep busy
MULTIPLE = 32  # rows are padded to a multiple of this: oneDNN compiles a kernel for every new size of product


def token_losses(hidden: Tensor, head: Product, targets: Tensor) -> Tensor:
    """Cross-entropy of every token in nats, (n,), in fp32.

    hidden: (n, width), the final states; head: the output layer, (vocabulary, width); targets: (n,) token ids.
    """
    if _learns(head):
        return F.cross_entropy(head(hidden).float(), targets, reduction="none")
    losses: Tensor = _BehindFrozenHead.apply(hidden, head, targets)  # type: ignore[no-untyped-call]
    return losses


def mean_token_loss(hidden: Tensor, head: Product, targets: Tensor) -> Tensor:
    """The mean of `token_losses`; where the output layer learns, too, without keeping its logits."""
    if isinstance(head, Dense) and _learns(head) and torch.is_grad_enabled():
        mean: Tensor = _MeanBehindHead.apply(hidden, head.weight, targets)  # type: ignore[no-untyped-call]
        return mean
    return token_losses(hidden, head, targets).mean()


def _learns(head: Product) -> bool:
    return isinstance(head, Dense) and head.weight.requires_grad


def target_losses(
    base: Base,
    adaptation: Adaptation,
    batch: Sequence[Pair],
    behind: Callable[[Tensor, Product, Tensor], Tensor] = token_losses,
) -> Tensor:
    """The loss of every target token of a batch, (n,), in nats; texts of the same input after one another.

    An input is run once, however many texts it has in the batch: they are branches of one row. behind: what makes the
    loss of states, output layer and targets.
    """
    texts: dict[tuple[int, ...], list[list[int]]] = {}
    for pair in batch:
        texts.setdefault(tuple(pair.source), []).append(pair.target)
    # What predicts a text's first token is the input's last. The last token predicts nothing: it is not read.
    written = [[target[:-1] for target in some] for some in texts.values()]
    said = [token for some in texts.values() for target in some for token in target]
    targets = torch.tensor(said, device=base.device)
    with adaptation.arithmetic():
        network, prefix = adaptation.network(), adaptation.prefix()
        if adaptation.below is not None and isinstance(network, Network):
            network = adaptation.below.over(network, texts)
        _, hidden = forward(base, network, list(texts), written, [prefix] * len(texts))
        if not isinstance(network, Network):
            return F.cross_entropy(network.logits(hidden).float(), targets, reduction="none")
    return behind(hidden.to(network.head.dtype), network.head, targets)


def mean_loss(base: Base, adaptation: Adaptation, batch: Sequence[Pair]) -> Tensor:
    """The mean of `target_losses`, to be learned from: an output layer's logits are never kept."""
    return target_losses(base, adaptation, batch, mean_token_loss).mean()


def learn(base: Base, adaptation: Adaptation, batch: Sequence[Pair], parts: int = 1, workers: Workers = ALONE) -> float:
    """Leave the gradients of the batch's mean loss over all its target tokens, and return that.

    Each of the workers runs its share of the batch, in so many parts one after another, or more where it is long: less
    memory, same gradients.
    """
    said, total = target_tokens(batch), torch.zeros((), device=base.device)
    for part in in_parts(workers.share(batch), parts, adaptation.at_once or LONG):
        mean = mean_loss(base, adaptation, part) * (target_tokens(part) / said)
        mean.backward()
        total += mean.detach()
    if workers.count > 1:
        for parameter in adaptation.parameters():
            if parameter.grad is None:  # there was nothing to run here
                parameter.grad = torch.zeros_like(parameter)
            workers.sum(parameter.grad)
        workers.sum(total)
    return total.item()


@torch.no_grad()
def held_out_mean(base: Base, adaptation: Adaptation, pairs: Sequence[Pair], workers: Workers = ALONE) -> float:
    """Mean loss over all target tokens of `pairs`."""
    pairs = by_length(pairs)
    batches = [pairs[start : start + HELD_OUT_BATCH] for start in range(0, len(pairs), HELD_OUT_BATCH)]
    total = torch.zeros((), device=base.device)
    for batch in workers.share(batches):
        total += target_losses(base, adaptation, batch).sum()
    workers.sum(total)
    return total.item() / target_tokens(pairs)


def _in_parts(
    hidden: Tensor, head: Product, targets: Tensor, of_hidden: bool, of_head: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Losses (n,), and the gradients of their sum: of `hidden` and of the head's weight (fp32), empty if not wanted."""
    count, spare = len(hidden), -len(hidden) % MULTIPLE
    at_a_time, block_rows = (ROWS, BLOCK) if hidden.is_cpu else (GPU_ROWS, GPU_ROWS)
    hidden, targets = F.pad(hidden, (0, 0, 0, spare)), F.pad(targets, (0, spare))
    losses = hidden.new_empty(len(hidden), dtype=torch.float32)
    gradient = torch.empty_like(hidden) if of_hidden else hidden.new_empty(0)
    weight = head.weight if isinstance(head, Dense) else hidden.new_empty(0)
    head_gradient = torch.zeros_like(weight, dtype=torch.float32) if of_head else hidden.new_empty(0)
    errors = hidden.new_empty(min(block_rows, len(hidden)), len(weight)) if of_head else hidden.new_empty(0)
    for start in range(0, len(hidden), at_a_time):
        part = slice(start, start + at_a_time)
        rows, target = hidden[part], targets[part, None]
        logits = _logits(head, rows)
        highest = logits.amax(1, keepdim=True)
        at_target = logits.gather(1, target)
        powers = logits.sub_(highest).exp_()
        total = powers.sum(1, keepdim=True)
        losses[part] = (total.log() + highest - at_target).squeeze(1)
        if not (of_hidden or of_head):
            continue
        error = powers.div_(total).scatter_add_(1, target, powers.new_full((len(target), 1), -1.0)).to(hidden.dtype)
        if of_hidden:
            if isinstance(head, HalfDense | StoredDense):
                gradient[part] = head.gradient(error)
            else:
                torch.mm(error, weight, out=gradient[part])
        if of_head:
            inside = start % block_rows
            filled = inside + len(error)
            errors[inside:filled] = error
            if filled == block_rows or part.stop >= len(hidden):
                block = hidden[start + len(error) - filled : start + len(error)]
                head_gradient += errors[:filled].t() @ block
    return losses[:count], gradient[:count], head_gradient


def _logits(head: Product, rows: Tensor) -> Tensor:
    """(n, vocabulary) in fp32, free to be written over."""
    if isinstance(head, Dense) and rows.is_cpu and rows.dtype == torch.float32 and torch.backends.mkldnn.is_available():
        logits: Tensor = torch.ops.mkldnn._linear_pointwise(rows, head.weight, None, "none", [], "")
        return logits  # by oneDNN, in two thirds of the time
    return head(rows).float()


class _BehindFrozenHead(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, head: Product, targets: Tensor) -> Tensor:
        losses, gradient, _ = _in_parts(hidden, head, targets, ctx.needs_input_grad[0], False)
        ctx.save_for_backward(gradient)
        return losses

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * grads[0][:, None].to(gradient.dtype), None, None


class _MeanBehindHead(torch.autograd.Function):
    """Every token weighs the same, so the layer's gradient, too, is known up to one factor."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        losses, *gradients = _in_parts(hidden, Dense(weight), targets, ctx.needs_input_grad[0], True)
        ctx.save_for_backward(*gradients)
        ctx.dtypes = hidden.dtype, weight.dtype
        return losses.mean()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        gradient, head_gradient = ctx.saved_tensors
        share = grads[0] / max(1, len(gradient))
        return (gradient * share).to(ctx.dtypes[0]), (head_gradient * share).to(ctx.dtypes[1]), None
