"""Loading a base: what is refused says why; bf16 keeps bf16's values."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from prefix_core.base import Base, load_base, native_bf16
from prefix_core.errors import BaseError


def test_a_folder_is_loaded_frozen_with_its_shape(tiny: Base) -> None:
    assert (tiny.shape.layers, tiny.shape.kv_heads, tiny.shape.head_dim, tiny.shape.positions) == (2, 4, 8, 512)
    assert not any(parameter.requires_grad for parameter in tiny.model.parameters())
    assert not tiny.model.training and tiny.parameters == tiny.model.num_parameters()


def test_the_weights_hash_is_of_values_not_of_files(tiny: Base, tiny_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_folder, tmp_path / "sharded")
    for old in (tmp_path / "sharded").glob("*.safetensors"):
        old.unlink()
    tiny.model.save_pretrained(tmp_path / "sharded", max_shard_size="20KB")
    assert len(list((tmp_path / "sharded").glob("*.safetensors"))) > 1
    assert load_base(str(tmp_path / "sharded")).weights_hash == tiny.weights_hash
    assert load_base(str(tiny_folder), dtype="bf16").weights_hash == tiny.weights_hash


def test_bf16_computes_with_bf16_weights(tiny: Base, tiny_folder: Path) -> None:
    base = load_base(str(tiny_folder), dtype="bf16")
    assert base.network.tokens.dtype == (torch.bfloat16 if native_bf16() else torch.float32)
    assert torch.equal(base.network.tokens.float(), tiny.network.tokens.bfloat16().float())


def test_special_tokens_in_text_are_only_text(tiny: Base) -> None:
    assert tiny.end not in tiny.encode("name : <|endoftext|>")
    assert tiny.decode(tiny.encode("Café <|endoftext|> ☕")) == "Café <|endoftext|> ☕"


def test_what_cannot_be_loaded_is_refused_with_the_reason(tiny_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BaseError, match="could not be loaded"):
        load_base(str(tmp_path / "nothing"))
    with pytest.raises(BaseError, match="choose one of fp32, bf16"):
        load_base(str(tiny_folder), dtype="int8")
    if not torch.cuda.is_available():
        with pytest.raises(BaseError, match="no CUDA"):
            load_base(str(tiny_folder), device="cuda")
    changes = {
        "bert": {"model_type": "bert"},
        "relu": {"activation_function": "relu"},
        "scaled": {"scale_attn_by_inverse_layer_idx": True},
    }
    for name, change in changes.items():
        folder = Path(shutil.copytree(tiny_folder, tmp_path / name))
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | change))
        with pytest.raises(BaseError, match=r"architecture|activation|attention"):
            load_base(str(folder))


def test_a_base_that_lacks_weights_or_is_cut_short_is_refused(tiny_folder: Path, tmp_path: Path) -> None:
    more = Path(shutil.copytree(tiny_folder, tmp_path / "more"))
    config = json.loads((more / "config.json").read_text())
    (more / "config.json").write_text(json.dumps(config | {"n_layer": 3}))
    with pytest.raises(BaseError, match="lacks weights"):
        load_base(str(more))
    other = Path(shutil.copytree(tiny_folder, tmp_path / "other"))
    (other / "config.json").write_text(json.dumps(config | {"n_embd": 64}))
    typed = Path(shutil.copytree(tiny_folder, tmp_path / "typed"))
    (typed / "config.json").write_text(json.dumps(config | {"n_layer": "x"}))
    cut = Path(shutil.copytree(tiny_folder, tmp_path / "cut"))
    (cut / "model.safetensors").write_bytes((cut / "model.safetensors").read_bytes()[:-99])
    for folder in (other, typed, cut):
        with pytest.raises(BaseError, match="could not be loaded"):
            load_base(str(folder))
    with pytest.raises(BaseError, match="banana"):
        load_base(str(tiny_folder), device="banana")
