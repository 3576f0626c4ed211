"""Words that differ: nothing is lost, nothing is HTML."""

import re
from html import unescape

from hypothesis import given
from hypothesis import strategies as st

from prefix_core.ui.compare.panes import differences

HERE = "The Blue Spice is a cheap pub, by the river."
THERE = "The Blue Spice is a pub near the river."


def test_words_only_here_and_only_there() -> None:
    assert differences(HERE, THERE) == (
        "The Blue Spice is a <ins>cheap</ins> pub<del> near</del><ins>, by</ins> the river."
    )
    assert differences(HERE, HERE) == HERE


def test_a_text_that_still_grows_misses_nothing_yet() -> None:
    assert differences("The Blue", THERE, growing=True) == "The Blue"
    assert differences("The Blue", THERE) == "The Blue<del> Spice is a pub near the river.</del>"


@given(st.text("ab .,<&>'\n", max_size=40), st.text("ab .,<&>'\n", max_size=40))
def test_what_is_not_struck_out_is_the_text(text: str, other: str) -> None:
    html = differences(text.strip(), other)
    assert not re.search(r"<(?!/?(?:ins|del)>)", html)
    kept = re.sub(r"</?ins>", "", re.sub(r"<del>.*?</del>", "", html, flags=re.DOTALL))
    assert unescape(kept) == text.strip()
