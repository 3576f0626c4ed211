"""Where the program keeps what comes with it. Imports nothing heavy, so the page knows it before torch is there."""

from pathlib import Path

_ROOT = Path(__file__).parent.parent
ASSETS = _ROOT / "assets"
SHIPPED = _ROOT / "trained_prefixes"  # artifacts; PREFIX_ARTIFACTS names another folder
