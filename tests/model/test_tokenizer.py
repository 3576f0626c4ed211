"""The tokenizer read from the base's file gives the ids that llama.cpp gives for the same file.

`llama_cpp_tokens.json` holds texts of our own and their ids, written once by llama-cpp-python 0.3.36 with
`Llama(file, vocab_only=True).tokenize(text.encode(), add_bos=False, special=False)`.
"""

import json
from pathlib import Path

import pytest

from prefix_core.model.base import Base

FROZEN: list[tuple[str, list[int]]] = json.loads(Path(__file__).with_name("llama_cpp_tokens.json").read_text())


@pytest.fixture(scope="module")
def smollm2(default_base: Base) -> Base:
    return default_base


def test_the_ids_are_those_of_llama_cpp(smollm2: Base) -> None:
    ours = {text: smollm2.encode(text) for text, _ in FROZEN}
    assert len(ours) > 700
    assert {text: ids for text, ids in FROZEN if ours[text] != ids} == {}


def test_the_ids_make_the_text_again(smollm2: Base) -> None:
    assert {text for text, ids in FROZEN if smollm2.decode(ids) != text} == set()
