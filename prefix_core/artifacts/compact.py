"""Fine-tuned weights kept small: what training changed, in 8 or 4 bits a number, decoded when they are loaded.

A matrix is stored as its difference from the base's, in groups of 64 numbers with one scale: the largest of the group
is the largest code (absmax, as in LLM.int8() and QLoRA, Dettmers et al. 2022 and 2023). The difference is much smaller
than the weights themselves, so its rounding errors are, too. Vectors (biases, norms) are few and kept as they are.
What that costs in score is measured by `rebuild` and stands on the card of every packed artifact.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from prefix_core.errors import ArtifactError

GROUP = 64
SCALES = ".scales"  # bf16, since a small difference has a scale below fp16's range
LARGEST = {8: 127, 4: 7}  # bits -> largest code


def bytes_per_number(bits: int) -> float:
    """Of a packed matrix on disk, scales included."""
    return bits / 8 + 2 / GROUP


def pack(kept: dict[str, Tensor], origin: dict[str, Tensor], bits: int) -> dict[str, Tensor]:
    """Tensors ready to be stored: matrices as codes and scales of their difference from `origin`, the rest in fp32.

    Codes are int8 in 8 bits, and uint8 in 4: two codes a byte. Both lie in groups, (groups, 64 * bits / 8).
    """
    stored: dict[str, Tensor] = {}
    for name, tensor in kept.items():
        tensor = tensor.detach().cpu().float()
        if tensor.ndim != 2:
            stored[name] = tensor.contiguous()
            continue
        difference = (tensor - origin[name].detach().cpu().float()).flatten()
        groups = F.pad(difference, (0, -difference.numel() % GROUP)).view(-1, GROUP)
        scales = (groups.abs().amax(1, keepdim=True) / LARGEST[bits]).bfloat16()
        steps = (groups / scales.float().clamp_min(torch.finfo(torch.float32).tiny)).round()
        codes = steps.clamp(-LARGEST[bits], LARGEST[bits]).to(torch.int8)
        stored[name] = codes if bits == 8 else _halves(codes)
        stored[name + SCALES] = scales.flatten()
    return stored


def unpack(stored: dict[str, Tensor], origin: dict[str, Tensor]) -> dict[str, Tensor]:
    """What `pack` was given, but for rounding, in fp32. A tensor without scales is taken as it is.

    Decoded numbers are ones that fp16 holds, so that writing reads them in 16 bits (`gpt2.HalfDense`); that rounding
    is finer than the codes'.

    Raises `ArtifactError` for codes that do not fit `origin`.
    """
    kept: dict[str, Tensor] = {}
    for name, codes in stored.items():
        if name.endswith(SCALES):
            continue
        scales, start = stored.get(name + SCALES), origin.get(name)
        if scales is None:
            kept[name] = codes
            continue
        if codes.dtype == torch.uint8 and codes.ndim == 2:
            codes = _whole(codes)
        groups = -1 if start is None else -(-start.numel() // GROUP)
        if start is None or codes.dtype != torch.int8 or codes.shape != (groups, GROUP) or scales.shape != (groups,):
            raise ArtifactError(f"the packed {name!r} does not fit this base")
        difference = codes.float() * scales.float()[:, None]
        decoded = start.detach().cpu().float() + difference.flatten()[: start.numel()].view(start.shape)
        kept[name] = decoded.half().float()
    return kept


def _halves(codes: Tensor) -> Tensor:
    """int8 codes from -7 to 7, (groups, 64) -> bytes of two, (groups, 32)."""
    shifted = (codes + 8).to(torch.uint8)
    return shifted[:, ::2] | shifted[:, 1::2] << 4


def _whole(pairs: Tensor) -> Tensor:
    return torch.stack([pairs & 15, pairs >> 4], 2).flatten(1).to(torch.int8) - 8
