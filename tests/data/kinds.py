"""Small files as people's tools write them, each made here."""

import json
from collections.abc import Sequence

from tests.data.makers import MAIN, OFFICE, arrow, old_workbook, open_document, sheet, workbook, zipped, zipped_anew

ROWS = [(f"name[Inn {n}], area[quay]", f"Inn {n} is on the quay.") for n in range(12)]


def table(separator: str = ",", head: Sequence[str] = ("mr", "ref"), end: str = "\n", quotes: bool = True) -> str:
    """The rows as text; quotes: around cells."""
    quote = '"' if quotes else ""
    lines = [separator.join(head), *(separator.join(f"{quote}{cell}{quote}" for cell in row) for row in ROWS)]
    return end.join(lines) + end


def lines(*records: object) -> bytes:
    return "".join(json.dumps(record) + "\n" for record in records).encode()


HEAD_AND_ROWS = [("mr", "ref"), *ROWS]
OBJECTS = [{"mr": mr, "ref": ref} for mr, ref in ROWS]
PLAIN_TSV = table("\t", quotes=False)
HTML = "".join(f"<tr><td>{mr}<td>{ref}</td></tr>\n" for mr, ref in ROWS)
PIPES = "".join(f"| {mr} | {ref} |\n" for mr, ref in ROWS)
ARRAY = ",\n".join(json.dumps(record) for record in OBJECTS)

# Every one of these is the twelve rows above, in the columns that are their names.
THE_TWELVE: dict[str, bytes] = {
    "plain.csv": table().encode(),
    "numbered_by_r.csv": b'"mr","ref"\n' + b"".join(
        f'"{number}","{mr}","{ref}"\n'.encode() for number, (mr, ref) in enumerate(ROWS, 1)
    ),
    "blocks.txt": "\n".join(f"mr: {mr}\nref: {ref}\n" for mr, ref in ROWS).encode(),
    "python.jsonl": "".join(f"{ {'mr': mr, 'ref': ref, 'ok': True}!r}\n" for mr, ref in ROWS).encode(),
    "crlf.csv": table(end="\r\n").encode(),
    "cr.csv": table(end="\r").encode(),
    "cr.tsv": table("\t", end="\r", quotes=False).encode(),
    "crcrlf.csv": table(end="\r\r\n").encode(),
    "semicolon.csv": table(";", quotes=False).encode(),
    "pipe.csv": table("|", quotes=False).encode(),
    "tab.csv": PLAIN_TSV.encode(),
    "unknown.dat": table(";").encode(),
    "named.txt": PLAIN_TSV.encode(),
    "space_after_comma.csv": table(", ").encode(),
    "sep_line.csv": b"sep=;\r\n" + table(";", end="\r\n", quotes=False).encode(),
    "comment.csv": b"# exported 2024-01-01\n" + table().encode(),
    "blank_first.csv": b"\n\n" + table().encode(),
    "blank_first_semicolon.csv": b"\n" + table(";", quotes=False).encode(),
    "blank_between.csv": table(end="\n\n").encode(),
    "title.csv": b"Our inns,\n" + table().encode(),
    "double_bom.csv": ("\ufeff\ufeff" + table()).encode(),
    "bom_in_a_cell.csv": table().replace("name[Inn 3", "\ufeffname[Inn 3").encode(),
    "ctrl_z.csv": table().encode() + b"\x1a",
    "utf16.csv": table().encode("utf-16"),
    "utf16_without_its_mark.csv": table().encode("utf-16-le"),
    "utf32.tsv": PLAIN_TSV.encode("utf-32"),
    "trailing_columns.csv": table().replace("\n", ",,\n").encode(),
    "pandas_index.csv": "\n".join(
        f"{'' if n == 0 else n - 1},{line}" for n, line in enumerate(table().splitlines())
    ).encode(),
    "pandas_index_again.csv": "\n".join(
        f"{'Unnamed: 0' if n == 0 else n - 1},{line}" for n, line in enumerate(table().splitlines())
    ).encode(),
    "joined_with_heads.csv": (table() + "mr,ref\n").encode(),
    "backslashes.csv": ("mr,ref,note\n" + "".join(f'"{mr}","{ref}","a \\"b\\", c"\n' for mr, ref in ROWS)).encode(),
    "table.md": ("| mr | ref |\n|---|:-:|\n" + "".join(f"| {mr} | {ref} |\n" for mr, ref in ROWS)).encode(),
    "lines.jsonl": lines(*OBJECTS),
    "lines.json": lines(*OBJECTS),
    "array.json": json.dumps(OBJECTS).encode(),
    "array.jsonl": json.dumps(OBJECTS).encode(),
    "pretty.jsonl": json.dumps(OBJECTS, indent=1).encode(),
    "pretty_objects.json": "\n".join(json.dumps(record, indent=1) for record in OBJECTS).encode(),
    "commas.jsonl": ",\n".join(json.dumps(record) for record in OBJECTS).encode(),
    "comments.jsonl": b"// our inns\n" + lines(*OBJECTS) + b"# end\n",
    "data.json": json.dumps({"version": "1", "data": OBJECTS}).encode(),
    "viewer.json": json.dumps({"rows": [{"row_idx": n, "row": row} for n, row in enumerate(OBJECTS)]}).encode(),
    "split.json": json.dumps({"columns": ["mr", "ref"], "index": list(range(12)), "data": ROWS}).encode(),
    "columns.json": json.dumps({"mr": [mr for mr, _ in ROWS], "ref": [ref for _, ref in ROWS]}).encode(),
    "by_column.json": json.dumps(
        {"mr": {str(n): mr for n, (mr, _) in enumerate(ROWS)}, "ref": {str(n): ref for n, (_, ref) in enumerate(ROWS)}}
    ).encode(),
    "by_index.json": json.dumps({str(n): record for n, record in enumerate(OBJECTS)}).encode(),
    "values.json": json.dumps(HEAD_AND_ROWS).encode(),
    "ragged.jsonl": lines(*({**record, "note": "x"} if n == 5 else record for n, record in enumerate(OBJECTS))),
    "gem.jsonl": lines(*({"gem_id": f"e-{n}", "meaning_representation": mr, "target": ref, "references": []}
                         for n, (mr, ref) in enumerate(ROWS))),
    "null_references.jsonl": lines(*({"mr": mr, "references": None, "ref": ref} for mr, ref in ROWS)),
    "empty_reference.jsonl": lines(*({"mr": mr, "references": [ref, ""]} for mr, ref in ROWS)),
    "cleaned.csv": ("mr,ref,fixed,orig_mr\n"
        + "".join(f'"{mr}","{ref}",1,"{mr}, near[x]"\n' for mr, ref in ROWS)).encode(),
    "ids.csv": ("gem_id,mr,ref\n" + "".join(f'e-{n},"{mr}","{ref}"\n' for n, (mr, ref) in enumerate(ROWS))).encode(),
    "plain.xlsx": workbook(sheet(HEAD_AND_ROWS, "A1:B13")),
    "no_size.xlsx": workbook(sheet(HEAD_AND_ROWS)),
    "size_a1.xlsx": workbook(sheet(HEAD_AND_ROWS, "A1")),
    "size_a1a1.xlsx": workbook(sheet(HEAD_AND_ROWS, "A1:A1")),
    "size_b2.xlsx": workbook(sheet(HEAD_AND_ROWS, "A1:B5")),
    "named_csv.csv": workbook(sheet(HEAD_AND_ROWS, "A1:B13")),
    "far_cell.xlsx": workbook(sheet([*HEAD_AND_ROWS, ()], "A1:XFD9000").replace(
        '<row r="14"></row>', '<row r="9000"><c r="XFD9000" t="inlineStr"><is><t> </t></is></c></row>')),
    "hidden_first.xlsx": workbook(
        sheet([("key", "value"), ("k", "v")]), sheet(HEAD_AND_ROWS), states=("hidden", "visible")),
    "readme_first.xlsx": workbook(sheet([("Read me",), ("All about inns",)]), sheet(HEAD_AND_ROWS)),
    "title.xlsx": workbook(sheet(
        [("Our inns",), (), *HEAD_AND_ROWS], after='<mergeCells><mergeCell ref="A1:B1"/></mergeCells>')),
    "line_break.xlsx": workbook(sheet(
        [HEAD_AND_ROWS[0], *((mr, ref.replace(" ", "_x000D_\n", 1)) for mr, ref in ROWS)])),
    "formula.xlsx": workbook(sheet([("mr", "ref"), *(
        (mr, f'<c r="B{n}" t="str"><f>"Inn "</f><v>{ref}</v></c>') for n, (mr, ref) in enumerate(ROWS, 2))])),
    "blanks_by_r.txt": b'"mr" "ref"\n' + b"".join(
        f'"{number}" "{mr}" "{ref}"\n'.encode() for number, (mr, ref) in enumerate(ROWS, 1)
    ),
    "single_quotes.csv": table().replace('"', "'").replace("mr,ref", "'mr','ref'").encode(),
    "kept_from_excel.csv": ("mr,ref\n" + "".join(f'"=""{mr}""",="{ref}"\n' for mr, ref in ROWS)).encode(),
    "sep_and_its_mark.csv": ("\ufeffsep=;\r\n" + table(";", quotes=False)).encode("utf-16-le"),
    "within_words.md": f"# Our inns\n\nAll, of them.\n\n| mr | ref |\n|---|---|\n{PIPES}\nThat was all.\n".encode(),
    "mysql.txt": f"+----+-----+\n| mr | ref |\n+----+-----+\n{PIPES}+----+-----+\n12 rows in set (0.00 sec)\n".encode(),
    "psql.txt": ("  mr | ref \n-----+-----\n" + "".join(
        f" {mr} | {ref}\n" for mr, ref in ROWS) + "(12 rows)\n").encode(),
    "comma_at_the_end.json": f"[{ARRAY},\n]".encode(),
    "comments_within.json": ("[ // ours\n" + ARRAY.replace(",\n", ", /* and */\n", 2) + "\n]").encode(),
    "one_behind_another.jsonl": "".join(json.dumps(record) for record in OBJECTS).encode(),
    "text_sequence.json": "".join(f"\x1e{json.dumps(record)}\n" for record in OBJECTS).encode(),
    "python.json": repr(OBJECTS).encode(),
    "entries.json": json.dumps({"entries": [{str(n): record} for n, record in enumerate(OBJECTS, 1)]}).encode(),
    "in_one.jsonl": lines(*({"data": record} for record in OBJECTS)),
    "pandas_table.json": json.dumps({"schema": {"fields": [{"name": "mr"}], "primaryKey": ["index"]},
                                     "data": [{"index": n, **record} for n, record in enumerate(OBJECTS)]}).encode(),
    "rows.xml": ("<?xml version='1.0'?><inns><!-- ours -->" + "".join(
        f"<inn><mr>{mr}</mr><ref>{ref}</ref></inn>" for mr, ref in ROWS) + "</inns>").encode(),
    "attributes.xml": ("<posts>" + "".join(
        f'<row Id="{n}" mr="{mr}" ref="{ref}"/>' for n, (mr, ref) in enumerate(ROWS)) + "</posts>").encode(),
    "mysql.xml": ("<resultset>" + "".join(
        f'<row><field name="mr">{mr}</field><field name="ref">{ref}</field></row>' for mr, ref in ROWS)
        + "</resultset>").encode(),
    "page.xls": f"<html><body><table><tr><th>mr<th>ref</tr>{HTML}</table></body></html>".encode(),
    "dataframe.html": ("<table><thead><tr><th></th><th>mr</th><th>ref</th></tr></thead>"
        + HTML.replace("<tr>", "<tr><th>0</th>") + "</table>").encode(),
    "plain.xls": old_workbook(HEAD_AND_ROWS),
    "strict.xlsx": zipped_anew(workbook(sheet(HEAD_AND_ROWS)), {
        MAIN: "http://purl.oclc.org/ooxml/spreadsheetml/main",
        OFFICE: "http://purl.oclc.org/ooxml/officeDocument/relationships"}),
    "workbook.zip": zipped(inns_xlsx=workbook(sheet(HEAD_AND_ROWS)), LICENSE=b"Ours."),
    "with_a_read_me.zip": zipped(inns_csv=table().encode(), README_md=b"# Inns", LICENSE=b"Ours."),
    "feather.arrow": arrow(OBJECTS, whole=True),
    "stream.arrow": arrow(OBJECTS, whole=False),
    "plain.ods": open_document("".join(
        "<table:table-row>" + "".join(f"<table:table-cell><text:p>{part}</text:p></table:table-cell>" for part in row)
        + "</table:table-row>" for row in HEAD_AND_ROWS)),
}  # fmt: skip
