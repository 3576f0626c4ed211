"""Scores against the numbers of the E2E challenge's own scorer, and against what can be worked out by hand.

Intervals are those of the textbook where it has one, the same for the same seed, and wide for few inputs.
"""

import math
import re
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefix_core.errors import InputError
from prefix_core.scores import metrics
from prefix_core.scores.metrics import mean, ratio
from prefix_core.tasks import get_task

POOL = get_task("e2e").pool()


def turned(text):
    words = text.split()
    third = len(words) // 3
    return " ".join(words[third:] + words[:third])


def outputs_and_references():
    """A mix of good and turned texts, with one or two references each."""
    outputs = [x.references[0] if i % 3 else turned(x.references[1]) for i, x in enumerate(POOL[:66])]
    ones = [[x.references[1]] for x in POOL[:66]]
    twos = [[x.references[1], x.references[0].replace("is", "was")] for x in POOL[:66]]
    return outputs, [ones[i] if i % 2 else twos[i] for i in range(66)]


def test_scores_are_those_of_the_challenge_scorer():
    """What e2e-metrics computes for these texts: its own BLEU and NIST, COCO's Java tokens for the other two."""
    scores = metrics.text_scores(*outputs_and_references())
    assert scores["bleu"] == pytest.approx(68.617113, abs=0.01)
    assert scores["nist"] == pytest.approx(8.372478, abs=0.001)
    assert scores["rouge_l"] == pytest.approx(67.047777, abs=0.05)
    assert scores["cider"] == pytest.approx(5.154869, abs=0.01)


def test_meteor_is_that_of_the_challenge_scorer(monkeypatch):
    """The Java program's statistics of four of these texts, and the score it gives for each and for all of them."""
    outputs, references = outputs_and_references()
    lines = [
        "13 13 6 6 7 7 6 6 0 0 0 0 0 0 0 0 0 0 0 0 2 13 13",
        "6 9 2 4 4 4 2 2 0 0 0 0 0 0 0 0 0 0 0 0 5 6 6",
        "8 8 3 3 5 5 1 1 0 0 0 0 0 0 0 0 0 0 2 2 1 8 8",
        "8 12 0 4 5 5 0 0 0 0 0 0 0 0 0 0 2 1 0 2 4 7 8",
    ]

    def run(command, input, **named):
        assert len(input.splitlines()) == 4 and all(line.startswith("SCORE ||| ") for line in input.splitlines())
        return subprocess.CompletedProcess(command, 0, stdout="\n".join(lines))

    monkeypatch.setattr(subprocess, "run", run)
    found = metrics.meteor(outputs[:4], references[:4])
    each = [metrics.combined_meteor(row) for row in found.rows]
    assert each == pytest.approx([58.736261, 32.333057, 95.555556, 31.065642], abs=1e-6)
    assert found == pytest.approx(43.978239, abs=1e-6)
    assert found.interval()[0] < found < found.interval()[1]


def test_webnlg_bleu_is_that_of_the_challenge_scorer():
    """What WebNLG's own steps and multi-bleu.perl -lc compute for these texts, marks cut apart and accents dropped."""
    texts = [x.references for x in get_task("webnlg").pool()]
    outputs = [one if i % 3 else turned(two) for i, (one, two) in enumerate(texts)]
    references = [[two] if i % 2 else [two, one.replace(" is ", " was ")] for i, (one, two) in enumerate(texts)]
    assert metrics.webnlg_bleu(outputs, references) == pytest.approx(74.43, abs=0.01)
    accents = [text.replace("e", "é").upper() for text in outputs]
    assert metrics.webnlg_bleu(accents, references) == metrics.webnlg_bleu(outputs, references)
    fourth = [[*group, *group, output, output] for output, group in zip(outputs, references, strict=True)]
    assert metrics.webnlg_bleu(outputs, [group[:3] for group in fourth]) == metrics.webnlg_bleu(outputs, fourth)


def plain_bleu(outputs, references):
    """BLEU-4 from its definition (Papineni et al. 2002), for words and blanks alone."""
    hits, written, closest = [0] * 4, [0] * 4, 0
    for output, group in zip(outputs, references, strict=True):
        words, others = output.split(), [text.split() for text in group]
        closest += min((abs(len(other) - len(words)), len(other)) for other in others)[1]
        for n in range(4):
            grams = [tuple(words[i : i + n + 1]) for i in range(len(words) - n)]
            most = {g: max(sum(g == tuple(o[i : i + n + 1]) for i in range(len(o))) for o in others) for g in grams}
            hits[n] += sum(min(grams.count(gram), count) for gram, count in most.items())
            written[n] += len(grams)
    shortness = math.exp(min(0, 1 - closest / written[0]))
    return 100 * shortness * math.exp(sum(math.log(h / w) for h, w in zip(hits, written, strict=True)) / 4)


def test_bleu_is_its_definition():
    def words_alone(text):
        return " ".join(re.findall(r"[a-z]+", text.lower()))

    outputs, references = outputs_and_references()
    outputs = [words_alone(text) for text in outputs]
    references = [[words_alone(text) for text in group] for group in references]
    assert metrics.bleu(outputs, references) == pytest.approx(plain_bleu(outputs, references))


def test_each_score_is_that_of_its_library():
    """What the intervals are made of adds up to what the libraries themselves report."""
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge
    from sacrebleu.metrics import BLEU, CHRF, TER

    outputs, references = outputs_and_references()
    streams = [[group[0] for group in references], [group[1] if len(group) > 1 else None for group in references]]
    libraries = {"bleu": BLEU(lowercase=True), "chrf": CHRF(), "ter": TER(normalized=True)}
    for name, library in libraries.items():
        wanted = library.corpus_score(outputs, streams).score
        assert getattr(metrics, name)(outputs, references) == pytest.approx(wanted), name
    truth = {i: [" ".join(metrics.coco_tokens(text)) for text in group] for i, group in enumerate(references)}
    written = {i: [" ".join(metrics.coco_tokens(text))] for i, text in enumerate(outputs)}
    assert metrics.rouge_l(outputs, references) == pytest.approx(100 * Rouge().compute_score(truth, written)[0])
    assert metrics.cider(outputs, references) == pytest.approx(Cider().compute_score(truth, written)[0])


def test_ter_takes_punctuation_as_words():
    assert metrics.ter(["a pub, by the river."], [["a pub by the river"]]) == pytest.approx(100 * 2 / 5)


def test_nist_by_hand():
    """Each of two words tells one bit, each of four two; the pair follows from its first word and tells none."""
    assert metrics.nist(["a b"], [["a b"]]) == pytest.approx(1)
    assert metrics.nist(["a b", "x y"], [["a b"], ["c d"]]) == pytest.approx((2 + 2) / 4)
    shorter = metrics.nist(["a", "c d"], [["a b c"], ["c d"]])
    information = (math.log2(5 / 1) + math.log2(5 / 2) + math.log2(5 / 1)) / 3 + math.log2(2 / 1) / 1
    assert shorter == pytest.approx(information * math.exp(math.log(0.5) * (math.log(3 / 5) / math.log(1.5)) ** 2))


def test_nist_joins_the_references_of_an_input():
    """mteval's convention: what any reference holds counts, here both halves."""
    both = metrics.nist(["a b c d"], [["a b x y", "w z c d"]])
    assert both > metrics.nist(["a b c d"], [["a b x y", "w z u v"]])


def test_rouge_l_takes_the_best_precision_and_the_best_recall():
    precision, recall = 1.0, 1.0  # of the long and of the short reference
    value = (1 + 1.2**2) * precision * recall / (recall + 1.2**2 * precision)
    assert metrics.rouge_l(["a b c"], [["a b", "a x b y c z"]]) == pytest.approx(100 * value)
    assert metrics.rouge_l(["a b c d"], [["b d"]]) == pytest.approx(100 * (1 + 1.44) * 0.5 / (1 + 1.44 * 0.5))


def test_scores_of_a_perfect_text():
    outputs = [x.references[0] for x in POOL]
    scores = metrics.text_scores(outputs, [x.references for x in POOL])
    assert scores["bleu"] == pytest.approx(100) and scores["rouge_l"] == pytest.approx(100)
    assert metrics.chrf(outputs, [x.references for x in POOL]) == pytest.approx(100)
    assert metrics.ter(outputs, [x.references for x in POOL]) == 0
    rouge = metrics.rouge(outputs, [x.references for x in POOL])
    assert rouge == pytest.approx({"rouge_1": 100, "rouge_2": 100, "rouge_l": 100})


def test_case_does_not_count_and_ter_counts_edits():
    assert metrics.bleu(["THE PUB IS BY THE RIVER"], [["the pub is by the river"]]) == pytest.approx(100)
    assert metrics.ter(["the bar is by the river"], [["the pub is by the river"]]) == pytest.approx(100 / 6)
    rouge = metrics.rouge(["cats sat"], [["the cat sat", "dogs ran"]])
    assert rouge["rouge_1"] == pytest.approx(100 * 2 * (1 * 2 / 3) / (1 + 2 / 3))


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("It's a £20-25 pub, isn't it?", "it 's a £ 20-25 pub is n't it"),
        ("Family-friendly – near St. Alder's; 3.5 (cheap)...", "family-friendly near st. alder 's 3.5 ( cheap )"),
        ("“Gable’s” & Sons' at 5 o'clock: we cannot!", "gable 's & sons at 5 o'clock we can not"),
    ],
)
def test_coco_tokens_are_stanfords(text, tokens):
    assert metrics.coco_tokens(text) == tokens.split()


@pytest.mark.parametrize("outputs", [[""], ["", "  "], ["x"], ["."], ["a b", ""]])
def test_poor_outputs_score_and_never_crash(outputs):
    references = [["A pub by the river.", "It is a pub."], ["Cheap."]][: len(outputs)]
    for name in ("bleu", "nist", "rouge_l", "cider", "chrf", "ter"):
        assert math.isfinite(getattr(metrics, name)(outputs, references))
    assert all(math.isfinite(value) for value in metrics.rouge(outputs, references).values())


texts = st.text(max_size=15)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(texts, st.lists(texts, min_size=1, max_size=3)), min_size=1, max_size=3))
def test_scores_of_any_text_are_numbers_in_range(pairs):
    outputs, references = zip(*pairs, strict=True)
    scores = metrics.text_scores(outputs, references)
    assert -1e-6 <= scores["bleu"] <= 100 + 1e-6 and -1e-6 <= scores["rouge_l"] <= 100 + 1e-6
    assert scores["nist"] >= 0 and scores.get("cider", 0) >= 0


def test_nothing_to_score_is_said():
    with pytest.raises(InputError, match="nothing to score"):
        metrics.bleu([], [])
    with pytest.raises(InputError, match="Input 2 has no reference"):
        metrics.nist(["a", "b"], [["a"], []])
    with pytest.raises(ValueError, match="1 outputs for 2 inputs"):
        metrics.cider(["a"], [["a"], ["b"]])


@pytest.mark.parametrize("text", ["東京は大きいです。", "这家餐馆在河边。", "ร้านนี้อยู่ริมแม่น้ำ", "Этот паб у реки."])
def test_the_same_text_scores_in_full_in_any_script(text):
    texts = [f"{text}{n}" for n in range(4)]
    scores = metrics.text_scores(texts, [[one] for one in texts]) | metrics.rouge(texts, [[one] for one in texts])
    assert scores["bleu"] == pytest.approx(100) and scores["rouge_l"] == pytest.approx(100)
    assert scores["chrf"] == pytest.approx(100) and scores["cider"] > 1 and scores["nist"] > 0


def test_one_input_has_no_cider():
    assert "cider" not in metrics.text_scores(["a b"], [["a b"]])


# ------------------------------------------------------------------------------------------------------------ intervals


def test_a_mean_has_the_interval_of_the_normal_distribution() -> None:
    values = [float(number % 2) for number in range(400)]
    low, high = mean(values, 100).interval()
    half = 1.96 * 100 * 0.5 / math.sqrt(400)
    assert low == pytest.approx(50 - half, abs=1) and high == pytest.approx(50 + half, abs=1)


def test_a_ratio_weighs_inputs_by_their_size() -> None:
    score = ratio([1, 0], [9, 1], 100)
    assert score == pytest.approx(10)
    low, high = score.interval()
    assert (low, high) == pytest.approx((0, 100 / 9))  # both draws of the one input, or of the other
    assert ratio([0, 0], [0, 0]) == 0


@pytest.mark.parametrize("name", ["bleu", "nist", "rouge_l", "cider", "chrf"])
def test_the_interval_holds_the_score_and_narrows_with_more_inputs(name: str) -> None:
    outputs = [example.references[0] for example in POOL[:64]]
    references = [[example.references[1]] for example in POOL[:64]]
    few, many = (getattr(metrics, name)(outputs[:some], references[:some]) for some in (16, 64))
    for score in (few, many):
        low, high = score.interval()
        assert low < high and low < score < high + 0.05 * abs(score)
        assert score.interval() == (low, high) != score.interval(seed=1)
    widths = [high - low for low, high in (few.interval(), many.interval())]
    assert widths[1] < widths[0]


def test_a_score_without_doubt_has_no_width() -> None:
    texts = [example.references[0] for example in POOL[:10]]
    assert metrics.bleu(texts, [[text] for text in texts]).interval() == pytest.approx((100, 100))
