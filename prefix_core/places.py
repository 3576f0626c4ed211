"""Where things are: what comes with the program, bases, the Hub. Imports nothing heavy: the page is up before torch."""

import os
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent
_ROOT = PACKAGE.parent
ASSETS = _ROOT / "assets"
EVIDENCE = ASSETS / "evidence"  # of the default base; of others in folders there
DEFAULT_BASE = "smollm2"
HUB_SECONDS = 5.0  # in which the Hub answers, or counts as out of reach
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


@cache
def hub_answers() -> bool:
    """Whether the Hugging Face Hub can be reached: asked once, where its client would ask five times for every file."""
    from huggingface_hub import constants  # heavy
    from huggingface_hub.utils import get_session

    try:
        get_session().head(constants.ENDPOINT, timeout=HUB_SECONDS)
    except Exception:  # of whatever HTTP client the library uses, or because it is told to stay offline
        return False
    return True
