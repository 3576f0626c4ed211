"""PEFT's format: the model that `transformers` runs and ours write the same; what is wrong with a folder is said."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from peft import PeftModel, PrefixTuningConfig, TaskType, get_peft_model
from safetensors.torch import load_file, save_file

from prefix_core.artifacts import artifacts
from prefix_core.artifacts.peft_format import PEFT_CONFIG, PEFT_WEIGHTS, last_part, save_peft
from prefix_core.errors import ArtifactError
from prefix_core.methods.start import random_start
from prefix_core.model.base import Base
from prefix_core.model.loading import load_base
from prefix_core.tasks.task import Task
from prefix_core.writing.generate import Decoding, Request, write
from tests.conftest import make_gpt2

TOKENS = 12


@pytest.fixture(scope="module")
def smollm2(default_base: Base) -> Base:
    return default_base


def random_prefix(base: Base, length: int = 5) -> dict[str, torch.Tensor]:
    keys, values = random_start(base.shape, length, torch.Generator().manual_seed(0))
    return {"keys": 0.3 * keys, "values": 0.3 * values}


def by_peft(model: PeftModel, base: Base, text: str) -> str:
    ids = torch.tensor([base.encode(text)])
    out = model.generate(
        input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=TOKENS, do_sample=False,
        pad_token_id=base.end, eos_token_id=sorted(base.ends),
    )  # fmt: skip
    return base.decode(out[0, ids.shape[1] :].tolist())


def by_us(base: Base, folder: Path, task: Task) -> str:
    steered, _ = artifacts.load(folder, base)
    return write(base, [Request(steered, task, task.pool()[0].source)], Decoding(max_new_tokens=TOKENS))[0]


def test_peft_loads_ours_on_the_base_read_from_its_file(smollm2: Base, e2e: Task, tmp_path: Path) -> None:
    save_peft(tmp_path, smollm2, random_prefix(smollm2))
    theirs = PeftModel.from_pretrained(smollm2.to_transformers(), tmp_path)
    text = by_peft(theirs, smollm2, e2e.prompt(e2e.pool()[0].source))
    assert e2e.finish(text) == by_us(smollm2, tmp_path, e2e)


@pytest.mark.parametrize("projection", [False, True])
def test_we_load_what_peft_trained_on_that_base(smollm2: Base, e2e: Task, projection: bool, tmp_path: Path) -> None:
    torch.manual_seed(3)
    config = PrefixTuningConfig(
        task_type=TaskType.CAUSAL_LM, num_virtual_tokens=4, prefix_projection=projection, encoder_hidden_size=32,
        num_attention_heads=smollm2.shape.kv_heads, token_dim=smollm2.shape.kv_heads * smollm2.shape.head_dim,
    )  # fmt: skip
    theirs = get_peft_model(smollm2.to_transformers(), config).eval()
    theirs.save_pretrained(tmp_path)
    text = by_peft(theirs, smollm2, e2e.prompt(e2e.pool()[0].source))
    assert e2e.finish(text) == by_us(smollm2, tmp_path, e2e)


def test_the_last_part_of_a_name_is_found_in_every_systems_paths() -> None:
    paths = {
        "gpt2": "gpt2",
        "openai-community/gpt2": "gpt2",
        "C:\\Users\\me\\models\\GPT2\\": "gpt2",
        "/home/me/models/gpt2/": "gpt2",
        "~/.cache/huggingface/hub/models--openai-community--gpt2/snapshots/607a30d783dfa6": "gpt2",
        "D:\\hub\\models--gpt2\\snapshots\\607a30d": "gpt2",
        "": "",
    }
    assert {path: last_part(path) for path in paths} == paths


@pytest.fixture
def changed(tiny: Base, tmp_path: Path) -> Callable[..., Path]:
    """A good folder of PEFT's with some keys of its configuration changed."""
    good = tmp_path / "good"
    good.mkdir()
    save_peft(good, tiny, random_prefix(tiny))

    def make(encoding: str = "utf-8", **keys: object) -> Path:
        folder = tmp_path / f"changed {len(list(tmp_path.iterdir()))}"
        shutil.copytree(good, folder)
        config = json.loads((folder / PEFT_CONFIG).read_text(encoding="utf-8"))
        (folder / PEFT_CONFIG).write_text(json.dumps(config | keys), encoding=encoding)
        return folder

    return make


def test_keys_we_do_not_know_and_a_byte_order_mark_are_no_hindrance(tiny: Base, changed: Callable[..., Path]) -> None:
    folder = changed("utf-8-sig", peft_version="9.9", a_setting_of_tomorrow={"x": [1]}, auto_mapping=None)
    steered, _ = artifacts.load(folder, tiny)
    assert steered.prefix is not None and torch.equal(steered.prefix.keys, random_prefix(tiny)["keys"])


def test_another_number_of_virtual_tokens_is_refused(tiny: Base, changed: Callable[..., Path]) -> None:
    with pytest.raises(ArtifactError, match=r"num_virtual_tokens 6, but .* holds a prefix of 5"):
        artifacts.load(changed(num_virtual_tokens=6), tiny)


def test_a_pickled_prefix_alone_is_not_opened(tiny: Base, changed: Callable[..., Path]) -> None:
    folder = changed()
    torch.save(load_file(folder / PEFT_WEIGHTS), folder / "adapter_model.bin")
    assert artifacts.load(folder, tiny)[0].prefix is not None  # beside the other it is left alone
    (folder / PEFT_WEIGHTS).unlink()
    with pytest.raises(ArtifactError, match="a pickled file: such a file can run any code"):
        artifacts.load(folder, tiny)


def test_a_base_of_the_same_shapes_takes_it_where_that_is_allowed(
    tiny: Base, changed: Callable[..., Path], tmp_path: Path
) -> None:
    twin_folder = make_gpt2(tmp_path / "twin")
    weights = load_file(twin_folder / "model.safetensors")
    save_file(
        {name: 1.01 * tensor for name, tensor in weights.items()}, twin_folder / "model.safetensors", {"format": "pt"}
    )
    twin = load_base(str(twin_folder))
    ours, kept = tmp_path / "ours", random_prefix(tiny)
    card = artifacts.Card(tiny.name, tiny.weights_hash, tiny.parameters, "e2e", "prefix")
    artifacts.save(ours, tiny, kept, card)
    for folder in (ours, changed(base_model_name_or_path="somebody/other-model")):
        with pytest.raises(ArtifactError, match="--allow-other-weights"):
            artifacts.load(folder, twin)
        steered, _ = artifacts.load(folder, twin, allow_other_weights=True)
        assert steered.prefix is not None and torch.equal(steered.prefix.values, kept["values"])
    assert artifacts.load(ours, twin, allow_other_weights=True)[1].loaded_on == {
        "base": twin.name, "hash": twin.weights_hash,
    }  # fmt: skip
    assert artifacts.load(ours, tiny, allow_other_weights=True)[1].loaded_on == {}
    larger = load_base(str(make_gpt2(tmp_path / "larger", layers=3)))
    with pytest.raises(ArtifactError, match="this base needs one prompt_embeddings"):
        artifacts.load(ours, larger, allow_other_weights=True)
