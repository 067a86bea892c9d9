"""Other people's results: a CSV of arm, seed and value, with every line checked.

    arm,seed,value
    baseline,0,0.9912
    ours,0,0.9925

A column ``metric`` may hold the names of several metrics; other columns are ignored. The first arm
is the baseline if none is named.
"""

import csv
import hashlib
import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from convchoice.analysis.measure import Measure
from convchoice.config.validation import check_name
from convchoice.errors import ConfigurationError, UserError, shortened

COLUMNS = ("arm", "seed", "value")
METRIC = "metric"
METRIC_PATTERN = re.compile(r"[^\W_][\w ./%@()+-]{0,99}")
"""Letters of any alphabet, digits and a few marks: nothing that a page or a terminal acts on."""
LARGEST_VALUE = 1e12
LARGEST_SEED = 2**32 - 1
MOST_BYTES = 100_000_000
Values = Mapping[str, Mapping[int, float]]
"""By arm and seed."""


@dataclass(frozen=True)
class ResultsTable:
    """The values of one or more CSV files.

    Attributes:
        files: their names.
        digest: SHA-256 of the files' bytes, one after another.
        metrics: values by metric; the only key is None if no file has a column `metric`.
    """

    files: tuple[str, ...]
    digest: str
    metrics: Mapping[str | None, Values]

    def chosen(self, metric: str | None) -> tuple[str | None, Values]:
        """The values of one metric, and its name if the table or the caller gives one.

        Args:
            metric: None takes the only one.

        Raises:
            UserError: if there are several and none is named, or the named one is missing.
        """
        if metric is not None:
            check_metric("--metric", metric)
        if set(self.metrics) == {None}:
            return metric, self.metrics[None]
        names = ", ".join(sorted(map(str, self.metrics)))
        if metric is None and len(self.metrics) > 1:
            raise UserError(f"{self.title}: holds several metrics ({names}). Name one: --metric.")
        name = metric or next(iter(self.metrics))
        if name not in self.metrics:
            raise UserError(f"{self.title}: holds no metric {name!r}; it holds {names}.")
        return name, self.metrics[name]

    def check_fractions(self, values: Values, measure: Measure) -> None:
        """Refuse accuracies that are not fractions of 1.

        Raises:
            UserError: naming the arm and seed of the first one.
        """
        for arm, by_seed in values.items() if measure.unit == "percentage points" else ():
            for seed, value in by_seed.items():
                if not 0 <= value <= 1:
                    raise UserError(
                        f"{self.title}: arm {arm}, seed {seed}, column value: {value}:"
                        f" {measure.metric} is a fraction of 1. Divide percentages by 100, or use"
                        " another name, such as --metric percent_correct --higher-is-better"
                        " --margin 0.1."
                    )

    @property
    def title(self) -> str:
        """The files' names."""
        return ", ".join(self.files)


def check_metric(field: str, name: str) -> None:
    """Refuse a metric's name that a page or a terminal could act on.

    Raises:
        ConfigurationError: unless it is 1 to 100 letters, digits, blanks and ``_ . / % @ ( ) + -``.
    """
    if not METRIC_PATTERN.fullmatch(name):
        raise ConfigurationError(
            field, name,
            "must be 1 to 100 letters, digits, blanks and _ . / % @ ( ) + - , a letter or digit"
            " first.",
        )  # fmt: skip


def _refuse(path: Path, line: int, column: str, value: str, rule: str) -> UserError:
    return UserError(f"{path}, line {line}, column {column}: {shortened(value)}: {rule}")


def _rows(path: Path, text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Each line's number and cells by column, without blank lines.

    Raises:
        UserError: for a missing or repeated column, or a line with other cells than columns.
    """
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        for column in COLUMNS:
            if header.count(column) != 1:
                names = f"{', '.join(COLUMNS)} once each, separated by commas"
                rule = f"the first line must name the columns {names}."
                raise _refuse(path, 1, column, ",".join(header), rule)
        for cells in reader:
            row = [cell.strip() for cell in cells]
            if not any(row):
                continue
            if len(row) != len(header):
                column = header[min(len(row), len(header) - 1)]
                rule = f"must have {len(header)} cells, and has {len(row)}."
                raise _refuse(path, reader.line_num, column, ",".join(row), rule)
            yield reader.line_num, dict(zip(header, row, strict=True))
    except csv.Error as error:
        raise UserError(f"{path}, line {reader.line_num}: is not CSV: {error}.") from error


def _cells(path: Path, line: int, row: Mapping[str, str]) -> tuple[str | None, str, int, float]:
    for column, check in ((METRIC, check_metric), ("arm", check_name)):
        try:
            check(column, row.get(column, "metric"))
        except ConfigurationError as error:
            rule = str(error).rpartition(": ")[2]
            raise _refuse(path, line, column, row[column], rule) from error
    arm, seed, value = (row[column] for column in COLUMNS)
    digits = seed.isascii() and seed.isdigit() and len(seed) <= len(str(LARGEST_SEED))
    if not digits or int(seed) > LARGEST_SEED:
        rule = f"must be a whole number from 0 to {LARGEST_SEED}."
        raise _refuse(path, line, "seed", seed, rule)
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not abs(number) <= LARGEST_VALUE:
        rule = f"must be a number between ±{LARGEST_VALUE:g}, such as 0.9912."
        raise _refuse(path, line, "value", value, rule)
    return row.get(METRIC), arm, int(seed), number


def _text(path: Path) -> tuple[bytes, str]:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise UserError(f"{path}: is larger than {MOST_BYTES:,} bytes.")
        raw = path.read_bytes()
        return raw, raw.decode("utf-8-sig")  # spreadsheets put a byte order mark first
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as UTF-8 text: {error}") from error


def read_tables(paths: Sequence[Path]) -> ResultsTable:
    """Read CSV files as one table.

    Raises:
        UserError: naming file, line, column and rule, for a file that cannot be read, is not such
            a table, or has an arm, seed and metric twice.
    """
    metrics: dict[str | None, dict[str, dict[int, float]]] = {}
    places: dict[tuple[str | None, str, int], str] = {}
    digest = hashlib.sha256()
    for path in paths:
        raw, text = _text(path)
        digest.update(raw)
        for line, row in _rows(path, text):
            metric, arm, seed, value = _cells(path, line, row)
            place = f"{path}, line {line}"
            before = places.setdefault((metric, arm, seed), place)
            if before != place:
                rule = f"arm {arm} has this seed already in {before}."
                raise _refuse(path, line, "seed", str(seed), rule)
            metrics.setdefault(metric, {}).setdefault(arm, {})[seed] = value
    if not metrics:
        raise UserError(f"{paths[0]}: has no line of values below its first line.")
    if None in metrics and len(metrics) > 1:
        raise UserError("Either every file or none must have a column metric.")
    return ResultsTable(tuple(path.name for path in paths), digest.hexdigest(), metrics)
