"""A file as bytes that can be read again and again: on disk or in memory, plain, packed, or the one table in a zip.

What a file is, its first bytes say, not its name. Nothing unpacks to more than `most` bytes.
"""

import gzip
import io
import math
import re
import struct
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import IO, Any, Literal

from prefix_core.errors import InputError

Kind = Literal["text", "workbook", "parquet", "markup"]

MEBI = 1 << 20
MOST_MEMBERS = 2000
BROKEN = (gzip.BadGzipFile, zipfile.BadZipFile, EOFError, zlib.error)
_ODD_ZIP = (ValueError, RuntimeError, struct.error)  # what else zipfile raises, for damage and unusual ways of packing
GZIP = b"\x1f\x8b"
OLD_EXCEL = b"\xd0\xcf\x11\xe0"  # how an .xls file begins

# The first bytes of what is no table, or not one that is read here, and what to do.
_OTHERS: tuple[tuple[bytes, str], ...] = (
    (b"%PDF", "a PDF"),
    (b"{\\rtf", "a rich-text document"),
    (b"SQLite format 3", "a database; write the table as CSV"),
    (b"FEA1", "a Feather file of the first kind; write it as Parquet (to_parquet) or JSON lines (to_json)"),
    (b"ORC", "an ORC file; write it as Parquet or JSON lines"),
    (b"Obj\x01", "an Avro file; write it as Parquet or JSON lines"),
    (b"ID;P", "a SYLK file; save it as .xlsx or CSV (UTF-8)"),
    (b"\x93NUMPY", "a NumPy array; write it as CSV"),
    (b"\x89HDF", "an HDF5 file; write it as CSV"),
    (b"\x80\x03", "a Python pickle, which is never read; write it as CSV or JSON lines"),
    (b"\x80\x04", "a Python pickle, which is never read; write it as CSV or JSON lines"),
    (b"\x80\x05", "a Python pickle, which is never read; write it as CSV or JSON lines"),
    (b"BZh", "packed with bzip2; unpack it, or use gzip"),
    (b"\xfd7zXZ", "packed with xz; unpack it, or use gzip"),
    (b"\x28\xb5\x2f\xfd", "packed with Zstandard; unpack it, or use gzip"),
    (b"7z\xbc\xaf", "packed with 7-Zip; unpack it"),
    (b"Rar!", "packed with RAR; unpack it"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
)
_OTHER_TEXT = (".yaml", ".yml", ".toml", ".ini", ".tex", ".py", ".ipynb", ".rtf")
_TABLES = (
    ".csv", ".tsv", ".tab", ".json", ".jsonl", ".ndjson", ".xlsx", ".xls", ".ods", ".parquet", ".xml", ".html",
)  # fmt: skip
# HTML or XML: a first tag, a comment or a declaration.
# A tag with a separator behind it is a cell of a table.
_MARKUP = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?!<[^>]*> *[,;\t|])<(?:[?!a-z][\w:-]*[\s/>?]|!--)", re.IGNORECASE)


@dataclass(frozen=True)
class Opened:
    """`stream()` opens the content from its start. size: of the file as it is; most: bytes it may unpack to."""

    name: str
    kind: Kind
    size: int
    most: int
    stream: Callable[[], IO[bytes]]
    path: Path | None = None
    plain: bool = True  # whether the file is the content, packed in nothing
    until: float = math.inf  # of this thread's processor time: reading is over then

    def chunks(self) -> Iterator[bytes]:
        """The content a piece at a time. Raises `InputError` where it is damaged or unpacks to too much."""
        with self.reading() as file:
            while piece := file.read(MEBI):
                yield piece

    def check_time(self) -> None:
        """Raises `InputError` where reading has taken as long as it may."""
        if time.thread_time() > self.until:
            raise InputError(f"{self.name}: it takes too long to read. Keep the rows that matter, without blank ones.")

    @contextmanager
    def reading(self) -> Iterator[IO[bytes]]:
        """The stream; damage to it is raised as `InputError`."""
        try:
            with self.stream() as file:
                yield io.BufferedReader(_Metered(file, self))
        except BROKEN as error:
            raise InputError(f"{self.name}: the packed file is damaged ({error}). Copy it or pack it again.") from None
        except OSError as error:
            raise InputError(f"{self.name}: the file cannot be read ({error.strerror or error}).") from None


class _Metered(io.RawIOBase):
    """A stream that gives no more than it may."""

    def __init__(self, file: IO[bytes], opened: Opened) -> None:
        self.file, self.opened, self.given = file, opened, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        piece = self.file.read(len(buffer))
        buffer[: len(piece)] = piece
        self.given += len(piece)
        if self.given > self.opened.most:
            raise InputError(
                f"{self.opened.name}: there is more than {self.opened.most // MEBI:,} MiB in it. Bring fewer rows."
            )
        return len(piece)


def open_file(path: str | Path, most: int | None = None) -> Opened:
    """A file on disk. most: bytes it may unpack to (default: 64 MiB and thirty times what it takes packed).

    Raises `InputError` where there is none, or it is of a kind that is not read.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise InputError(f"{path}: this is a folder, which cannot be read as a table. Name a file in it.")
        size = path.stat().st_size
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file.") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise InputError(f"{path}: the file cannot be read ({getattr(error, 'strerror', None) or error}).") from None
    most = 64 * MEBI + 30 * size if most is None else most
    return _kind_of(Opened(path.name, "text", size, most, lambda: path.open("rb"), path))


def open_bytes(content: bytes, name: str, most: int | None = None) -> Opened:
    """The content of a file, or of pasted text. most: as in `open_file`."""
    most = 64 * MEBI + 30 * len(content) if most is None else most
    return _kind_of(Opened(name, "text", len(content), most, lambda: io.BytesIO(content)))


def _kind_of(opened: Opened) -> Opened:
    with opened.reading() as file:
        start = file.read(512)
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _in_zip(opened)
    if start.startswith(GZIP):
        return _inner(opened, lambda: gzip.GzipFile(fileobj=opened.stream()), opened.name.removesuffix(".gz"))
    if opened.name.lower().endswith(".gz"):
        raise InputError(f"{opened.name}: the file is damaged: it is not gzip. Copy it or pack it again.")
    return replace(opened, kind=_by_start(start, opened.name))


def _by_start(start: bytes, name: str) -> Kind:
    """What a file is that begins so. Raises `InputError` for what is no table, or none that is read here."""
    if start.startswith(OLD_EXCEL):
        return "workbook"
    if start.startswith((b"PAR1", b"ARROW1", b"\xff\xff\xff\xff")):
        return "parquet"
    if what := next((what for mark, what in _OTHERS if start.startswith(mark)), None):
        raise InputError(f"{name}: this kind of file cannot be read: it is {what}.")
    if start[257:262] == b"ustar":
        raise InputError(f"{name}: this kind of file cannot be read: it is a tar archive; unpack it, or use zip.")
    if _MARKUP.match(start):
        return "markup"
    if name.lower().endswith(_OTHER_TEXT):
        raise InputError(f"{name}: this kind of file cannot be read. Bring CSV, TSV, JSON lines, xlsx or Parquet.")
    return "text"


def _inner(opened: Opened, stream: Callable[[], Any], name: str) -> Opened:
    """What is packed in a file. Whether a zip in it is a workbook, the process that reads it says."""
    inner = replace(opened, plain=False, stream=stream)
    with inner.reading() as file:
        start = file.read(512)
    if start.startswith(b"PK\x03\x04") and name.lower().endswith((".xlsx", ".xlsm", ".ods")):
        return replace(inner, kind="workbook")
    if start.startswith((b"PK\x03\x04", GZIP)):
        raise InputError(f"{opened.name}: another packed file is in it. Unpack it, and bring the table.")
    return replace(inner, kind=_by_start(start, opened.name))


def _in_zip(opened: Opened) -> Opened:
    """A workbook is a zip; another zip is read where one file is in it."""
    with _zip(opened) as packed:
        members = packed.infolist()
        names = {member.filename for member in members}
        if len(members) > MOST_MEMBERS:
            raise InputError(f"{opened.name}: the zip holds {len(members):,} files. Bring one table.")
        if "xl/workbook.xml" in names or "xl/workbook.bin" in names:
            if "xl/workbook.bin" in names:
                raise InputError(f"{opened.name}: this is a binary workbook (.xlsb). Save it as .xlsx.")
            return replace(opened, kind="workbook")
        if "content.xml" in names and "mimetype" in names:
            if b"spreadsheet" in _start_of(packed, "mimetype", opened.name):
                return replace(opened, kind="workbook")
            raise InputError(f"{opened.name}: this is a document, not a table. Save the table as CSV (UTF-8).")
        if "[Content_Types].xml" in names:
            raise InputError(
                f"{opened.name}: this is not a readable .xlsx file: it is another kind of document, or damaged."
                " Save the table as .xlsx or CSV (UTF-8)."
            )
        if any(name.endswith(".iwa") for name in names):
            raise InputError(f"{opened.name}: this is a sheet of Apple Numbers. Export it as CSV or .xlsx.")
        files = [
            member
            for member in members
            if not member.is_dir()
            and not member.filename.startswith("__MACOSX/")
            and ".DS_Store" not in member.filename
        ]
    # Beside the one table a licence or a read-me may lie.
    tables = [member for member in files if member.filename.lower().endswith(_TABLES)] or files
    if len(tables) != 1:
        listed = ", ".join(member.filename for member in tables[:5]) or "none"
        raise InputError(f"{opened.name}: the zip should hold one table; it holds {listed}. Bring the one you mean.")
    (only,) = tables
    if only.flag_bits & 1 or only.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise InputError(f"{opened.name}: {only.filename} has a password, or is packed in an unusual way. Unpack it.")
    return _inner(opened, partial(_unzipped, opened.stream, only), only.filename)


def _start_of(packed: zipfile.ZipFile, member: str, name: str) -> bytes:
    try:
        with packed.open(member) as file:
            return file.read(100)
    except (*BROKEN, *_ODD_ZIP, OSError):
        raise InputError(f"{name}: the packed file is damaged. Copy it or pack it again.") from None


def _unzipped(stream: Callable[[], IO[bytes]], member: zipfile.ZipInfo) -> IO[bytes]:
    try:
        return zipfile.ZipFile(stream()).open(member)
    except _ODD_ZIP as error:
        raise zipfile.BadZipFile(str(error)) from None


def _zip(opened: Opened) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(opened.stream())
    except (*BROKEN, *_ODD_ZIP, OSError):
        raise InputError(
            f"{opened.name}: this is not a readable .xlsx file or zip: it is damaged. Save it again, or as CSV (UTF-8)."
        ) from None
