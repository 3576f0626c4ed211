"""Where the program keeps what comes with it, and its bases. Imports nothing heavy: the page is up before torch is."""

import os
from pathlib import Path

PACKAGE = Path(__file__).parent
_ROOT = PACKAGE.parent
ASSETS = _ROOT / "assets"
EVIDENCE = ASSETS / "evidence"  # of the default base; of others in folders there
DEFAULT_BASE = "smollm2"
SHIPPED = _ROOT / "trained_prefixes"  # artifacts; PREFIX_ARTIFACTS names another folder


def folder_name(base: str) -> str:
    """What the folders of a base's things are called."""
    return base.replace("/", "--").strip("-.")


def evidence_of(base: str, root: Path = EVIDENCE) -> Path:
    """Where what is measured on a base lies."""
    return root if base == DEFAULT_BASE else root / folder_name(base)


def named_bases() -> list[str]:
    """The bases that PREFIX_BASE names, with commas between several; the first is the one taken where one is needed."""
    names = os.environ.get("PREFIX_BASE", "").split(",")
    return list(dict.fromkeys(filter(None, map(str.strip, names)))) or [DEFAULT_BASE]
