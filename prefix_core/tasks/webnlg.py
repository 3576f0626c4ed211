"""WebNLG: facts of DBpedia to a text (Gardent et al. 2017; Li & Liang 2021, section 5.1).

The 2017 challenge: ten categories to learn from, five more in the test set that no training text is about.
"""

from collections.abc import Sequence

from prefix_core.data.examples import Example
from prefix_core.scores.metrics import ter, webnlg_bleu
from prefix_core.tasks import triples, wording
from prefix_core.tasks.task import Task, first_line

SEEN = {"Airport", "Astronaut", "Building", "City", "ComicsCharacter", "Food", "Monument", "SportsTeam"}
SEEN |= {"University", "WrittenWork"}


def score(outputs: Sequence[str], examples: Sequence[Example]) -> dict[str, float]:
    """As `wording.score`; where seen and unseen categories are both there, bleu_, ter_ and inputs_ of each as well."""
    scores = wording.score(outputs, examples, wording.slots)
    seen = [example.category in SEEN for example in examples]
    for name, wanted in (("seen", True), ("unseen", False)):
        places = [place for place, is_seen in enumerate(seen) if is_seen == wanted]
        if 0 < len(places) < len(examples):
            texts, references = [outputs[i] for i in places], [examples[i].references for i in places]
            scores |= {f"bleu_{name}": webnlg_bleu(texts, references), f"ter_{name}": ter(texts, references)}
            scores[f"inputs_{name}"] = len(places)
    return scores


WEBNLG = Task(
    name="webnlg",
    title="Facts (WebNLG)",
    kind="triples",
    columns=triples.COLUMNS,
    terms="WebNLG challenge 2017, CC BY-NC-SA 4.0: not for commercial use",
    instruction="Turn these facts into a sentence:",
    initial_words="Write one or two sentences that state all these facts:",
    max_new_tokens=120,
    parse=triples.parse,
    to_grid=triples.to_grid,
    to_text=triples.to_text,
    label=triples.label,
    linearize=triples.linearize,
    columns_of=triples.columns_of,
    source_of=triples.source_of,
    from_record=triples.from_record,
    finish=first_line,
    score=score,
    slots=wording.slots,
    unlike=triples.unlike,
)
