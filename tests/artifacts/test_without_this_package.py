"""The lines of docs/without-this-package.md, run as they stand, give the network that we write with."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from prefix_core.artifacts import artifacts
from prefix_core.methods import TRAINED
from prefix_core.methods.method import Steered
from prefix_core.methods.settings import TUNED
from prefix_core.model import smollm2
from prefix_core.model.base import Base
from prefix_core.writing.search import Decoding, Row, Search

DOCS = Path(__file__).parents[2] / "docs" / "without-this-package.md"
TEXT = "name : Blue Spice | Type : coffee shop | area : city centre\n"
TOKENS = 8


@pytest.fixture(scope="module")
def base(default_base: Base) -> Base:
    return default_base


def saved(base: Base, method: str, folder: Path) -> Steered:
    """Weights moved far at random, saved and loaded by us."""
    torch.manual_seed(0)
    kept = TRAINED[method].start(base, TUNED[method]).kept()
    kept = {name: tensor + 0.02 * torch.randn(tensor.shape) for name, tensor in kept.items()}
    card = artifacts.Card(base.name, base.weights_hash, base.parameters, "e2e", method)
    artifacts.save(folder, base, kept, card)
    return artifacts.load(folder, base)[0]


@pytest.mark.parametrize(("method", "block"), [("adapter", 1), ("top_layers", 2)])
def test_the_lines_give_the_same_tokens(
    base: Base, method: str, block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steered = saved(base, method, tmp_path / f"my-{method.replace('_', '-')}")
    (tmp_path / smollm2.FILE).symlink_to(smollm2.find(None))
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(blocks[0] + blocks[block], names)
    row = Row(base.encode(TEXT), None, TOKENS, frozenset(), steered.network)
    search = Search(base, [row], Decoding())
    while search.alive:
        search.advance()
    ids = torch.tensor([base.encode(TEXT)])
    out = names["model"].generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=TOKENS, do_sample=False, pad_token_id=base.end,
        eos_token_id=sorted(base.ends),
    )[0, ids.shape[1] :].tolist()  # fmt: skip
    ends = [place for place, token in enumerate(out) if token in base.ends]
    assert out[: ends[0] if ends else None] == row.written
