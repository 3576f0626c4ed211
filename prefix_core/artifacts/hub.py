"""Artifacts on the Hugging Face Hub: one is published with a model card made from its own, and loaded as `hf:NAME`."""

import shutil
from pathlib import Path
from typing import Any

import huggingface_hub
from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

from prefix_core.artifacts.artifacts import CARD, read_card, tensor_files
from prefix_core.artifacts.model_card import README, SCHEME, model_card
from prefix_core.artifacts.peft_format import PEFT_CONFIG, PEFT_WEIGHTS
from prefix_core.errors import ArtifactError
from prefix_core.model.hub import hub_answers

FILES = [CARD, PEFT_CONFIG, PEFT_WEIGHTS, "weights*.safetensors", "weights*.index.json"]
LARGEST = 4 << 30  # bytes of an artifact from the Hub
UNREACHED = (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError)


def located(artifact: str) -> Path:
    """The folder of an artifact: itself, or of `hf:OWNER/NAME` the files that are an artifact's, fetched once.

    Raises `ArtifactError` if it cannot be had. What is in it is checked when it is loaded, as any file from outside.
    """
    if not artifact.startswith(SCHEME):
        return Path(artifact)
    name = artifact.removeprefix(SCHEME)
    offline = not hub_answers()
    try:
        if not offline:
            _refuse_large(name)
        folder = Path(snapshot_download(name, allow_patterns=FILES, local_files_only=offline))
    except UNREACHED as error:
        where = huggingface_hub.constants.ENDPOINT
        reason = (
            f"{where} does not answer, and it was not downloaded before" if offline else " ".join(str(error).split())
        )
        raise ArtifactError(f"{artifact!r} could not be had: {reason[:300]}") from error
    if not tensor_files(folder):
        raise ArtifactError(f"{artifact!r} holds no artifact: none of {', '.join(FILES)}")
    return folder


def _refuse_large(name: str) -> None:
    listed = HfApi().model_info(name, files_metadata=True).siblings or []
    size = sum(file.size or 0 for file in listed if Path(file.rfilename).name == file.rfilename)
    if size > LARGEST:
        raise ArtifactError(f"{SCHEME}{name} has {size:,} bytes; an artifact has at most {LARGEST:,}")


def prepare(folder: Path, repo: str, out: Path) -> list[Path]:
    """Write into `out` what is to be pushed: the artifact's files and a model card. Returns the files.

    Raises `ArtifactError` if `folder` holds no artifact that training wrote.
    """
    card, tensors = read_card(folder), tensor_files(folder)
    if not tensors:
        raise ArtifactError(f"{folder} holds a card, but no tensors; choose a folder that training wrote")
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for path in [folder / CARD, *tensors, *folder.glob("weights*.index.json"), *folder.glob(PEFT_CONFIG)]:
        shutil.copyfile(path, out / path.name)
        written.append(out / path.name)
    (out / README).write_text(model_card(card, SCHEME + repo), encoding="utf-8")
    return [*written, out / README]


def push(out: Path, repo: str, private: bool) -> str | None:
    """Push a prepared folder; returns its address, or None where the Hub does not answer.

    Raises `ArtifactError` with the Hub's reason if it refuses (no token, a name that is not yours).
    """
    if not hub_answers():
        return None
    try:
        api = HfApi()
        address = api.create_repo(repo, private=private, exist_ok=True)
        patterns = [*FILES, README]
        api.upload_folder(repo_id=repo, folder_path=out, allow_patterns=patterns, commit_message="Publish")
    except UNREACHED as error:
        reason = " ".join(str(error).split())[:300]
        raise ArtifactError(
            f"{repo!r} could not be pushed: {reason}; 'hf auth login' keeps a token that may"
        ) from error
    return str(address)


def sizes(written: list[Path]) -> list[dict[str, Any]]:
    """What would be pushed: names and bytes."""
    return [{"file": path.name, "bytes": path.stat().st_size} for path in written]
