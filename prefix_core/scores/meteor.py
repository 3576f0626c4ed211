"""METEOR 1.5 (Denkowski and Lavie 2014) as the E2E challenge reports it, by its authors' Java program.

Program and tables come with the package pycocoevalcap. They are read in some ten seconds and take 2 GB, so METEOR is
counted for test sets alone, and only where there is Java.
"""

import shutil
import subprocess
from importlib.resources import as_file, files

import numpy as np

from prefix_core.scores.bootstrap import Score
from prefix_core.scores.metrics import References, Texts, coco_tokens

# METEOR 1.5's own parameters for English, tuned for ranking.
ALPHA, BETA, GAMMA, DELTA = 0.85, 0.2, 0.6, 0.75
WEIGHTS = np.array([1.0, 0.6, 0.8, 0.6])  # of a match: exact, of stems, of synonyms, of paraphrases


def available() -> bool:
    """Whether there is a Java to run it."""
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
    return Score(rows, combine)


def combine(total: np.ndarray) -> float:
    """The score of summed statistics, 23 numbers in the program's order.

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
