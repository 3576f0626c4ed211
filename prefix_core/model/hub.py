"""Whether the Hugging Face Hub can be reached."""

from functools import cache

from huggingface_hub import constants
from huggingface_hub.utils import get_session

SECONDS = 5.0  # in which it answers, or counts as out of reach


@cache
def hub_answers() -> bool:
    """Asked once, where the Hub's client would ask five times for every file."""
    try:
        get_session().head(constants.ENDPOINT, timeout=SECONDS)
    except Exception:  # of whatever HTTP client the library uses, or because it is told to stay offline
        return False
    return True
