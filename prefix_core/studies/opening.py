"""What the page opens on: a comparison for each task, and a first look inside a shipped prefix.

Used only while the weights are those they were made with. Imports no torch, so that the page can show them before the
model is loaded; `precompute` makes them.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from prefix_core.errors import InputError
from prefix_core.places import ASSETS, SHIPPED
from prefix_core.studies.view import View, from_fields, to_fields
from prefix_core.tasks import get_task
from prefix_core.writing.written import Pane

COMPARISONS = ASSETS / "examples" / "precomputed.json"
FIRST_LOOK = ASSETS / "examples" / "first_look.json"


@dataclass(frozen=True)
class Opening:
    """A comparison: one input and its panes.

    folders: the artifacts used, relative to the artifact root; weights: their `fingerprint`.
    """

    base: str
    base_hash: str
    folders: tuple[str, ...]
    weights: str
    task: str
    text: str
    panes: tuple[Pane, ...]
    machine: str
    created: str

    @property
    def source(self) -> Any:
        return get_task(self.task).parse(self.text)


def fingerprint(root: Path, folders: tuple[str, ...]) -> str:
    """SHA-256 over the artifacts' weight files; any change to one of them changes it."""
    digest = sha256()
    for folder in (root / name for name in folders):
        for path in sorted(folder.glob("*.safetensors")):
            digest.update(path.name.encode())
            digest.update(_digest(path, path.stat().st_mtime_ns))
    return digest.hexdigest()


@lru_cache(maxsize=256)
def _digest(path: Path, modified: int) -> bytes:
    """Of a file's content. `modified` is only part of the cache's key."""
    with path.open("rb") as file:
        digest = sha256()
        while block := file.read(1 << 20):
            digest.update(block)
        return digest.digest()


def save_openings(openings: Iterable[Opening], path: Path = COMPARISONS) -> None:
    by_task = {opening.task: asdict(opening) for opening in openings}
    path.write_text(json.dumps(by_task, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def load_opening(base: str, root: Path | None, task: str, path: Path = COMPARISONS) -> Opening | None:
    """What `save_openings` wrote for a task; None if it is missing, unreadable, or made with other weights."""
    try:
        fields: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))[task]
        fields["panes"] = tuple(Pane(**pane) for pane in fields["panes"])
        fields["folders"] = tuple(fields["folders"])
        opening = Opening(**fields)
        opening.source  # noqa: B018 -- the task can still read it
    except (OSError, ValueError, TypeError, KeyError, InputError):
        return None
    if opening.base != base or opening.weights != fingerprint(root or SHIPPED, opening.folders):
        return None
    return opening


@dataclass(frozen=True)
class FirstLook:
    """folder: of the prefix, relative to the artifact root; weights: its `fingerprint`; layers: of the base.

    places: where it acts in the text it wrote for the task's example (`acts.to_json`, by head); start: the words it
    began as, a token a position; label: of the example; view: the picture.
    """

    base: str
    folder: str
    weights: str
    task: str
    label: str
    machine: str
    created: str
    layers: int
    start: tuple[str, ...]
    places: list[dict[str, Any]]
    view: View


def save_first_look(look: FirstLook, path: Path = FIRST_LOOK) -> None:
    stored = {field.name: getattr(look, field.name) for field in fields(FirstLook)}
    text = json.dumps(stored | {"view": to_fields(look.view)}, ensure_ascii=False, separators=(",", ":"))
    path.write_text(text + "\n", encoding="utf-8")


def load_first_look(base: str, root: Path | None, path: Path = FIRST_LOOK) -> FirstLook | None:
    """What `save_first_look` wrote; None if it is missing, unreadable, or made with other weights."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        look = FirstLook(**stored | {"view": from_fields(stored["view"]), "start": tuple(stored["start"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None
    fits = look.base == base and look.weights == fingerprint(root or SHIPPED, (look.folder,))
    return look if fits else None
