"""The commands that take an artifact elsewhere: to llama.cpp, to the Hugging Face Hub."""

import argparse
import sys
from pathlib import Path

from huggingface_hub import constants

from prefix_core.artifacts import artifacts, llama_cpp, share
from prefix_core.artifacts.share import SCHEME
from prefix_core.cli import options
from prefix_core.cli.options import named_base, show
from prefix_core.errors import InputError


def run_export(asked: argparse.Namespace) -> None:
    base, out = named_base(asked), Path(asked.out)
    steered, card = artifacts.load(share.located(asked.artifact), base, asked.allow_other_weights)
    if steered.prefix is None:
        raise InputError(f"{asked.artifact} holds a {card.method}; llama.cpp loads a prefix alone")
    size = llama_cpp.export(out, base, steered.prefix, asked.type, asked.state_version)
    llama_cpp.read_state(out, base)
    length, token = steered.prefix.length, base.tokenizer.convert_ids_to_tokens(base.end)
    print(
        f"wrote {out}: {size:,} bytes, a prefix of {length} for llama.cpp with its cache in {asked.type} and flash "
        f"attention off (checked with {llama_cpp.CHECKED[asked.state_version]}); a prompt starts with {length} times "
        f"{token}: see docs/llama-cpp.md",
        file=sys.stderr,
    )


def run_publish(asked: argparse.Namespace) -> None:
    folder = Path(asked.artifact)
    out = Path(asked.out) if asked.out else folder.with_name(f"{folder.name}-hub")
    files = share.sizes(share.prepare(folder, asked.repo, out))
    address = share.push(out, asked.repo, asked.private)
    lines = [f"{file['file']:<28} {file['bytes']:>12,} bytes" for file in files]
    if address is None:
        lines.append(
            f"{constants.ENDPOINT} does not answer: nothing was pushed. {out} holds what would be pushed to "
            f"{asked.repo}; with network: hf upload {asked.repo} {out}"
        )
    else:
        lines.append(f"pushed to {address}; load it with --artifact {SCHEME}{asked.repo}")
    show(asked, {"folder": str(out), "files": files, "address": address}, "\n".join(lines))


def add(commands: options.Commands) -> None:
    command = commands.add("export", "write a prefix for another program: llama.cpp")
    options.add_base(command)
    command.add_argument("--to", required=True, choices=["llama.cpp"], help="the program")
    command.add_argument("--artifact", required=True, help=options.ARTIFACT_HELP)
    command.add_argument("--out", required=True, help="the file to write, such as my-prefix.state")
    command.add_argument(
        "--type", default="f32", choices=llama_cpp.KINDS,
        help="how llama.cpp keeps keys and values, its type_k and type_v (default: %(default)s)",
    )  # fmt: skip
    versions = "; ".join(f"{version}: {by}" for version, by in llama_cpp.CHECKED.items())
    command.add_argument(
        "--state-version", type=int, default=llama_cpp.VERSION, choices=llama_cpp.CHECKED,
        help=f"of llama.cpp's file ({versions}; default: %(default)s)",
    )  # fmt: skip
    options.add_other_weights(command)
    command.set_defaults(run=run_export, device="cpu", dtype="fp32")

    command = commands.add("publish", "push an artifact to the Hugging Face Hub, with a model card")
    command.add_argument("--artifact", required=True, help="a folder that training wrote")
    command.add_argument("--repo", required=True, help="its name on the Hub: OWNER/NAME")
    command.add_argument("--out", help="where what is pushed is written first (default: beside it, ARTIFACT-hub)")
    command.add_argument("--private", action="store_true", help="for yourself alone")
    options.add_json(command)
    command.set_defaults(run=run_publish)
