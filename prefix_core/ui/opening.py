"""The comparison the page opens on: computed when the app is built, shown only while the weights are still the same.

Reading it needs no torch, so the page shows it before the model is loaded.
"""

import json
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from prefix_core.places import ASSETS, SHIPPED
from prefix_core.tables import Table
from prefix_core.ui.engine import base_folder
from prefix_core.ui.panes import Pane

FILE = ASSETS / "examples" / "precomputed.json"


@dataclass(frozen=True)
class Opening:
    """One table and its panes. folders: the artifacts used, below the artifact root; weights: see `fingerprint`."""

    base: str
    base_hash: str
    folders: tuple[str, ...]
    weights: str
    task: str
    table: Table
    panes: tuple[Pane, ...]
    machine: str
    created: str


def fingerprint(base: str, root: Path, folders: tuple[str, ...]) -> str:
    """SHA-256 over the weight files of the base and of the artifacts: another file, another fingerprint."""
    digest = sha256()
    for folder in (base_folder(base), *(root / name for name in folders)):
        for path in sorted(folder.glob("*.safetensors")):
            digest.update(path.name.encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def save_opening(opening: Opening, path: Path = FILE) -> None:
    path.write_text(json.dumps(asdict(opening), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_opening(base: str, root: Path | None, path: Path = FILE) -> Opening | None:
    """What `save_opening` wrote, or None where it is missing, unreadable, or of other weights than these."""
    try:
        facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        facts["table"] = tuple((attribute, value) for attribute, value in facts["table"])
        facts["panes"] = tuple(Pane(**pane) for pane in facts["panes"])
        facts["folders"] = tuple(facts["folders"])
        opening = Opening(**facts)
    except (OSError, ValueError, TypeError, KeyError):
        return None
    if opening.base != base or opening.weights != fingerprint(base, root or SHIPPED, opening.folders):
        return None
    return opening
