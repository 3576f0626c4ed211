"""A file as bytes that can be read again and again: on disk or in memory, plain, in gzip, or alone in a zip.

What a file is, its first bytes say, not its name. Nothing unpacks to more than `most` bytes.
"""

import gzip
import io
import math
import struct
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import IO, Literal, cast

from prefix_core.errors import InputError

Kind = Literal["text", "workbook", "parquet"]

MEBI = 1 << 20
MOST_MEMBERS = 2000
BROKEN = (gzip.BadGzipFile, zipfile.BadZipFile, EOFError, zlib.error)

# The first bytes of what is no table, or not one that is read here, and what to do.
_OTHERS: tuple[tuple[bytes, str], ...] = (
    (b"\xd0\xcf\x11\xe0", "an old Excel file (.xls) or a workbook with a password; save it as .xlsx, without one"),
    (b"%PDF", "a PDF"),
    (b"{\\rtf", "a rich-text document"),
    (b"SQLite format 3", "a database; write the table as CSV"),
    (b"ARROW1", "an Arrow file; write it as Parquet (to_parquet) or JSON lines (to_json)"),
    (b"\xff\xff\xff\xff", "an Arrow stream; write it as Parquet (to_parquet) or JSON lines (to_json)"),
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
_OTHER_TEXT = (".yaml", ".yml", ".xml", ".html", ".htm", ".tex", ".py", ".ipynb", ".rtf")


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
    if start.startswith(b"PK\x03\x04") or start.startswith(b"PK\x05\x06"):
        return _in_zip(opened)
    if start.startswith(b"\x1f\x8b"):
        unpacked = replace(opened, plain=False, stream=partial(_gunzipped, opened.stream))
        with unpacked.reading() as file:
            file.read(1)  # damaged from the start?
        return unpacked
    if opened.name.lower().endswith(".gz"):
        raise InputError(f"{opened.name}: the gzip file is damaged (it is none). Copy it or pack it again.")
    if start.startswith(b"PAR1"):
        return replace(opened, kind="parquet")
    if what := next((what for mark, what in _OTHERS if start.startswith(mark)), None):
        raise InputError(f"{opened.name}: this kind of file is not read: it is {what}.")
    if start[:256].lstrip(b"\xef\xbb\xbf \r\n\t").lower().startswith((b"<!doctype", b"<html", b"<table", b"<?xml")):
        raise InputError(
            f"{opened.name}: this kind of file is not read: it is a page of HTML or XML. Open it in a spreadsheet"
            " program and save the table as CSV (UTF-8)."
        )
    if opened.name.lower().endswith(_OTHER_TEXT):
        raise InputError(f"{opened.name}: this kind of file is not read. Bring CSV, TSV, JSON lines, xlsx or Parquet.")
    return opened


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
            raise InputError(f"{opened.name}: this is a document, no table. Save the table as CSV (UTF-8).")
        if "[Content_Types].xml" in names:
            raise InputError(
                f"{opened.name}: this is no readable .xlsx file, but another kind of document, or a damaged one."
                " Save the table as .xlsx or CSV (UTF-8)."
            )
        tables = [
            member
            for member in members
            if not member.is_dir()
            and not member.filename.startswith("__MACOSX/")
            and ".DS_Store" not in member.filename
        ]
    if len(tables) != 1:
        listed = ", ".join(member.filename for member in tables[:5]) or "none"
        raise InputError(
            f"{opened.name}: the zip should hold one table; it holds {listed}. Bring the one that is meant."
        )
    (only,) = tables
    if only.flag_bits & 1 or only.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise InputError(f"{opened.name}: {only.filename} has a password, or is packed in an unusual way. Unpack it.")
    if only.filename.lower().endswith((".xlsx", ".ods", ".parquet", ".zip", ".gz")):
        raise InputError(f"{opened.name}: unpack {only.filename} and bring it as it is.")
    inner = replace(opened, plain=False, stream=partial(_unzipped, opened.stream, only))
    with inner.reading() as file:
        if b"\0" in file.read(4096):
            raise InputError(f"{opened.name}: {only.filename} is no text. Unpack it and bring it as it is.")
    return inner


def _start_of(packed: zipfile.ZipFile, member: str, name: str) -> bytes:
    try:
        with packed.open(member) as file:
            return file.read(100)
    except (*BROKEN, OSError, ValueError, NotImplementedError, RuntimeError, struct.error):
        raise InputError(f"{name}: the packed file is damaged. Copy it or pack it again.") from None


def _gunzipped(stream: Callable[[], IO[bytes]]) -> IO[bytes]:
    return cast(IO[bytes], gzip.GzipFile(fileobj=stream()))


def _unzipped(stream: Callable[[], IO[bytes]], member: zipfile.ZipInfo) -> IO[bytes]:
    try:
        return zipfile.ZipFile(stream()).open(member)
    except (ValueError, NotImplementedError, RuntimeError, struct.error) as error:
        raise zipfile.BadZipFile(str(error)) from None


def _zip(opened: Opened) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(opened.stream())
    except (*BROKEN, OSError, ValueError, NotImplementedError, struct.error):
        raise InputError(
            f"{opened.name}: this is no readable .xlsx file or zip; it is damaged. Save it again, or as CSV (UTF-8)."
        ) from None
