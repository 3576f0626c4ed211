"""The rows of a Parquet file, or of one in Arrow's own form (Feather, a set's cache), in the process of their own."""

import datetime
import math
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from prefix_core.data.apart import Refused, tell

ROWS = 256  # at a time


def prepare() -> None:
    import pyarrow
    import pyarrow.ipc
    import pyarrow.parquet

    pyarrow.set_cpu_count(1)
    pyarrow.set_io_thread_count(1)


def tell_rows(path: str, sheet: str = "") -> None:
    number = 0
    for batch in _batches(path):
        if len(set(batch.schema.names)) < len(batch.schema.names):
            raise Refused(": two columns have the same name. Rename one.")
        for record in batch.to_pylist():
            number += 1
            row = {}
            for name, value in record.items():
                try:
                    row[name] = plain(value)
                except UnicodeDecodeError:
                    raise Refused(f", row {number}: column '{name}' holds bytes that are no text (UTF-8).") from None
            tell("record", number, row)


def _batches(path: str) -> Iterator[Any]:
    import pyarrow
    import pyarrow.parquet

    with open(path, "rb") as file:
        start = file.read(6)
    if start.startswith(b"PAR1"):
        yield from pyarrow.parquet.ParquetFile(path, pre_buffer=False).iter_batches(ROWS, use_threads=False)
        return
    with pyarrow.OSFile(path) as source:
        whole = pyarrow.ipc.open_file(source) if start == b"ARROW1" else pyarrow.ipc.open_stream(source)
        places = range(whole.num_record_batches) if start == b"ARROW1" else None
        for batch in map(whole.get_batch, places) if places is not None else whole:
            for place in range(0, batch.num_rows, ROWS):
                yield batch.slice(place, ROWS)


def plain(value: Any) -> Any:
    """Numbers as they are written, dates and times as ISO 8601 has them, midnight as the day; NaN is missing.

    Bytes are the text that they spell. Raises `UnicodeDecodeError` for bytes that are no text.
    """
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, float):
        return None if math.isnan(value) else repr(value)
    if isinstance(value, int | Decimal):
        return str(value)
    if isinstance(value, datetime.datetime):
        midnight = value.time() == datetime.time() and value.tzinfo is None
        return value.date().isoformat() if midnight else value.isoformat(" ")
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return str(value)
    if isinstance(value, dict):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value.decode() if isinstance(value, bytes) else repr(value)
