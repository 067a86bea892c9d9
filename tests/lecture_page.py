"""docs/lecture.md taken apart: prose, code blocks, tables."""

import re

from convchoice.config.validation import PROJECT_ROOT

PATH = PROJECT_ROOT / "docs" / "lecture.md"
PAGE = PATH.read_text(encoding="utf-8")
PROSE = re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL)
FENCES: list[tuple[str, str]] = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)
"""Language and text of every code block."""

Row = list[str]
Table = tuple[Row, list[Row]]
"""Head and rows."""

WORDED = (["command", "what it does"], ["study"], ["", "slide"])
"""How the tables begin that hold sentences and not numbers."""


def cells(line: str) -> Row:
    """The cells of one line of a table."""
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def tables() -> list[Table]:
    """Every table of the page, in order."""
    found = re.findall(r"(?:^\|.*\n)+", PROSE, re.MULTILINE)
    return [
        (cells(head), [cells(row) for row in rows])
        for head, _, *rows in (table.splitlines() for table in found)
    ]


def table_that_begins(*head: str) -> Table:
    """The first table whose head begins so."""
    return next(table for table in tables() if table[0][: len(head)] == list(head))


def is_worded(table: Table) -> bool:
    """Whether it holds sentences."""
    return any(table[0][: len(begin)] == begin for begin in WORDED)


def number_tables() -> list[Table]:
    """The tables that hold numbers."""
    return [table for table in tables() if not is_worded(table)]


def named(code: str) -> str:
    """What stands between backticks."""
    assert code.startswith("`")
    return code.strip("`")
