"""A prefix as one file to pass around: a zip with PEFT's two files, our card, and a README for people.

A file from outside is read into memory by fixed names and never unpacked under names of its own; sizes are checked
before and while reading; `artifacts.load` checks the tensors, and nothing is unpickled.
"""

import lzma
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from prefix_core.artifacts.artifacts import CARD, Card, load, read_card, save
from prefix_core.artifacts.model_card import README, model_card
from prefix_core.artifacts.peft_format import PEFT_CONFIG, PEFT_WEIGHTS
from prefix_core.errors import ArtifactError
from prefix_core.methods.method import Steered
from prefix_core.model.base import Base
from prefix_core.model.prefix import Prefix

PARTS = {PEFT_WEIGHTS: 64_000_000, PEFT_CONFIG: 100_000, CARD: 1_000_000}  # name -> bytes at most
MOST_MEMBERS = 20


def write_zip(path: Path, base: Base, prefix: Prefix, card: Card) -> Path:
    """Write a prefix of `base` to `path` and return the path. PEFT reads the unpacked files; the README says how."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        save(Path(folder), base, {"keys": prefix.keys, "values": prefix.values}, card)
        for name in PARTS:
            archive.write(Path(folder) / name, f"{path.stem}/{name}")
        archive.writestr(f"{path.stem}/{README}", model_card(read_card(Path(folder)), path.stem))
    return path


def read_zip(path: Path, base: Base) -> tuple[Steered, Card]:
    """What `write_zip` wrote, checked. Raises `ArtifactError` saying what does not fit."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "prefix"
        folder.mkdir()
        for name, content in _read_parts(path).items():
            (folder / name).write_bytes(content)
        steered, card = load(folder, base)
    if card.method != "prefix" or steered.prefix is None:
        raise ArtifactError(f"{path.name} holds weights of method {card.method!r}; only a prefix can be brought here")
    if steered.prefix.length > base.shape.positions // 2:
        raise ArtifactError(
            f"{path.name}: a prefix of {steered.prefix.length} takes more than half of this base's context of "
            f"{base.shape.positions}; bring a shorter one"
        )
    return steered, card


def _read_parts(path: Path) -> dict[str, bytes]:
    """Name -> content of the files in `PARTS`. Raises `ArtifactError` if the zip holds anything else."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            if len(members) > MOST_MEMBERS:
                raise ArtifactError(f"{path.name} holds {len(members)} files; a prefix has {len(PARTS)}")
            parts: dict[str, bytes] = {}
            for member in members:
                name = PurePosixPath(member.filename).name
                if member.filename.startswith("__MACOSX/") or name == ".DS_Store":
                    continue  # what macOS adds
                if name == README:
                    continue  # for people
                if ".." in member.filename or member.filename.startswith("/") or name not in PARTS or name in parts:
                    raise ArtifactError(
                        f"{path.name} holds {member.filename[:80]!r}; a prefix has {', '.join(PARTS)}, each once"
                    )
                with archive.open(member) as file:
                    parts[name] = file.read(PARTS[name] + 1)  # whatever size the zip claims
                if len(parts[name]) > PARTS[name]:
                    raise ArtifactError(f"{path.name}: {name} has more than {PARTS[name]:,} bytes")
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, RuntimeError, EOFError) as error:
        raise ArtifactError(
            f"{path.name} is not a readable zip file ({error}); bring one that was downloaded here"
        ) from error
    if missing := [name for name in PARTS if name not in parts]:
        raise ArtifactError(
            f"{path.name} has no {missing[0]}; bring a zip that was downloaded here, with {', '.join(PARTS)}"
        )
    return parts
