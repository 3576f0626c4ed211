"""Errors a person can act on: each message says what is wrong, where, and what to do. The rest are bugs."""


class PrefixError(Exception):
    """Anything below; the command line prints it as one line and exits with 2, the app shows it as it is."""


class InputError(PrefixError, ValueError):
    """What was typed, pasted, uploaded or asked for cannot be used."""


class BaseError(PrefixError):
    """A language model cannot be found, loaded, or given a prefix."""


class ArtifactError(PrefixError):
    """A saved prefix or saved weights cannot be read, or belong to another base."""


class DiskError(PrefixError):
    """The disk is full, or may not be written."""


class EmptyCell(InputError):
    """A row has nothing where its input or its text should be; it can be left out."""


class SeveralRecords(InputError):
    """Where one input was expected, several came. records: what the task reads each of them into."""

    def __init__(self, records: "tuple[object, ...]") -> None:
        self.records = records
        super().__init__(
            f"These are {len(records)} records, and only one can be written here at a time. Give one of them, or put "
            "them all into a file."
        )
