"""What "Look inside" opens on: a shipped prefix at work in one text, and its vectors among the tokens.

Used only while the weights are those it was made with. Imports no torch; `precompute` makes it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from prefix_core.places import ASSETS, SHIPPED
from prefix_core.studies.opening import fingerprint
from prefix_core.studies.view import View, from_fields, to_fields

FILE = ASSETS / "examples" / "first_look.json"


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


def save_first_look(look: FirstLook, path: Path = FILE) -> None:
    stored = {field.name: getattr(look, field.name) for field in fields(FirstLook)}
    text = json.dumps(stored | {"view": to_fields(look.view)}, ensure_ascii=False, separators=(",", ":"))
    path.write_text(text + "\n", encoding="utf-8")


def load_first_look(base: str, root: Path | None, path: Path = FILE) -> FirstLook | None:
    """What `save_first_look` wrote; None if it is missing, unreadable, or made with other weights."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        look = FirstLook(**stored | {"view": from_fields(stored["view"]), "start": tuple(stored["start"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None
    fits = look.base == base and look.weights == fingerprint(root or SHIPPED, (look.folder,))
    return look if fits else None
