"""An artifact on its way to others: the README that goes with it, a zip to pass around, and the Hugging Face Hub.

The README is made from the artifact's card: what it is, where it comes from, how it is loaded, how it is trained again.
A zip holds a prefix: PEFT's two files, our card, and the README. One from outside is read into memory by fixed names
and never unpacked under names of its own; sizes are checked before and while reading; `artifacts.load` checks the
tensors, and nothing is unpickled. On the Hub an artifact is published with its README, and loaded as `hf:NAME`.
"""

import lzma
import shutil
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from shlex import quote
from typing import Any

import huggingface_hub
from huggingface_hub import HfApi, ModelCardData, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

from prefix_core.artifacts.artifacts import CARD, WHOLE_LAYERS, Card, load, read_card, save, tensor_files
from prefix_core.artifacts.peft_format import PEFT_CONFIG, PEFT_WEIGHTS
from prefix_core.errors import ArtifactError, saving
from prefix_core.methods.method import Steered
from prefix_core.model import smollm2
from prefix_core.model.base import Base
from prefix_core.model.prefix import Prefix
from prefix_core.places import DEFAULT_BASE, hub_answers
from prefix_core.tasks.custom import NAME as CUSTOM

SCHEME = "hf:"  # before the name of an artifact on the Hub
README = "README.md"
PARTS = {PEFT_WEIGHTS: 64_000_000, PEFT_CONFIG: 100_000, CARD: 1_000_000}  # of a zip: name -> bytes at most
MOST_MEMBERS = 20
FILES = [CARD, PEFT_CONFIG, PEFT_WEIGHTS, "weights*.safetensors", "weights*.index.json"]  # on the Hub
LARGEST = 4 << 30  # bytes of an artifact from the Hub
UNREACHED = (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError)


def model_card(card: Card, artifact: str) -> str:
    """The README.md that goes with an artifact, from what its own card says; also the Hub's.

    artifact: a folder's name, or `hf:OWNER/NAME`, by which it is loaded.
    """
    base = base_on_the_hub(card.base)
    called = base or Path(card.base).name
    peft = card.method == "prefix" and card.settings.get("variant") != "infix"
    tags = ["prefix-tuning" if card.method == "prefix" else card.method.replace("_", "-"), card.task]
    data = ModelCardData(
        base_model=base, library_name="peft" if peft else None, pipeline_tag="text-generation", tags=tags
    )
    share = 100 * card.kept / card.base_parameters
    lines = [
        f"---\n{data.to_yaml()}\n---",
        f"# {artifact.removeprefix(SCHEME).split('/')[-1]}",
        f"A {card.method.replace('_', ' ')} for the task `{card.task}` on the frozen base `{called}`: {card.kept:,} "
        f"parameters, {share:.2f}% of the base's, {card.bytes:,} bytes.",
        "## Base\n",
        f"{called}, {card.base_parameters:,} parameters; hash of its weights `{card.base_hash}`. On a base "
        "with other weights it writes something else.",
        "## Learned from\n",
        _facts(card.data),
        f"{card.steps} steps, {card.seconds:.0f} s, {card.created}; held-out loss {card.held_out_loss}. Settings:\n",
        _facts(card.settings),
        "## Scores\n",
        _scores(card.scores),
        "## Load\n",
        _loading(card, artifact, base, peft),
        "## Train it again\n",
        f"```sh\n{train_command(card, artifact)}\n```",
    ]
    return "\n\n".join(line.rstrip("\n") for line in lines) + "\n"


def train_command(card: Card, artifact: str) -> str:
    """The command that repeats the training: the same data, settings and seed."""
    custom = card.task == CUSTOM
    options = {
        "base": card.base,
        "task": card.task,
        "template": card.data.get("template") if custom else None,
        "target": card.data.get("target") if custom else None,
        "method": card.method,
        "data": card.data.get("file") or card.data.get("name") or "ROWS",
        "seed": card.settings.get("seed"),
        "like": artifact,
        "out": "again",
    }
    given = " ".join(f"--{name} {quote(str(value))}" for name, value in options.items() if value is not None)
    return f"python -m prefix_core train {given}"


def base_on_the_hub(base: str) -> str | None:
    """The Hub's name of a base; None of one in a folder."""
    if base == DEFAULT_BASE:
        return smollm2.REPOSITORY
    return None if Path(base).exists() or base.count("/") > 1 or "\\" in base else base


def _facts(facts: dict[str, Any]) -> str:
    return "\n".join(f"- {name}: {value}" for name, value in facts.items() if value not in (None, "")) or "Not told."


def _scores(scores: dict[str, Any]) -> str:
    """A table a set; intervals beside their scores."""
    tables = []
    for name, found in scores.items():
        if not isinstance(found, dict):
            continue
        interval = found.get("interval") or {}
        rows = [
            f"| {score} | {value} | {' to '.join(map(str, interval[score])) if score in interval else ''} |"
            for score, value in found.items()
            if isinstance(value, (int, float))
        ]
        tables.append("\n".join([f"On `{name}`:\n", "| score | value | 95% |", "|---|---|---|", *rows]))
    return "\n\n".join(tables) or "Not scored."


def _loading(card: Card, artifact: str, base: str | None, peft: bool) -> str:
    command = f"python -m prefix_core generate --task {card.task} --method {card.method} --artifact {quote(artifact)}"
    parts = [f"```sh\n{command} --base {quote(card.base)} --text INPUT\n```"]
    if peft and base:
        file = f', gguf_file="{smollm2.FILE}"' if base == smollm2.REPOSITORY else ""
        parts.append(
            "Or with PEFT alone:\n\n```python\nfrom peft import PeftModel\n"
            "from transformers import AutoModelForCausalLM\n\n"
            f'model = AutoModelForCausalLM.from_pretrained("{base}"{file})\n'
            f'model = PeftModel.from_pretrained(model, "{artifact.removeprefix(SCHEME)}")\n```'
        )
    if card.method in WHOLE_LAYERS:
        parts.append("Its matrices are packed differences from the base's.")
    return "\n\n".join(parts)


def write_zip(path: Path, base: Base, prefix: Prefix, card: Card) -> Path:
    """Write a prefix of `base` to `path` and return the path. PEFT reads the unpacked files; the README says how.

    Raises `DiskError`.
    """
    with saving("The prefix's file"):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            save(Path(folder), base, {"keys": prefix.keys, "values": prefix.values}, card)
            for name in PARTS:
                archive.write(Path(folder) / name, f"{path.stem}/{name}")
            archive.writestr(f"{path.stem}/{README}", model_card(read_card(Path(folder)), path.stem))
    return path


def read_zip(path: Path, base: Base) -> tuple[Steered, Card]:
    """What `write_zip` wrote, checked. Raises `ArtifactError` saying what does not fit."""
    parts = _read_parts(path)
    with saving(f"What {path.name} holds"), tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "prefix"
        folder.mkdir()
        for name, content in parts.items():
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
