"""What was read of a file, and how: the report that goes with every reading."""

from dataclasses import dataclass, field

from prefix_core.errors import InputError

TOLD = 5  # rows left out, or notes of one kind, that are named; more are counted


@dataclass
class Report:
    """Filled while a file is read; complete when the last row is out.

    kind: what the file is ("CSV"); sheet: of a workbook; rows: handed on; columns: those of the rows, in order; inputs,
    targets: what columns are taken as; left_out: (row, what of it and why).
    """

    name: str
    kind: str = ""
    encoding: str = ""
    separator: str = ""
    sheet: str = ""
    rows: int = 0
    columns: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    left_out: list[tuple[int, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Remember what a reader should know; the same thing once."""
        if text not in self.notes:
            self.notes.append(text)

    def lines(self) -> list[str]:
        """The report in words, one fact a line."""
        how = [self.kind, self.encoding, self.separator and f"separated by {self.separator}"]
        how += [f"sheet “{self.sheet}”"] if self.sheet else []
        rows = f"{self.rows:,} row{'s' * (self.rows != 1)}"
        lines = [f"{self.name}: {', '.join(filter(None, [*how, rows]))}"]
        if self.columns:
            lines.append(f"columns: {', '.join(self.columns)}")
        if self.inputs:
            lines.append(f"input: {', '.join(self.inputs)}; text: {', '.join(self.targets)}")
        lines += [f"row {row}: {what}" for row, what in self.left_out[:TOLD]]
        if len(self.left_out) > TOLD:
            lines.append(f"… and so in {len(self.left_out) - TOLD:,} more rows")
        return lines + self.notes[: 2 * TOLD]


class SeveralSheets(InputError):
    """A workbook has several visible sheets with rows. sheets: their names, to choose from."""

    def __init__(self, name: str, sheets: tuple[str, ...]) -> None:
        self.sheets = sheets
        listed = ", ".join(f"“{sheet}”" for sheet in sheets)
        super().__init__(f"{name}: several sheets hold rows: {listed}. Choose one.")
