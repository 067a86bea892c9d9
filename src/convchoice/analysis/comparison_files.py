"""The files of a study's result.

`comparison.json` holds everything, see `docs/comparison.md`. `metrics.json` has the few numbers of
`dvc metrics show`, `differences.csv` the contrasts as a table.
"""

import csv
import hashlib
import io
import json
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from convchoice.analysis.result import SCHEMA_VERSION, Comparison
from convchoice.analysis.result_types import Model
from convchoice.analysis.survival import SURVIVAL
from convchoice.analysis.variance_sources import VARIANCE
from convchoice.errors import RunFolderError, UserError, shortened
from convchoice.runs.output_files import write_output
from convchoice.runs.run_folder import json_text

COMPARISON = "comparison.json"
METRICS = "metrics.json"
DIFFERENCES = "differences.csv"
FILES = (COMPARISON, METRICS, DIFFERENCES)
Found = TypeVar("Found", bound=Model)
MOST_BYTES = 200_000_000
"""A larger file is no result of this project."""
MOST = 1e300
"""Magnitude that no number of a result exceeds."""
FORBIDDEN = {"Cc", "Cs"}
"""Unicode categories of characters that no text of a result holds: control codes, surrogates."""


def digest_of(content: Mapping[str, Any]) -> str:
    """SHA-256 of values without their own digest `sha256`; the order of keys does not count."""
    rest = {key: value for key, value in content.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def _check_values(value: object, place: str = "") -> None:
    """Refuse control characters, and numbers that no figure can show.

    Raises:
        ValueError: naming the key.
    """
    if isinstance(value, str):
        if any(unicodedata.category(char) in FORBIDDEN and char not in "\n\t" for char in value):
            raise ValueError(f"{place} = {shortened(value)}: control characters are not allowed.")
    elif isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            _check_values(key, f"the key {shortened(key)} in {place or 'the result'}")
            name = shortened(key).strip("'")  # a key is as long as its author likes
            _check_values(item, f"{place}.{name}" if place else name)
    elif isinstance(value, float | int) and not -MOST <= value <= MOST:
        raise ValueError(f"{place} = {shortened(value)}: must be a number between ±{MOST:g}.")


def _check_content(content: Any) -> None:
    """Refuse what is no result of this schema version, or was changed.

    Raises:
        ValueError: naming the reason.
    """
    if not isinstance(content, dict):
        raise TypeError("must hold a mapping of keys to values.")
    version = content.get("schema_version")
    if version != SCHEMA_VERSION:
        raise ValueError(
            f"schema_version = {shortened(version)}, and this version of convchoice reads"
            f" {SCHEMA_VERSION}."
        )
    if content.get("sha256") != digest_of(content):
        raise ValueError("was changed after it was written: sha256 does not match.")
    _check_values(content)


def _refused(path: Path, reason: object) -> RunFolderError:
    return RunFolderError(f"{path}: {reason} Make it again: convchoice compare.")


def read_content(path: Path) -> Any:
    """The values in a file, unchecked.

    Raises:
        RunFolderError: if the file is missing, larger than a result, or no JSON.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise _refused(path, f"is larger than {MOST_BYTES:,} bytes.")
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise _refused(path, "there is no such file.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise _refused(path, f"cannot be read: {error}.") from error


def read_comparison(path: Path) -> Comparison:
    """The result in a file: schema, names, numbers and digest are checked.

    Raises:
        RunFolderError: if the file is missing, unreadable, of another schema version, changed
            after it was written, or not a result.
    """
    content = read_content(path)
    try:
        _check_content(content)
        return Comparison.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = shortened(".".join(map(str, first["loc"])) or "the result")
        raise _refused(path, f"{place} = {shortened(first['input'])}: {first['msg']}.") from error
    except (ValueError, TypeError, RecursionError) as error:
        raise _refused(path, error) from error


def headline_metrics(comparison: Comparison) -> dict[str, float]:
    """The numbers of `dvc metrics show`: of the same names in every study, so that 80 columns do.

    Returns:
        How many claims are answered Yes and No; the baseline's score; the largest difference of
        a contrast, in the measure's unit, if there is one.
    """
    measure = comparison.measure
    answers: list[str] = [claim.answer for claim in comparison.claims]
    headline: dict[str, float] = {
        "yes": answers.count("Yes"),
        "no": answers.count("No"),
        "baseline": comparison.arms[comparison.study.baseline].scores[measure.metric].mean,
    }
    differences = [each.difference.mean for each in comparison.contrasts]
    return headline | ({"difference": max(differences, key=abs)} if differences else {})


def flat_metrics(comparison: Comparison) -> dict[str, float]:
    """The numbers of a study's run in MLflow."""
    unit = f"_{comparison.measure.unit.replace(' ', '_')}" if comparison.measure.unit else ""
    flat: dict[str, float | None] = {}
    for name, arm in comparison.arms.items():
        for metric, sample in arm.scores.items():
            flat[f"{name}/{metric.removeprefix('test/')}"] = sample.mean
        flat[f"{name}/seeds"] = arm.n
    for contrast in comparison.contrasts:
        name, difference = comparison.key(contrast), contrast.difference
        low, high = contrast.interval or (None, None)
        flat |= {
            f"{name}/difference{unit}": difference.mean,
            f"{name}/difference_low{unit}": low,
            f"{name}/difference_high{unit}": high,
            f"{name}/p": contrast.p,
        }
    return {key: value for key, value in flat.items() if value is not None}


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table as CSV; None is an empty cell."""
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows([columns, *rows])
    return file.getvalue()


def differences_text(comparison: Comparison) -> str:
    """A row a contrast: the difference and its interval, in the measure's unit."""
    rows = [
        [comparison.key(each), each.difference.mean, *(each.interval or (None, None))]
        for each in comparison.contrasts
    ]
    return csv_text(["arm", "difference", "low", "high"], rows)


def comparison_text(comparison: Comparison) -> str:
    """The content of `comparison.json`.

    Raises:
        UserError: if a text holds control characters.
    """
    content = comparison.model_dump(mode="json")
    try:
        _check_values(content)
    except ValueError as error:
        raise UserError(f"the result cannot be written: {error}") from error
    return json_text({**content, "sha256": digest_of(content)})


def write_comparison(
    folder: Path, comparison: Comparison, more: Mapping[str, str] | None = None
) -> None:
    """Write the files of a study's result, and more files by their name.

    Raises:
        UserError: if a file exists that convchoice did not write; nothing is written then.
        StorageError: if a file cannot be written.
    """
    texts = {
        COMPARISON: comparison_text(comparison),
        METRICS: json_text(headline_metrics(comparison)),
        DIFFERENCES: differences_text(comparison),
        **(more or {}),
    }
    write_output(folder, texts)


def read_beside(path: Path, model: type[Found]) -> Found | None:
    """A result beside a study's comparison; None if there is none.

    Raises:
        RunFolderError: if it cannot be read.
    """
    if not path.exists():
        return None
    try:
        return model.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        verb = {SURVIVAL: "survive", VARIANCE: "variance"}.get(path.name, "compare")
        reason = str(error).splitlines()[0]
        raise RunFolderError(
            f"{path}: cannot be read: {reason}. Make it again: convchoice {verb}."
        ) from error
