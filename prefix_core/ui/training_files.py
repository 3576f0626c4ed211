"""A visitor's prefix as a file to take home and bring back: a zip of PEFT's two files and our card.

What comes from outside is read by fixed names into memory, never unpacked by its own; sizes are checked before and
while reading; the tensors are checked by `artifacts.load`, and nothing is unpickled.
"""

import lzma
import re
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from prefix_core.artifacts.artifacts import CARD, load, save
from prefix_core.artifacts.peft_format import PEFT_CONFIG, PEFT_WEIGHTS
from prefix_core.errors import ArtifactError, InputError
from prefix_core.model.base import Base
from prefix_core.tasks import task_of
from prefix_core.ui.visitors import OwnPrefix

PARTS = {PEFT_WEIGHTS: 64_000_000, PEFT_CONFIG: 100_000, CARD: 1_000_000}  # name -> bytes at most
MOST_MEMBERS = 20


def pack(own: OwnPrefix, base: Base, folder: Path) -> Path:
    """Write the prefix as a zip into `folder`; returns its path. PEFT reads what is in it."""
    prefix = own.steered.prefix
    assert prefix is not None
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{file_name(own.name)}.zip"
    with tempfile.TemporaryDirectory() as parts, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        save(Path(parts), base, {"keys": prefix.keys, "values": prefix.values}, own.card)
        for name in PARTS:
            packed.write(Path(parts) / name, f"{path.stem}/{name}")
    return path


def unpack(path: Path, base: Base) -> OwnPrefix:
    """What `pack` wrote, checked. Raises `ArtifactError` saying what does not fit."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "prefix"
        folder.mkdir()
        for name, content in _parts(path).items():
            (folder / name).write_bytes(content)
        steered, card = load(folder, base)
    if card.method != "prefix" or steered.prefix is None:
        raise ArtifactError(f"{path.name} holds weights of method {card.method!r}; only a prefix can be brought here")
    try:
        task = task_of(card.task, card.data)
    except InputError as error:
        raise ArtifactError(f"{path.name}: {error}") from None
    if steered.prefix.length > base.shape.positions // 2:
        raise ArtifactError(
            f"{path.name}: a prefix of {steered.prefix.length} takes more than half of this base's context of "
            f"{base.shape.positions}; bring a shorter one"
        )
    return OwnPrefix(path.stem[:60], task, card, steered)


def file_name(name: str) -> str:
    """A name for a file that no file system minds."""
    return re.sub(r"[^\w-]+", "-", name).strip("-")[:60] or "prefix"


def _parts(path: Path) -> dict[str, bytes]:
    """The contents of a zip by the names in `PARTS`. Raises `ArtifactError` for anything else in it."""
    try:
        with zipfile.ZipFile(path) as packed:
            members = [member for member in packed.infolist() if not member.is_dir()]
            if len(members) > MOST_MEMBERS:
                raise ArtifactError(f"{path.name} holds {len(members)} files; a prefix has {len(PARTS)}")
            found: dict[str, bytes] = {}
            for member in members:
                name = PurePosixPath(member.filename).name
                if member.filename.startswith("__MACOSX/") or name == ".DS_Store":
                    continue  # what macOS adds
                if ".." in member.filename or member.filename.startswith("/") or name not in PARTS or name in found:
                    raise ArtifactError(
                        f"{path.name} holds {member.filename[:80]!r}; a prefix has {', '.join(PARTS)}, each once"
                    )
                with packed.open(member) as file:
                    found[name] = file.read(PARTS[name] + 1)  # whatever size the zip claims
                if len(found[name]) > PARTS[name]:
                    raise ArtifactError(f"{path.name}: {name} has more than {PARTS[name]:,} bytes")
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, RuntimeError, EOFError) as error:
        raise ArtifactError(
            f"{path.name} is no readable zip file ({error}); bring one that was downloaded here"
        ) from error
    if missing := [name for name in PARTS if name not in found]:
        raise ArtifactError(
            f"{path.name} has no {missing[0]}; bring a zip that was downloaded here, with {', '.join(PARTS)}"
        )
    return found
