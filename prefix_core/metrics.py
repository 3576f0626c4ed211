"""Scores of written text, by their field's libraries, in the conventions of the E2E and WebNLG challenges.

Everywhere `outputs` is one text an input and `references` all the texts people wrote for it (any number, at least one).
The E2E scorer joins two traditions: mteval's tokens for BLEU and NIST, COCO's (Penn Treebank, without punctuation) for
ROUGE-L and CIDEr. Libraries are imported where they are used, so that writing a sentence needs none of them.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

from prefix_core.errors import InputError

Texts = Sequence[str]
References = Sequence[Sequence[str]]


def text_scores(outputs: Texts, references: References) -> dict[str, float]:
    """bleu (0-100), nist, rouge_l (0-100) and cider, as the E2E challenge reports them."""
    return {
        "bleu": bleu(outputs, references),
        "nist": nist(outputs, references),
        "rouge_l": rouge_l(outputs, references),
        "cider": cider(outputs, references),
    }


def bleu(outputs: Texts, references: References) -> float:
    """Corpus BLEU-4 in 0-100: lower case, mteval's 13a tokens, closest reference length, no smoothing."""
    from sacrebleu.metrics import BLEU

    metric = BLEU(lowercase=True, tokenize="13a", smooth_method="none", force=True)
    return float(metric.corpus_score(outputs, _streams(outputs, references)).score)


def chrf(outputs: Texts, references: References) -> float:
    """Corpus chrF2 in 0-100, case kept (sacrebleu's defaults)."""
    from sacrebleu.metrics import CHRF

    return float(CHRF().corpus_score(outputs, _streams(outputs, references)).score)


def ter(outputs: Texts, references: References) -> float:
    """Corpus TER in percent (lower is better; may pass 100), lower case."""
    from sacrebleu.metrics import TER

    return float(TER().corpus_score(outputs, _streams(outputs, references)).score)


def nist(outputs: Texts, references: References) -> float:
    """Corpus NIST-5 (Doddington 2002) over the tokens of `bleu`.

    As mteval has it, matches are clipped at the most any one reference holds and the length is weighed against the mean
    reference length; nltk's version takes the best single reference instead, which is another number.
    """
    _streams(outputs, references)
    tokens = [_mteval_tokens(text) for text in outputs]
    texts = [[_mteval_tokens(text) for text in group] for group in references]
    seen: Counter[tuple[str, ...]] = Counter()  # n-grams of all references
    matches: list[list[tuple[tuple[str, ...], int]]] = [[] for _ in range(5)]
    for output, group in zip(tokens, texts, strict=True):
        seen[()] += sum(map(len, group))
        for n in range(1, 6):
            counts = [_ngrams(text, n) for text in group]
            for count in counts:
                seen.update(count)
            most = Counter[tuple[str, ...]]()
            for count in counts:
                most |= count
            matches[n - 1] += (_ngrams(output, n) & most).items()
    score = 0.0
    for n in range(1, 6):
        information = sum(count * math.log2(seen[ngram[:-1]] / seen[ngram]) for ngram, count in matches[n - 1])
        score += information / max(1, sum(max(0, len(output) - n + 1) for output in tokens))
    mean_length = sum(sum(map(len, group)) / len(group) for group in texts)
    ratio = min(1.0, sum(map(len, tokens)) / mean_length) if mean_length else 0.0
    return score * math.exp(math.log(0.5) * (math.log(ratio) / math.log(1.5)) ** 2) if ratio else 0.0


def rouge_l(outputs: Texts, references: References) -> float:
    """Mean ROUGE-L in 0-100: COCO's, F with beta 1.2 of the best precision and the best recall over the references."""
    from pycocoevalcap.rouge.rouge import Rouge

    truth, written = _coco(outputs, references)
    return 100 * float(Rouge().compute_score(truth, written)[0])


def cider(outputs: Texts, references: References) -> float:
    """CIDEr as COCO reports it, about 0-10. Words weigh by how few inputs' references hold them: one input scores 0."""
    from pycocoevalcap.cider.cider import Cider

    truth, written = _coco(outputs, references)
    if not any(text for group in truth.values() for text in group):
        return 0.0  # no word in any reference: the library would stumble
    return float(Cider().compute_score(truth, written)[0])


def rouge(outputs: Texts, references: References) -> dict[str, float]:
    """rouge_1, rouge_2, rouge_l of summaries: mean F in 0-100 with stemming, against the best reference."""
    from rouge_score.rouge_scorer import RougeScorer

    _streams(outputs, references)
    scorer = RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=True)
    rows = [scorer.score_multi(list(group), output) for output, group in zip(outputs, references, strict=True)]
    names = {"rouge_1": "rouge1", "rouge_2": "rouge2", "rouge_l": "rougeL"}
    return {name: 100 * sum(row[key].fmeasure for row in rows) / len(rows) for name, key in names.items()}


def _streams(outputs: Texts, references: References) -> list[Any]:
    """References as sacrebleu wants them, first ones, second ones, ...; None where an input has fewer. Checks both."""
    if len(outputs) != len(references):
        raise ValueError(f"{len(outputs)} outputs for {len(references)} inputs")
    if not outputs:
        raise InputError("There is nothing to score: no inputs were given.")
    if not all(references):
        number = [bool(group) for group in references].index(False) + 1
        raise InputError(f"Input {number} has no reference to be scored against.")
    return [list(stream) for stream in zip_longest(*references)]


def _ngrams(tokens: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(zip(*(tokens[i:] for i in range(n)), strict=False))


def _mteval_tokens(text: str) -> list[str]:
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

    return Tokenizer13a()(text.lower()).split()


def _coco(outputs: Texts, references: References) -> tuple[dict[int, list[str]], dict[int, list[str]]]:
    _streams(outputs, references)
    truth = {i: [" ".join(coco_tokens(text)) for text in group] for i, group in enumerate(references)}
    return truth, {i: [" ".join(coco_tokens(text))] for i, text in enumerate(outputs)}


_COCO = re.compile(
    r"""
    (?: [a-z]\. ){2,}                                         # p.m.
    | (?: st | mr | mrs | ms | dr | inc | ltd | vs )\.        # abbreviations keep their stop
    | n't\b | '(?: s | re | ve | ll | d | m )\b               # is|n't, it|'s
    | can(?=not\b)
    | \w+?(?=n't\b)
    | \w+ (?: (?: [-./@_&] | '(?! (?: s|re|ve|ll|d|m )\b) ) \w+ )*    # family-friendly, 3.5, o'clock
    | [^\w\s]
    """,
    re.VERBOSE,
)
_COCO_DROPS = set("'\"`’‘“”.,:;?!-–—…")


def coco_tokens(text: str) -> list[str]:
    """Lower-case words as Stanford's Penn Treebank tokenizer cuts them, without the punctuation that COCO drops."""
    text = text.lower().replace("’", "'")
    return [token for token in _COCO.findall(text) if token not in _COCO_DROPS]
