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
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from convchoice.analysis.measure import Measure
from convchoice.config.field_types import NAME_RULE, is_name
from convchoice.errors import UserError, require, shortened

COLUMNS = ("arm", "seed", "value")
METRIC = re.compile(r"[^\W_][\w ./%@()+-]{0,99}")
"""Letters of any alphabet, digits and a few marks: nothing that a page or a terminal acts on."""
METRIC_RULE = "must be 1 to 100 letters, digits, blanks and _./%@()+- , a letter or digit first."
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

    @property
    def title(self) -> str:
        """The files' names."""
        return ", ".join(self.files)

    def chosen(self, metric: str | None) -> tuple[str | None, Values]:
        """The values of one metric, and its name if the table or the caller gives one.

        Args:
            metric: None takes the only one.

        Raises:
            UserError: if there are several and none is named, or the named one is missing.
        """
        legal = metric is None or METRIC.fullmatch(metric) is not None
        require(legal, "--metric", metric, METRIC_RULE)
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


def _is_value(cell: str) -> bool:
    try:
        return abs(float(cell)) <= 1e12  # noqa: PLR2004 - the rule names it
    except ValueError:
        return False


RULES: dict[str, tuple[Callable[[str], object], str]] = {
    "metric": (METRIC.fullmatch, METRIC_RULE),
    "arm": (is_name, NAME_RULE),
    "seed": (re.compile(r"[0-9]{1,10}").fullmatch, "must be a whole number of at most 10 digits."),
    "value": (_is_value, "must be a number between ±1e+12, such as 0.9912."),
}
"""By column, whether a cell is legal, and the rule in words."""


def _refuse(path: Path, line: int, column: str, value: str, rule: str) -> UserError:
    return UserError(f"{path}, line {line}, column {column}: {shortened(value)}: {rule}")


def _rows(path: Path, text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Each line's number and checked cells by column, without blank lines."""
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
            named = dict(zip(header, row, strict=True))
            for column, (holds, rule) in RULES.items():
                if column in named and not holds(named[column]):
                    raise _refuse(path, reader.line_num, column, named[column], rule)
            yield reader.line_num, named
    except csv.Error as error:
        raise UserError(f"{path}, line {reader.line_num}: is not CSV: {error}.") from error


def read_tables(paths: Sequence[Path]) -> ResultsTable:
    """Read CSV files as one table.

    Raises:
        UserError: naming file, line, column and rule, for a file that cannot be read, is not such
            a table, or has an arm, seed and metric twice.
    """
    metrics: dict[str | None, dict[str, dict[int, float]]] = {}
    digest = hashlib.sha256()
    for path in paths:
        try:
            if path.stat().st_size > MOST_BYTES:
                raise UserError(f"{path}: is larger than {MOST_BYTES:,} bytes.")
            raw = path.read_bytes()
            text = raw.decode("utf-8-sig")  # spreadsheets put a byte order mark first
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{path}: cannot be read as UTF-8 text: {error}") from error
        digest.update(raw)
        for line, row in _rows(path, text):
            arm, seed = row["arm"], int(row["seed"])
            by_seed = metrics.setdefault(row.get("metric"), {}).setdefault(arm, {})
            if seed in by_seed:
                raise _refuse(path, line, "seed", row["seed"], f"arm {arm} has this seed twice.")
            by_seed[seed] = float(row["value"])
    if not metrics:
        raise UserError(f"{paths[0]}: has no line of values below its first line.")
    if None in metrics and len(metrics) > 1:
        raise UserError("Either every file or none must have a column metric.")
    return ResultsTable(tuple(path.name for path in paths), digest.hexdigest(), metrics)
