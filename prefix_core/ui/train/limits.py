"""What one training may take. A public host lowers a limit with an environment variable; none can be raised."""

import os
from dataclasses import dataclass, fields

FEWEST_ROWS = 10


@dataclass(frozen=True)
class Limits:
    """The variable PREFIX_TRAIN_<FIELD> lowers a field. tokens: of one row, its input and text together.

    minutes: of one run, all its methods together; waiting: trainings that may wait in line.
    """

    megabytes: int = 5
    rows: int = 500
    tokens: int = 400
    steps: int = 1000
    minutes: int = 10
    waiting: int = 8

    def in_words(self) -> str:
        """The limits as a visitor reads them before running into one."""
        return (
            f"{FEWEST_ROWS} to {self.rows} rows, a file of at most {self.megabytes} MB, {self.tokens} tokens a row "
            f"(about {self.tokens * 3 // 4} words), {self.steps:,} steps, {self.minutes} minutes a run"
        )


def limits() -> Limits:
    """The limits of this process. Raises `ValueError` naming a variable that is not a whole number above 0."""
    lowered = {}
    for field in fields(Limits):
        name = f"PREFIX_TRAIN_{field.name.upper()}"
        text = os.environ.get(name, "")
        if not text:
            continue
        if not text.isdecimal() or int(text) < 1:
            raise ValueError(f"{name} is {text!r}; give a whole number above 0")
        lowered[field.name] = min(int(text), getattr(Limits, field.name))
    return Limits(**lowered)
