"""Other people's results: tables with a row a run, of which every cell that is used is checked.

A table is a CSV (with commas, semicolons or tabs), JSON lines (a nested key has dots:
``config.seed``), Parquet, or what MLflow holds. The caller names its columns; other columns are
ignored. In a column ``metric`` several metrics may share one column of values. A run whose value is
missing or not finite has failed.
"""

import codecs
import csv
import hashlib
import io
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from convchoice.config.field_types import LONGEST_KEY, flattened, is_text, name_from
from convchoice.errors import UserError, did_you_mean, require, shortened

METRIC = re.compile(r"[^\W_][\w ./%@()+-]{0,99}")
"""Letters of any alphabet, digits and a few marks: nothing that a page or a terminal acts on."""
METRIC_RULE = "must be 1 to 100 letters, digits, blanks and _./%@()+- , a letter or digit first."
MOST_BYTES = 100_000_000
LARGEST_VALUE = 1e12
MOST_SHOWN = 20
"""Columns that a message lists."""
FORMATS = {
    ".csv": "CSV", ".tsv": "CSV", ".jsonl": "JSON lines", ".ndjson": "JSON lines",
    ".parquet": "Parquet",
}  # fmt: skip
SUFFIXES = tuple(FORMATS)
ACCEPTED = f"CSV, JSON lines or Parquet ({', '.join(SUFFIXES)})"
Row = tuple[str, Mapping[str, Any]]
"""The position of a row, such as ``line 2``, and its cells by column."""


@dataclass(frozen=True)
class Source:
    """The rows of one file or experiment, its name for people and the digest of its content."""

    name: str
    digest: str
    rows: Sequence[Row]


@dataclass(frozen=True)
class Columns:
    """The columns of a table, by their names.

    Attributes:
        arm: one or several; ``*`` and ``?`` stand for other characters. Runs that agree in all of
            them are one arm, named by those that are not the same in every row.
        seed: which runs of two arms belong together.
        value: what is compared.
        metric: the metric's name; with a column of that name, which of its rows are meant.
    """

    arm: Sequence[str] = ("arm",)
    seed: str = "seed"
    value: str = "value"
    metric: str | None = None


@dataclass(frozen=True)
class ResultsTable:
    """The values of one metric, by arm and seed.

    Attributes:
        sources: names of the files or of the experiment.
        digest: SHA-256 of their content, one after another.
        metric: its name.
        values: by arm and seed, the arms in the order of the table.
        labels: by arm, what the table calls it, where that cannot be the name of a file.
        failed: by arm and seed, why a run has no value.
    """

    sources: Sequence[str]
    digest: str
    metric: str
    values: dict[str, dict[int, float]] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    failed: dict[str, dict[int, str]] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The sources' names."""
        return ", ".join(self.sources)


def _text(cell: object) -> str:
    """A cell as a CSV has it."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float) and cell.is_integer() and abs(cell) <= LARGEST_VALUE:
        cell = int(cell)
    return str(cell).strip()


def _csv_rows(text: str) -> Iterator[Row]:
    first = text.partition("\n")[0]
    declared = re.fullmatch(r"sep=(.)\r?", first, re.IGNORECASE)  # a spreadsheet's own line
    delimiter = declared[1] if declared else next((each for each in ",\t;" if each in first), ",")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        if declared:
            next(reader)
        header = [name.strip() for name in next(reader, [])]
        twice = sorted({name for name in header if name and header.count(name) > 1})
        if twice:
            place = f"line {reader.line_num}"
            raise ValueError(f"{place}: the column {shortened(twice[0])} is there twice.")
        for cells in reader:
            if any(cell.strip() for cell in cells):
                if len(cells) != len(header):
                    rule = f"must have {len(header)} cells, and has {len(cells)}."
                    raise ValueError(f"line {reader.line_num}: {rule}")
                yield f"line {reader.line_num}", dict(zip(header, cells, strict=True))
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num}: {error}.") from error


def _json_rows(text: str) -> Iterator[Row]:
    for number, line in enumerate(text.split("\n"), 1):  # other line ends may be within a string
        if line.strip():
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise ValueError(f"line {number}: {getattr(error, 'msg', error)}.") from error
            if not isinstance(row, dict):
                raise ValueError(f"line {number}: must be an object: {{…}}.")
            yield f"line {number}", flattened(row)


def _decoded(raw: bytes) -> str:
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return raw.decode("utf-16")
    try:
        return raw.decode("utf-8-sig")  # spreadsheets put a byte order mark first
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ValueError(f"line {line} is not UTF-8. Save the file as UTF-8.") from error


def _parquet_rows(raw: bytes) -> Iterator[Row]:
    import pyarrow.parquet  # noqa: PLC0415 - slow; comes with MLflow

    rows = pyarrow.parquet.read_table(io.BytesIO(raw)).to_pylist()
    return ((f"row {number}", flattened(row)) for number, row in enumerate(rows, 1))


def read_source(path: Path) -> Source:
    """Read a table's file; its suffix gives the format.

    Raises:
        UserError: naming file and line, for a file that cannot be read or is damaged.
    """
    kind = FORMATS.get(path.suffix.lower(), "JSON lines")
    try:
        if path.stat().st_size > MOST_BYTES:
            raise UserError(f"{path}: is larger than {MOST_BYTES:,} bytes.")
        raw = path.read_bytes()
        if kind == "Parquet":
            rows = list(_parquet_rows(raw))
        else:
            rows = list((_csv_rows if kind == "CSV" else _json_rows)(_decoded(raw)))
    except FileNotFoundError as error:
        raise UserError(f"{path}: there is no such file.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: cannot be read as {kind}: {error}") from error
    return Source(path.name, hashlib.sha256(raw).hexdigest(), rows)


def _refuse(place: str, column: str, cell: object, rule: str) -> UserError:
    return UserError(f"{place}, column {column}: {shortened(cell)}: {rule}")


def _check_columns(source: Source, columns: Iterable[tuple[str, str]]) -> None:
    """Refuse a source that lacks a column; each comes with the option that names it."""
    if not source.rows:
        raise UserError(f"{source.name}: has no row of values.")
    present = list(dict.fromkeys(name for _, row in source.rows for name in row))
    for option, column in columns:
        if not any(fnmatchcase(name, column) or name == column for name in present):
            some = ", ".join(shortened(name)[1:-1] for name in present[:MOST_SHOWN])
            raise UserError(
                f"{source.name}: has no column {shortened(column)}; it has {some or 'none'}."
                f" {did_you_mean(column, present)} Name the column: {option}.".replace("  ", " ")
            )


def _with_metric(sources: Sequence[Source], columns: Columns) -> tuple[str, list[Row]]:
    """The metric's name and its rows, each with its position.

    Raises:
        UserError: for a name that is not legal, or a column `metric` without the named one.
    """
    rows = [
        (f"{source.name}, {place}", row) for source in sources for place, row in source.rows
    ]  # fmt: skip
    name = columns.metric or columns.value
    if any("metric" in row for _, row in rows) and columns.value != "metric":
        found = list(dict.fromkeys(_text(row.get("metric")) for _, row in rows))
        if columns.metric is None and len(found) > 1:
            some = shortened(", ".join(sorted(found)))
            raise UserError(f"The column metric holds several ({some}). Name one: --metric.")
        name = columns.metric or found[0]
        rule = f"the column metric holds {shortened(', '.join(sorted(found)))}."
        require(name in found, "--metric", name, rule)
        rows = [(place, row) for place, row in rows if _text(row.get("metric")) == name]
    require(METRIC.fullmatch(name) is not None, "--metric", name, METRIC_RULE)
    return name, rows


def _arm_columns(rows: Sequence[Row], columns: Columns) -> list[str]:
    """The columns that name an arm; of several, those whose cells are not all the same."""
    present = dict.fromkeys(name for _, row in rows for name in row)
    others = {columns.seed, columns.value}
    found = [
        name
        for name in present
        if name in columns.arm
        or (name not in others and any(fnmatchcase(name, each) for each in columns.arm))
    ]
    if len(found) > 1:
        distinct = {name: {_text(row.get(name)) for _, row in rows} for name in found}
        found = [name for name in found if len(distinct[name]) > 1] or found[:1]
    return found


def _label(place: str, row: Mapping[str, Any], columns: Sequence[str]) -> str:
    texts = {column.removeprefix("params."): _text(row.get(column)) for column in columns}
    label = ", ".join(f"{name}={text}" for name, text in texts.items())
    if len(columns) == 1:
        [label] = texts.values()
    if not is_text(label) or len(label) > LONGEST_KEY:
        rule = f"must be 1 to {LONGEST_KEY} characters, without ${{ and control characters."
        raise _refuse(place, ", ".join(columns), label, rule)
    return label


def results_table(sources: Sequence[Source], columns: Columns) -> ResultsTable:
    """The values of some sources as one table.

    Raises:
        UserError: naming source, place and column, for a column that is missing, a cell that is not
            legal, or an arm that has a seed twice.
    """
    named = [*(("--arm", each) for each in columns.arm), ("--seed", columns.seed)]
    for source in sources:
        _check_columns(source, [*named, ("--value", columns.value)])
    metric, rows = _with_metric(sources, columns)
    digest = hashlib.sha256("".join(each.digest for each in sources).encode()).hexdigest()
    digest = sources[0].digest if len(sources) == 1 else digest
    table = ResultsTable([each.name for each in sources], digest, metric)
    naming, names, places = _arm_columns(rows, columns), dict[str, str](), dict[Any, str]()
    for place, row in rows:
        label = _label(place, row, naming)
        if label not in names:
            names[label] = name_from(label, taken=names.values())
            table.values[names[label]] = {}
            if names[label] != label:
                table.labels[names[label]] = label
        arm, text = names[label], _text(row.get(columns.seed))
        if not re.fullmatch(r"[0-9]{1,10}(\.0*)?", text):
            rule = "must be a whole number of at most 10 digits."
            raise _refuse(place, columns.seed, text, rule)
        seed, value = int(text.partition(".")[0]), _text(row.get(columns.value))
        if first := places.get((arm, seed)):
            rule = f"arm {label} has this seed twice, first in {first}. Is each column that makes"
            rule += " two arms different named with --arm? Else leave one of the two runs out; of"
            rule += " MLflow: --filter \"run_id != 'ID'\"."
            raise _refuse(place, columns.seed, text, rule)
        places[arm, seed] = place
        try:
            number = float(value or "nan")
        except ValueError:
            number = 2 * LARGEST_VALUE
        if not math.isfinite(number):
            reason = f"{place}: {'no value' if not value else f'value {number}'}."
            table.failed.setdefault(arm, {})[seed] = reason
        elif abs(number) > LARGEST_VALUE:
            rule = f"must be a number between ±{LARGEST_VALUE:g}, such as 0.9912."
            rule += " Write a point, not a comma, before decimals." if "," in value else ""
            raise _refuse(place, columns.value, value, rule)
        else:
            table.values[arm][seed] = number
    return table
