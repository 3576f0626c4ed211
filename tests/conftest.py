"""What the tests share: a tiny random GPT-2 with a tokenizer of its own, made anew, so that no test needs weights."""

import os
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from prefix_core.artifacts.artifacts import describe, folder_of, save
from prefix_core.methods.settings import TUNED
from prefix_core.model.base import Base
from prefix_core.model.loading import load_base
from prefix_core.studies import against_llama_cpp
from prefix_core.tasks import get_task
from prefix_core.tasks.task import Task
from prefix_core.training.train import train

TRAINED = ("prefix", "fine_tune", "top_layers")  # and no adapter: the page must say so
END = "<|endoftext|>"

if "PYTEST_XDIST_WORKER" in os.environ:  # two workers on two cores, a thread each: more would wait for one another
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs_llama_cpp: run where llama-cpp-python is at hand, named where it is not")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if against_llama_cpp.python() is None:
        left = [item for item in items if item.get_closest_marker("needs_llama_cpp")]
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in left]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if against_llama_cpp.python() is None:
        terminalreporter.write_line(
            "NOT RUN: what llama.cpp writes behind an exported prefix (tests/artifacts/test_llama_cpp.py); install "
            f"{against_llama_cpp.PACKAGE}, or name a Python that has it in {against_llama_cpp.NAMED}"
        )
    else:
        terminalreporter.write_line(f"llama.cpp's texts were compared, by {against_llama_cpp.python()}")


def make_tokenizer(folder: Path, words: int = 400) -> int:
    """A byte-level BPE learned from our own examples; returns its size."""
    e2e = get_task("e2e")
    texts = [text for example in e2e.pool() for text in (e2e.linearize(example.source), *example.references)]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=words, special_tokens=[END], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=END, eos_token=END).save_pretrained(folder)
    return tokenizer.get_vocab_size()


def make_gpt2(folder: Path, layers: int = 2, hidden: int = 32, heads: int = 4, positions: int = 512) -> Path:
    """A GPT-2 of random weights, large enough for its outputs to differ from input to input."""
    size = make_tokenizer(folder)
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=size, n_positions=positions, n_embd=hidden, n_layer=layers, n_head=heads,
        bos_token_id=0, eos_token_id=0, initializer_range=0.2, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
    )  # fmt: skip
    GPT2LMHeadModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_gpt2(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def tiny(tiny_folder: Path) -> Base:
    return load_base(str(tiny_folder))


@pytest.fixture(scope="session")
def default_base() -> Base:
    """The real one, loaded once for all tests that need it."""
    return load_base()


@pytest.fixture(scope="session")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Base]:
    """A tiny random base of every architecture, by its kind."""
    from tests.architectures import DECODERS, ENCODER_DECODERS, make_bases

    return make_bases(tmp_path_factory.mktemp, [*DECODERS, *ENCODER_DECODERS])


@pytest.fixture(scope="session")
def e2e() -> Task:
    return get_task("e2e")


@pytest.fixture(scope="session")
def artifacts(tiny: Base, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of artifacts that five steps have trained on the tiny base."""
    root, task = tmp_path_factory.mktemp("artifacts"), get_task("e2e")
    for method in TRAINED:
        *_, last = train(tiny, task, method, task.pool()[:20], TUNED[method].replaced(steps=5))
        assert last.result is not None
        save(folder_of(tiny, "e2e", method, root), tiny, last.result.kept, describe(tiny, "e2e", last.result, {}))
    return root
