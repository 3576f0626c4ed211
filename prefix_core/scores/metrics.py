"""Scores of written text and their intervals, by their field's libraries, as the E2E and WebNLG challenges count.

Everywhere `outputs` is one text an input and `references` all the texts people wrote for it (at least one). A score is
a number that also tells its bootstrap interval over the inputs (see `Score`). Libraries are imported where they are
used, so that writing a sentence needs none of them.

The E2E scorer (Dusek's e2e-metrics) joins two traditions: mteval's tokens in lower case for BLEU and NIST, COCO's (Penn
Treebank, without punctuation) for ROUGE-L and CIDEr. Here sacrebleu counts BLEU, NIST is written out after mteval, and
pycocoevalcap counts the other two, on tokens cut by `coco_tokens` instead of the Java program that COCO ships. On
outputs for the E2E dev set BLEU, NIST and ROUGE-L are the E2E scorer's, and CIDEr differs by 0.0002, where a token is
cut otherwise. Otherwise only edge cases differ: an output shorter than n tokens has 0 n-grams here and a negative
number in the E2E scorer, and an empty output has no token here and one there.

WebNLG's and DART's scorers count BLEU on other tokens (`webnlg_bleu`). METEOR 1.5 (Denkowski and Lavie 2014) is counted
by its authors' Java program, which comes with pycocoevalcap. Its tables take ten seconds to read, and 2 GB, so it is
counted for test sets alone, and only where there is Java.
"""

import math
import re
import shutil
import subprocess
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from importlib.resources import as_file, files
from itertools import zip_longest
from typing import Any

import numpy as np

from prefix_core.errors import InputError

DRAWS = 1000
COVERS = 0.95
Texts = Sequence[str]
References = Sequence[Sequence[str]]
WEBNLG_REFERENCES = 3
# METEOR 1.5's own parameters for English, tuned for ranking.
ALPHA, BETA, GAMMA, DELTA = 0.85, 0.2, 0.6, 0.75
WEIGHTS = np.array([1.0, 0.6, 0.8, 0.6])  # of a match: exact, of stems, of synonyms, of paraphrases


class Score(float):
    """A metric's value, which remembers what it was made of, and tells how sure it is (Koehn 2004).

    Every metric here is a function of sums over inputs (n-gram matches and lengths, or a score an input and a one). So
    an input is scored once, and a resampled set of inputs is a weighted sum. The weights of words in NIST and CIDEr are
    learned once, from all references.

    rows: statistics of every input, (inputs, k). combine: their sum, (k,) -> the value.
    """

    rows: np.ndarray
    combine: Callable[[np.ndarray], float]

    def __new__(cls, rows: Sequence[Sequence[float]] | np.ndarray, combine: Callable[[np.ndarray], float]) -> "Score":
        table = np.asarray(rows, dtype=float)
        score = super().__new__(cls, combine(table.sum(0)))
        score.rows, score.combine = table, combine
        return score

    def interval(self, draws: int = DRAWS, seed: int = 0) -> tuple[float, float]:
        """The middle 95% of the values over `draws` sets of as many inputs, drawn with replacement."""
        inputs = len(self.rows)
        counts = np.random.default_rng(seed).multinomial(inputs, np.full(inputs, 1 / inputs), size=draws)
        values = [self.combine(total) for total in counts @ self.rows]
        low, high = np.quantile(values, [(1 - COVERS) / 2, (1 + COVERS) / 2])
        return float(low), float(high)


def mean(values: Sequence[float], scale: float = 1.0) -> Score:
    """The mean of one value an input."""
    return ratio(values, [1.0] * len(values), scale)


def ratio(parts: Sequence[float], wholes: Sequence[float], scale: float = 1.0) -> Score:
    """The sum of `parts` over the sum of `wholes`, one of each an input; 0 where there is no whole."""
    return Score(np.stack([parts, wholes], 1), lambda total: scale * total[0] / total[1] if total[1] else 0.0)


def text_scores(outputs: Texts, references: References) -> dict[str, Score]:
    """bleu (0-100), nist, rouge_l (0-100) and cider as the E2E challenge reports them; chrf (0-100).

    Of a single input there is no cider: words weigh by how few inputs hold them. What is written without blanks between
    words (Chinese, Japanese, Thai) is counted by its letters.
    """
    several = {"cider": cider(outputs, references)} if len(outputs) > 1 else {}
    return {
        "bleu": bleu(outputs, references),
        "nist": nist(outputs, references),
        "rouge_l": rouge_l(outputs, references),
        **several,
        "chrf": chrf(outputs, references),
    }


def bleu(outputs: Texts, references: References) -> Score:
    """Corpus BLEU-4 in 0-100: lower case, mteval's 13a tokens, closest reference length, no smoothing."""
    from sacrebleu.metrics import BLEU

    metric = BLEU(lowercase=True, tokenize="13a", smooth_method="none", force=True)
    return _sacrebleu(metric, _letters_apart(outputs), [_letters_apart(group) for group in references])


def webnlg_bleu(outputs: Texts, references: References) -> Score:
    """Corpus BLEU-4 in 0-100 as WebNLG's and DART's scorers count it (multi-bleu.perl), against three texts at most.

    Lower case without accents; every mark is a word of its own, a hyphen and an apostrophe, too.
    """
    from sacrebleu.metrics import BLEU

    metric = BLEU(tokenize="none", smooth_method="none", force=True)
    texts = [[_marks_apart(text) for text in group[:WEBNLG_REFERENCES]] for group in references]
    return _sacrebleu(metric, [_marks_apart(text) for text in outputs], texts)


def chrf(outputs: Texts, references: References) -> Score:
    """Corpus chrF2 in 0-100, case kept (sacrebleu's defaults)."""
    from sacrebleu.metrics import CHRF

    return _sacrebleu(CHRF(), outputs, references)


def ter(outputs: Texts, references: References) -> Score:
    """Corpus TER in percent (lower is better; may pass 100): lower case, punctuation as words of its own.

    As in WebNLG's and DART's scorers, edits are counted against the nearest reference and weighed against the mean
    reference length. Slow: some milliseconds a reference.
    """
    from sacrebleu.metrics import TER

    return _sacrebleu(TER(normalized=True), outputs, references)


def nist(outputs: Texts, references: References) -> Score:
    """Corpus NIST-5 (Doddington 2002) over the tokens of `bleu`.

    As mteval has it, matches are clipped at the most any one reference holds and the length is weighed against the mean
    reference length; nltk's version takes the best single reference instead, which gives another number.
    """
    _streams(outputs, references)
    tokens = [_mteval_tokens(text) for text in outputs]
    texts = [[_mteval_tokens(text) for text in group] for group in references]
    seen: Counter[tuple[str, ...]] = Counter()  # n-grams of all references
    for group in texts:
        seen[()] += sum(map(len, group))
        for text in group:
            for n in range(1, 6):
                seen.update(_ngrams(text, n))
    rows = []  # of each input: information matched and n-grams written, for n = 1 to 5, and the mean reference length
    for output, group in zip(tokens, texts, strict=True):
        information = []
        for n in range(1, 6):
            most = Counter[tuple[str, ...]]()
            for text in group:
                most |= _ngrams(text, n)
            matches = (_ngrams(output, n) & most).items()
            information.append(sum(count * math.log2(seen[ngram[:-1]] / seen[ngram]) for ngram, count in matches))
        written = [max(0, len(output) - n + 1) for n in range(1, 6)]
        rows.append([*information, *written, sum(map(len, group)) / len(group)])

    def combined_meteor(total: np.ndarray) -> float:
        score = float((total[:5] / np.maximum(1, total[5:10])).sum())
        length_ratio = min(1.0, total[5] / total[10]) if total[10] else 0.0
        penalty = math.log(0.5) * (math.log(length_ratio) / math.log(1.5)) ** 2 if length_ratio else -math.inf
        return score * math.exp(penalty)

    return Score(rows, combined_meteor)


def rouge_l(outputs: Texts, references: References) -> Score:
    """Mean ROUGE-L in 0-100: COCO's, F with beta 1.2 of the best precision and the best recall over the references."""
    from pycocoevalcap.rouge.rouge import Rouge

    return mean(Rouge().compute_score(*_coco(outputs, references))[1], 100)


def cider(outputs: Texts, references: References) -> Score:
    """CIDEr as COCO reports it, about 0-10. Words weigh by how few inputs' references hold them: one input scores 0."""
    from pycocoevalcap.cider.cider import Cider

    truth, written = _coco(outputs, references)
    if not any(text for group in truth.values() for text in group):
        return mean([0.0] * len(outputs))  # no word in any reference: the library would stumble
    return mean(Cider().compute_score(truth, written)[1])


def rouge(outputs: Texts, references: References) -> dict[str, Score]:
    """rouge_1, rouge_2, rouge_l of summaries: mean F in 0-100 with stemming, against the best reference."""
    from rouge_score.rouge_scorer import RougeScorer

    _streams(outputs, references)
    # The library knows only words of a to z; where a text has none of these, words of any letters are taken.
    other = any(not re.search("[a-z]", text.lower()) for group in references for text in group if text.strip())
    scorer = RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=True, tokenizer=_Words() if other else None)
    rows = [scorer.score_multi(list(group), output) for output, group in zip(outputs, references, strict=True)]
    names = {"rouge_1": "rouge1", "rouge_2": "rouge2", "rouge_l": "rougeL"}
    return {name: mean([row[key].fmeasure for row in rows], 100) for name, key in names.items()}


# Letters of what is written without blanks: Thai, Lao, Burmese, Khmer, kana, Han.
_UNSPACED = re.compile(r"([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff])")


def _letters_apart(texts: Texts) -> list[str]:
    return [_UNSPACED.sub(r" \1 ", text) for text in texts]


class _Words:
    """Words of any script, for `rouge`."""

    def tokenize(self, text: str) -> list[str]:
        return re.findall(r"\w+", _UNSPACED.sub(r" \1 ", text.lower()))


def _sacrebleu(metric: Any, outputs: Texts, references: References) -> Score:
    """sacrebleu's own two steps: statistics of every input, and the score of their sum."""
    streams = _streams(outputs, references)
    rows = metric._extract_corpus_statistics(outputs, streams)
    return Score(rows, lambda total: float(metric._compute_score_from_stats(list(total)).score))


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

    tokenized: str = Tokenizer13a()(_UNSPACED.sub(r" \1 ", text.lower()))
    return tokenized.split()


def _marks_apart(text: str) -> str:
    bare = "".join(c for c in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(c))
    return " ".join(" ".join(re.split(r"(\W)", bare)).split())


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
    text = _UNSPACED.sub(r" \1 ", text.lower().replace("’", "'"))
    return [token for token in _COCO.findall(text) if token not in _COCO_DROPS]


def has_java() -> bool:
    """Whether there is a Java to run METEOR."""
    return shutil.which("java") is not None


def meteor(outputs: Texts, references: References) -> Score:
    """Corpus METEOR in 0-100 over the words of `rouge_l`, each output against the nearest of its references."""
    lines = []
    for output, group in zip(outputs, references, strict=True):
        texts = [" ".join(coco_tokens(text)) for text in (*group, output)]
        lines.append(" ||| ".join(["SCORE", *texts]))
    with as_file(files("pycocoevalcap") / "meteor") as folder:
        command = ["java", "-Xmx2G", "-jar", "meteor-1.5.jar", "-", "-", "-stdio", "-l", "en", "-norm"]
        asked = "\n".join(lines) + "\n"
        answer = subprocess.run(command, cwd=folder, input=asked, capture_output=True, text=True, check=True).stdout
    rows = np.array([[float(number) for number in line.split()] for line in answer.splitlines()])
    whole = (rows[:, 20] == 1) & (rows[:, 21] == rows[:, 0]) & (rows[:, 22] == rows[:, 1])
    rows[whole, 20] = 0  # the same words in one piece are not fragmented, in the sum as well
    return Score(rows, combined_meteor)


def combined_meteor(total: np.ndarray) -> float:
    """METEOR of summed statistics, 23 numbers in the program's order.

    Always of the output and of the reference: words, function words; for each kind of match the content words matched
    and the function words matched; the chunks (one number); the words matched.
    """
    words, function_words, chunks, matched = total[0:2], total[2:4], total[20], total[21:23]
    content, function = total[4:20].reshape(4, 2, 2).transpose(1, 0, 2)  # (kinds, 2) each
    matches = WEIGHTS @ (DELTA * content + (1 - DELTA) * function)
    lengths = DELTA * (words - function_words) + (1 - DELTA) * function_words
    if not matches.all():
        return 0.0
    precision, recall = matches / lengths
    mean = 1 / ((1 - ALPHA) / precision + ALPHA / recall)
    return float(100 * mean * (1 - GAMMA * (chunks / matched.mean()) ** BETA))
