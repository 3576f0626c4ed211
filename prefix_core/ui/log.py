"""The log: a line of JSON for what happened, without what visitors wrote, nor an address that is a secret of theirs."""

import json
import sys
import traceback
from datetime import UTC, datetime
from typing import Any


def log(event: str, **fields: Any) -> None:
    """One line on standard error."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    print(json.dumps({"time": now, "event": event, **fields}), file=sys.stderr, flush=True)


def fault(*_: object, **__: object) -> None:
    """The exception that is being handled, by its kind and its last places: its words may be a visitor's."""
    kind, _error, trace = sys.exc_info()
    places = traceback.extract_tb(trace)[-3:]
    where = [f"{place.filename.rpartition('/')[2]}:{place.lineno} {place.name}" for place in places]
    log("fault", kind=kind.__name__ if kind else "", where=where)
