"""The base model's own byte-level BPE tokenizer, in the form `AutoTokenizer` loads (GPT-2's: Radford et al. 2019)."""

from collections.abc import Iterable

from tokenizers import ByteLevelBPETokenizer
from transformers import GPT2TokenizerFast  # type: ignore[attr-defined]

from prefix_core.pretrain.text import END


def train_tokenizer(documents: Iterable[str], words: int, positions: int) -> GPT2TokenizerFast:
    """A vocabulary of `words` byte sequences, `<|endoftext|>` (id 0) among them as begin, end and unknown.

    Any text survives encoding and decoding: every single byte is in the vocabulary.
    """
    bpe = ByteLevelBPETokenizer()
    bpe.train_from_iterator(documents, vocab_size=words, min_frequency=2, special_tokens=[END], show_progress=False)
    return GPT2TokenizerFast(
        tokenizer_object=bpe._tokenizer, bos_token=END, eos_token=END, unk_token=END, model_max_length=positions
    )


def token_bytes(tokenizer: GPT2TokenizerFast) -> list[int]:
    """Bytes of text each token stands for, by id; `<|endoftext|>` counts as one, for the line break it replaces."""
    words = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    return [1 if word == END else len(word) for word in words]  # byte-level BPE: one character of a word is one byte
