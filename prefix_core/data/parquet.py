"""A Parquet file's rows, in the process of their own (see `apart`)."""

import datetime
import math
from decimal import Decimal
from typing import Any

from prefix_core.data.apart import Refused, tell

ROWS = 256  # at a time


def prepare() -> None:
    import pyarrow
    import pyarrow.parquet

    pyarrow.set_cpu_count(1)
    pyarrow.set_io_thread_count(1)


def tell_rows(path: str) -> None:
    import pyarrow.parquet

    number = 0
    file = pyarrow.parquet.ParquetFile(path, pre_buffer=False)
    if len(set(file.schema_arrow.names)) < len(file.schema_arrow.names):
        raise Refused(": two columns have the same name. Rename one.")
    for batch in file.iter_batches(ROWS, use_threads=False):
        for record in batch.to_pylist():
            number += 1
            tell("record", number, {name: plain(value) for name, value in record.items()})


def plain(value: Any) -> Any:
    """Numbers as they are written, dates and times as ISO 8601 has them, midnight as the day; NaN is missing."""
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
    return repr(value) if not isinstance(value, bytes) else f"({len(value)} bytes)"
