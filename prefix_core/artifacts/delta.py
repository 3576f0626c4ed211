"""Fine-tuned weights kept small: only what training changed is stored, and decoded when it is loaded.

A matrix's change is coded in groups of 64 numbers with a scale each: the largest of the group has the largest code
(absmax, as in LLM.int8() and QLoRA, Dettmers et al. 2022 and 2023). With a rank, what is coded are the two factors of
the change's best approximation of that rank instead (as LoRA, Hu et al. 2021, would have learned it). Codes and scales
are then compressed by zlib. Vectors (biases, norms) are few and kept as they are.

Which way is small enough and good enough is measured by `rebuild`; it stands on the card of every packed artifact.
"""

import zlib
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from prefix_core.errors import ArtifactError

GROUP = 64
LARGEST = {8: 127, 4: 7, 3: 3, 2: 1}  # bits -> largest code
CODES, SCALES = ".codes", ".scales"
LEFT, RIGHT = ".left", ".right"  # factors of a change
WAY = "way"  # bits and rank, in every file


@dataclass(frozen=True)
class Packing:
    """How matrices are packed: bits of a number before zlib, and the rank that is kept of a change (None: all)."""

    bits: int = 8
    rank: int | None = None

    def __str__(self) -> str:
        return f"{self.bits} bits" + (f", rank {self.rank}" if self.rank else "")


def compress(kept: dict[str, Tensor], origin: dict[str, Tensor], way: Packing) -> dict[str, Tensor]:
    """Tensors ready to be stored: of matrices the compressed codes of their change from `origin`, the rest in fp32."""
    stored = {WAY: torch.tensor([way.bits, way.rank or 0])}
    for name, tensor in kept.items():
        tensor = tensor.detach().cpu().float()
        if tensor.ndim != 2:
            stored[name] = tensor.contiguous()
            continue
        change = tensor - origin[name].detach().cpu().float()
        parts = {name: change} if way.rank is None else _factors(name, change, way.rank)
        for part, numbers in parts.items():
            stored[part + CODES], stored[part + SCALES] = _coded(numbers, way.bits)
    return stored


def decompress(stored: dict[str, Tensor], origin: dict[str, Tensor]) -> dict[str, Tensor]:
    """What `compress` was given, but for rounding. A tensor without codes is taken as it is.

    Decoded matrices are in fp16, so that writing reads them in 16 bits (see `products`).

    Raises `ArtifactError` for codes that do not fit `origin`.
    """
    bits, rank = _way(stored)
    packed = {name.removesuffix(CODES).removesuffix(LEFT) for name in stored if name.endswith(CODES)}
    names = packed - {name for name in packed if name.endswith(RIGHT)}

    def matrix(name: str) -> Tensor:
        start = origin.get(name)
        if start is None or start.ndim != 2:
            raise _unfit(name)
        rows, columns = start.shape
        if rank:
            ranks = min(rank, rows, columns)
            left, right = _decoded(stored, name + LEFT, (rows, ranks), bits), name + RIGHT
            change = left @ _decoded(stored, right, (ranks, columns), bits)
        else:
            change = _decoded(stored, name, (rows, columns), bits)
        return change.add_(start.detach().cpu()).half()

    kept = {name: matrix(name) for name in names}
    plain = {name: tensor for name, tensor in stored.items() if name != WAY and not name.endswith((CODES, SCALES))}
    return kept | plain


def _way(stored: dict[str, Tensor]) -> tuple[int, int]:
    """Bits and rank (0: no rank) of stored tensors."""
    told = stored.get(WAY, torch.tensor([8, 0]))
    if told.shape != (2,) or told.dtype != torch.int64 or int(told[0]) not in LARGEST or int(told[1]) < 0:
        raise ArtifactError("the packed weights do not say in how many bits they are")
    return int(told[0]), int(told[1])


def _unfit(name: str) -> ArtifactError:
    return ArtifactError(f"the packed {name!r} does not fit this base")


def _factors(name: str, change: Tensor, rank: int) -> dict[str, Tensor]:
    """The best approximation of a change (m, n) as (m, rank) @ (rank, n), by the smaller of its Gram matrices."""
    wide = change.shape[0] < change.shape[1]
    tall = change.T if wide else change
    vectors = torch.linalg.eigh(tall.T @ tall).eigenvectors[:, -rank:]  # of the largest singular values
    factor = tall @ vectors  # (the longer side, rank)
    size = factor.norm(dim=0).clamp_min(torch.finfo(torch.float32).tiny).sqrt()  # shared by both factors
    pair = factor / size, (vectors * size).T
    left, right = (pair[1].T, pair[0].T) if wide else pair
    return {name + LEFT: left, name + RIGHT: right}


def _coded(numbers: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    """Codes and scales of numbers, compressed: bytes each.

    A group's scale is the one with the least squared error for its codes.
    """
    flat = numbers.flatten()
    groups = F.pad(flat, (0, -flat.numel() % GROUP)).view(-1, GROUP)
    tiny, largest = torch.finfo(torch.float32).tiny, LARGEST[bits]
    codes = (groups / (groups.abs().amax(1, keepdim=True) / largest).clamp_min(tiny)).round().clamp(-largest, largest)
    scales = (groups * codes).sum(1) / codes.square().sum(1).clamp_min(1)
    bytes_of_scales = scales.bfloat16().view(torch.uint8).view(-1, 2).T  # like beside like
    return _squeezed(_joined(codes.numpy().astype(np.int8), largest)), _squeezed(bytes_of_scales.numpy())


def _decoded(stored: dict[str, Tensor], name: str, shape: tuple[int, int], bits: int) -> Tensor:
    """The numbers of a matrix of that shape. Raises `ArtifactError` where the bytes are of another."""
    largest, count = LARGEST[bits], shape[0] * shape[1]
    groups = -(-count // GROUP)
    told = _spread(stored, name + SCALES, 2 * groups)
    scales = torch.from_numpy(told.reshape(2, -1).T.copy()).view(torch.bfloat16).float()
    codes = _parted(_spread(stored, name + CODES, -(-groups * GROUP // _codes_a_byte(largest))), largest)
    numbers = torch.from_numpy(codes[: groups * GROUP]).float().view(-1, GROUP) * scales
    return numbers.flatten()[:count].view(shape)


def _codes_a_byte(largest: int) -> int:
    count = 1
    while (2 * largest + 1) ** (count + 1) <= 256:
        count += 1
    return count


def _joined(codes: np.ndarray, largest: int) -> np.ndarray:
    """int8 codes -> as many of them a byte as go into one, as digits of a number."""
    digits: np.ndarray = (codes.ravel() + largest).astype(np.uint8)
    count, base = _codes_a_byte(largest), 2 * largest + 1
    digits = np.pad(digits, (0, -len(digits) % count)).reshape(-1, count)
    joined = np.zeros(len(digits), np.uint8)
    for place in range(count):
        joined *= np.uint8(base)
        joined += digits[:, place]
    return joined


def _parted(joined: np.ndarray, largest: int) -> np.ndarray:
    """What `_joined` was given, int8, perhaps with some more at the end."""
    count, base = _codes_a_byte(largest), 2 * largest + 1
    values = np.arange(256)
    table = np.stack([values // base ** (count - 1 - place) % base - largest for place in range(count)], 1)
    codes: np.ndarray = table.astype(np.int8)[joined].ravel()
    return codes


def _squeezed(numbers: np.ndarray) -> Tensor:
    """Huffman codes alone: what training changed has no repetitions worth looking for."""
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS, 9, zlib.Z_HUFFMAN_ONLY)
    return torch.frombuffer(bytearray(packer.compress(numbers.tobytes()) + packer.flush()), dtype=torch.uint8)


def _spread(stored: dict[str, Tensor], name: str, size: int) -> np.ndarray:
    """The `size` bytes that were compressed. Never more are made, whatever a file holds."""
    packed = stored.get(name)
    if packed is None or packed.dtype != torch.uint8 or packed.ndim != 1:
        raise _unfit(name)
    unpacker = zlib.decompressobj()
    try:
        spread = unpacker.decompress(packed.numpy().tobytes(), size)
    except zlib.error as error:
        raise _unfit(name) from error
    if len(spread) != size or unpacker.decompress(unpacker.unconsumed_tail, 1):
        raise _unfit(name)
    return np.frombuffer(spread, np.uint8)
