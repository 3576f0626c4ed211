"""A prefix as a file that llama.cpp loads beside the same GGUF: the state of a sequence of P tokens.

What llama.cpp keeps of the tokens it has read, keys and values, it can save and load (`llama_state_seq_load_file`; its
server's slots). A learned prefix is written as such a state, with a placeholder token at each of its positions: a
prompt starts with those P tokens, llama.cpp finds them read already, and goes on behind the prefix. The file says its
version, and llama.cpp refuses any but its own; `CHECKED` has the versions written here, and what each was checked with.

All numbers little-endian. i32, u32, u64; rows are kv_heads * head_dim numbers of `Kind.number`.

    u32 "ggsq"   u32 version   u32 P   P x i32 tokens
    u32 streams, 1             u32 cells, P
    P x ( i32 position         u32 sequences, 1     i32 sequence, 0 )
    u32 values transposed, 1   u32 layers            in version 4: 2 x u32, 0
    layers x ( i32 type        u64 bytes of a row   P rows of keys )
    layers x ( i32 type        u32 bytes of a number, u32 numbers of a row, and for each of them its P values )

Keys are those after rotation, at positions 0 to P - 1. llama.cpp keeps the numbers of a head in pairs (i, i + 1) where
`transformers` has halves (i, i + head_dim / 2); values lie alike in both.
"""

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from prefix_core.errors import ArtifactError, InputError
from prefix_core.model.base import Base
from prefix_core.model.prefix import Prefix

CHECKED = {3: "llama-cpp-python 0.3.36", 4: "the server of llama.cpp b11549, by xllamacpp 2026.10.11549"}
VERSION = 3  # of llama-cpp-python as it is now
MAGIC = 0x67677371
SPARE = {3: b"", 4: bytes(8)}  # version -> what stands before the keys
ARCHITECTURE = "llama"  # llama.cpp lays the keys of others out in other ways


@dataclass(frozen=True)
class Kind:
    """How llama.cpp keeps a number: its name for `type_k` and `type_v`, its code, and what numpy calls it."""

    code: int
    number: np.dtype


KINDS = {"f32": Kind(0, np.dtype("<f4")), "f16": Kind(1, np.dtype("<f2"))}


def fits(base: Base) -> bool:
    """Whether a prefix on this base can be written for llama.cpp."""
    return str(base.config.model_type) == ARCHITECTURE


def export(path: Path, base: Base, prefix: Prefix, kind: str = "f32", version: int = VERSION) -> int:
    """Write a prefix for llama.cpp with `type_k` and `type_v` of `kind` and flash attention off; returns the bytes.

    version: of llama.cpp's file, one of `CHECKED`.

    Raises `InputError` for a base that llama.cpp reads in another way, and `ArtifactError` for a prefix that it has no
    place for or whose numbers `kind` does not hold.
    """
    if not fits(base):
        raise InputError(
            f"base {base.name!r} is of architecture {base.config.model_type!r}; for llama.cpp a prefix can be written "
            "on a Llama alone, such as 'smollm2'"
        )
    if prefix.infix:
        raise ArtifactError("an infix stands behind the input, so it is no state that an input can follow")
    data = state_bytes(prefix.check(base.shape), base.end, KINDS[kind], version)
    path.write_bytes(data)
    return len(data)


def state_bytes(prefix: Prefix, token: int, kind: Kind, version: int = VERSION) -> bytes:
    """The file's bytes; `token` stands at each of the prefix's positions."""
    layers, length, kv_heads, head_dim = prefix.keys.shape
    width, size = kv_heads * head_dim, kind.number.itemsize
    keys, values = _numbers(in_pairs(prefix.keys), kind), _numbers(prefix.values, kind)
    parts = [struct.pack(f"<III{length}i", MAGIC, version, length, *[token] * length), struct.pack("<II", 1, length)]
    parts += [struct.pack("<iIi", position, 1, 0) for position in range(length)]
    parts += [struct.pack("<II", 1, layers), SPARE[version]]
    for layer in range(layers):
        parts += [struct.pack("<iQ", kind.code, width * size), keys[layer].tobytes()]
    for layer in range(layers):
        parts += [struct.pack("<iII", kind.code, size, width), values[layer].reshape(length, width).T.tobytes()]
    return b"".join(parts)


def read_state(path: Path, base: Base) -> Prefix:
    """The prefix in a file that `export` wrote, as `base` keeps it.

    Raises `ArtifactError` for another version of the file, or what is not such a file on this base.
    """
    data = path.read_bytes()
    try:
        return _read(data, base).check(base.shape)
    except (struct.error, ValueError) as error:
        raise ArtifactError(f"{path.name} is no prefix for llama.cpp on base {base.name!r}: {error}") from error


def _read(data: bytes, base: Base) -> Prefix:
    shape = base.shape
    layers, width = shape.layers, shape.kv_heads * shape.head_dim
    at = 0

    def take(layout: str) -> tuple[int, ...]:
        nonlocal at
        found = struct.unpack_from("<" + layout, data, at)
        at += struct.calcsize("<" + layout)
        return found

    def block(kind: Kind, length: int) -> Tensor:
        nonlocal at
        found = np.frombuffer(data, kind.number, width * length, at)
        at += found.nbytes
        return torch.from_numpy(found.astype(np.float32))

    magic, version, length = take("III")
    if magic != MAGIC:
        raise ValueError("it does not begin as llama.cpp's state of a sequence does")
    if version not in CHECKED:
        read = " and ".join(f"{version} ({by})" for version, by in CHECKED.items())
        raise ValueError(f"its version is {version}; read are {read}")
    take(f"{length}i")
    cells = [(1, length), *[(position, 1, 0) for position in range(length)], (1, layers)]
    if [take("II"), *[take("iIi") for _ in range(length)], take("II")] != cells:
        raise ValueError(f"it is not the state of one sequence of {layers} layers with transposed values")
    at += len(SPARE[version])
    keys, values = [], []
    (code,) = struct.unpack_from("<i", data, at)
    kind = next((kind for kind in KINDS.values() if kind.code == code), None)
    if kind is None:
        raise ValueError(f"its keys are of type {code}; {' and '.join(KINDS)} are read")
    for _ in range(layers):
        if take("iQ") != (kind.code, width * kind.number.itemsize):
            raise ValueError(f"its keys are not all of one type, {width} numbers a row")
        keys.append(block(kind, length).view(length, shape.kv_heads, shape.head_dim))
    for _ in range(layers):
        if take("iII") != (kind.code, kind.number.itemsize, width):
            raise ValueError("its values are not of the keys' type and width")
        values.append(block(kind, length).view(width, length).T.reshape(length, shape.kv_heads, shape.head_dim))
    if at != len(data):
        raise ValueError(f"{len(data) - at} bytes too many")
    return Prefix(in_halves(torch.stack(keys)), torch.stack(values))


def in_pairs(keys: Tensor) -> Tensor:
    """Heads' numbers from halves to pairs, (..., head_dim): i and i + head_dim / 2 become 2i and 2i + 1."""
    paired: Tensor = keys.unflatten(-1, (2, -1)).transpose(-1, -2)
    return paired.flatten(-2)


def in_halves(keys: Tensor) -> Tensor:
    """And back."""
    halved: Tensor = keys.unflatten(-1, (-1, 2)).transpose(-1, -2)
    return halved.flatten(-2)


def _numbers(tensor: Tensor, kind: Kind) -> np.ndarray:
    numbers = tensor.detach().cpu().float().numpy()
    with np.errstate(over="ignore"):
        cast = np.ascontiguousarray(numbers.astype(kind.number))
    if not np.isfinite(cast).all():
        raise ArtifactError(f"the prefix has numbers up to {np.abs(numbers).max():.3g}, more than f16 holds: use f32")
    return cast
