"""Other people's results: a plain CSV of arm, seed and value, read with every line checked.

    arm,seed,value
    baseline,0,0.9912
    ours,0,0.9925

A fourth column, ``metric``, may tell several metrics apart; further columns are passed over. The
order of the lines does not matter, but for the first arm, which is the baseline if none is named.
"""

import csv
import hashlib
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from convchoice.config.validation import check_name
from convchoice.errors import ConfigurationError, UserError

COLUMNS = ("arm", "seed", "value")
METRIC = "metric"
Values = Mapping[str, Mapping[int, float]]
"""By arm and seed."""


@dataclass(frozen=True)
class ResultsTable:
    """The values of one or more CSV files."""

    files: tuple[str, ...]
    digest: str
    """SHA-256 of the files' bytes, one after another."""
    metrics: Mapping[str | None, Values]
    """By metric; the one key is None where no file has a column for it."""

    def chosen(self, metric: str | None) -> tuple[str | None, Values]:
        """The values of one metric, and its name if the table or the caller gives one.

        Args:
            metric: None takes the only one there is.

        Raises:
            UserError: if there are several and none is named, or the named one is not there.
        """
        if set(self.metrics) == {None}:
            return metric, self.metrics[None]
        names = ", ".join(sorted(str(name) for name in self.metrics))
        if metric is None and len(self.metrics) > 1:
            raise UserError(f"{self.title}: holds several metrics ({names}). Name one: --metric.")
        name = next(iter(self.metrics)) if metric is None else metric
        if name not in self.metrics:
            raise UserError(f"{self.title}: holds no metric {name!r}; there is {names}.")
        return name, self.metrics[name]

    @property
    def title(self) -> str:
        """The files' names."""
        return ", ".join(self.files)


def _refuse(path: Path, line: int, column: str, value: object, rule: str) -> UserError:
    return UserError(f"{path}, line {line}, column {column}: {value!r}: {rule}")


def _rows(path: Path, text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Each line's number and cells by column, blank lines left out.

    Raises:
        UserError: for a missing or repeated column, or a line with other cells than columns.
    """
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        for column in COLUMNS:
            if header.count(column) != 1:
                raise _refuse(
                    path, 1, column, ",".join(header),
                    f"the first line must name the columns {', '.join(COLUMNS)} once each,"
                    " with commas between.",
                )  # fmt: skip
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                raise _refuse(
                    path, reader.line_num, header[min(len(cells), len(header) - 1)],
                    ",".join(cells), f"must have {len(header)} cells, and has {len(cells)}.",
                )  # fmt: skip
            stripped = [cell.strip() for cell in cells]
            yield reader.line_num, dict(zip(header, stripped, strict=True))
    except csv.Error as error:
        raise UserError(f"{path}, line {reader.line_num}: is no CSV: {error}.") from error


def _cells(path: Path, line: int, row: Mapping[str, str]) -> tuple[str, int, float]:
    arm, seed, value = (row[column] for column in COLUMNS)
    try:
        check_name("arm", arm)
    except ConfigurationError as error:
        rule = str(error).partition(": ")[2]
        raise _refuse(path, line, "arm", arm, rule) from error
    if not (seed.isascii() and seed.isdigit()):
        raise _refuse(path, line, "seed", seed, "must be a whole number, 0 or more.")
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise _refuse(path, line, "value", value, "must be a finite number, such as 0.9912.")
    return arm, int(seed), number


def read_tables(paths: Sequence[Path]) -> ResultsTable:
    """Read CSV files as one table.

    Raises:
        UserError: naming file, line, column and rule, for a file that cannot be read, is no such
            table, or tells of one arm, seed and metric twice.
    """
    metrics: dict[str | None, dict[str, dict[int, float]]] = {}
    places: dict[tuple[str | None, str, int], str] = {}
    digest = hashlib.sha256()
    for path in paths:
        try:
            raw = path.read_bytes()
            text = raw.decode("utf-8-sig")  # spreadsheets put a mark first
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{path}: cannot be read as UTF-8 text: {error}") from error
        digest.update(raw)
        for line, row in _rows(path, text):
            arm, seed, value = _cells(path, line, row)
            metric = row.get(METRIC)
            if metric == "":
                raise _refuse(path, line, METRIC, "", "must not be empty.")
            before = places.setdefault((metric, arm, seed), f"{path}, line {line}")
            if before != f"{path}, line {line}":
                raise _refuse(
                    path, line, "seed", seed, f"arm {arm} has this seed already in {before}."
                )
            metrics.setdefault(metric, {}).setdefault(arm, {})[seed] = value
    if not metrics:
        raise UserError(f"{paths[0]}: holds no line of values below its first line.")
    if None in metrics and len(metrics) > 1:
        raise UserError("Either every file or none must have a column metric.")
    return ResultsTable(tuple(path.name for path in paths), digest.hexdigest(), metrics)
