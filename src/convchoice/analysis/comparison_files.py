"""The files of a study's result.

`comparison.json` holds everything, see `docs/comparison.md`. `metrics.json` is for `dvc metrics
show`; `learning_curves.csv` and `differences.csv` are for `dvc plots show`.
"""

import csv
import hashlib
import io
import json
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from convchoice.analysis.result import SCHEMA_VERSION, Comparison
from convchoice.errors import RunFolderError, UserError, shortened
from convchoice.runs.manifest import check_output, write_output
from convchoice.runs.run_folder import json_text

COMPARISON = "comparison.json"
METRICS = "metrics.json"
LEARNING_CURVES = "learning_curves.csv"
DIFFERENCES = "differences.csv"
FILES = (COMPARISON, METRICS, LEARNING_CURVES, DIFFERENCES)
CURVE_METRICS = ("train/loss", "train/accuracy", "val/loss", "val/accuracy")
MOST_BYTES = 200_000_000
"""A larger file is no result of this project."""
MOST = 1e300
"""Magnitude that no number of a result exceeds."""
FORBIDDEN = {"Cc", "Cs"}
"""Unicode categories of characters that no text of a result holds: control codes, surrogates."""
AGAIN = "Make it again: convchoice compare."


def _digest(content: Mapping[str, Any]) -> str:
    """SHA-256 of a result without its own digest; layout and order of keys do not count."""
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
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_values(key, f"the key {shortened(key)} in {place or 'the result'}")
            _check_values(item, f"{place}.{key}" if place else key)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _check_values(item, f"{place}.{index}")
    elif isinstance(value, float | int) and not -MOST <= value <= MOST:
        raise ValueError(f"{place} = {shortened(value)}: must be a number between ±{MOST:g}.")


def read_comparison(path: Path) -> Comparison:
    """The result in a file: schema, names, numbers and digest are checked.

    Raises:
        RunFolderError: if the file is missing, unreadable, of another schema version, changed
            after it was written, or not a result.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise RunFolderError(f"{path}: is larger than {MOST_BYTES:,} bytes. {AGAIN}")
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RunFolderError(f"{path}: there is no such file. {AGAIN}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise RunFolderError(f"{path}: cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise RunFolderError(f"{path}: must hold a mapping of keys to values. {AGAIN}")
    version = content.get("schema_version")
    if version != SCHEMA_VERSION:
        raise RunFolderError(
            f"{path}: schema_version = {shortened(version)}, and this version of convchoice reads"
            f" {SCHEMA_VERSION}. {AGAIN}"
        )
    if content.get("sha256") != _digest(content):
        raise RunFolderError(
            f"{path}: was changed after it was written: sha256 does not match. {AGAIN}"
        )
    try:
        _check_values(content)
        return Comparison.model_validate(content)
    except (ValueError, RecursionError) as error:
        if not isinstance(error, ValidationError):
            raise RunFolderError(f"{path}: {error} {AGAIN}") from error
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the result"
        raise RunFolderError(
            f"{path}: {shortened(place)} = {shortened(first['input'])}: {first['msg']}. {AGAIN}"
        ) from error


def flat_metrics(comparison: Comparison) -> dict[str, float]:
    """The numbers of `dvc metrics show` and of a study's run in MLflow."""
    unit = f"_{comparison.measure.unit.replace(' ', '_')}" if comparison.measure.unit else ""
    flat: dict[str, float] = {}
    for name, arm in comparison.arms.items():
        for metric, sample in arm.scores.items():
            flat[f"{name}/{metric.removeprefix('test/')}"] = sample.mean
        flat[f"{name}/seeds"] = arm.n
    for contrast in comparison.contrasts:
        name, difference = contrast.arm, contrast.difference
        flat[f"{name}/difference{unit}"] = difference.mean
        if difference.interval_95 is not None:
            flat[f"{name}/difference_low{unit}"] = difference.interval_95.low
            flat[f"{name}/difference_high{unit}"] = difference.interval_95.high
        for key, value in (
            ("p_holm", difference.p_holm),
            ("p_sign_flip", difference.p_sign_flip),
            ("seeds_needed", contrast.seeds_needed),
        ):
            if value is not None:
                flat[f"{name}/{key}"] = value
    return flat


def learning_curve_rows(comparison: Comparison) -> Iterator[dict[str, Any]]:
    """A row an arm and epoch; empty where a curve or its interval does not exist."""
    for name, arm in comparison.arms.items():
        curves = arm.learning_curves
        for index, epoch in enumerate(curves.epochs):
            row: dict[str, Any] = {"arm": name, "epoch": epoch}
            for metric, band in curves.bands.items():
                row |= {
                    metric: band.mean[index],
                    f"{metric}_low": band.low[index],
                    f"{metric}_high": band.high[index],
                }
            yield row


def difference_rows(comparison: Comparison) -> Iterator[dict[str, Any]]:
    """A row a contrast: the difference and its 95 % interval, in the measure's unit."""
    for contrast in comparison.contrasts:
        low, high = contrast.difference.interval_95 or (None, None)
        mean = contrast.difference.mean
        yield {"arm": contrast.arm, "difference": mean, "low": low, "high": high}


def _csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    file = io.StringIO()
    writer = csv.DictWriter(file, fieldnames=columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


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
    return json_text({**content, "sha256": _digest(content)})


def check_result_folder(folder: Path) -> None:
    """Refuse a folder in which a result would replace files that convchoice did not write.

    Raises:
        UserError: naming the first such file.
        StorageError: if `folder` exists and is not a folder.
    """
    check_output(folder, FILES)


def write_comparison(folder: Path, comparison: Comparison) -> None:
    """Write the files of a study's result.

    Raises:
        UserError: if a file exists that convchoice did not write; nothing is written then.
        StorageError: if a file cannot be written.
    """
    curve_columns = [
        f"{name}{suffix}" for name in CURVE_METRICS for suffix in ("", "_low", "_high")
    ]
    texts = {
        COMPARISON: comparison_text(comparison),
        METRICS: json_text(flat_metrics(comparison)),
        LEARNING_CURVES: _csv_text(
            ["arm", "epoch", *curve_columns], learning_curve_rows(comparison)
        ),
        DIFFERENCES: _csv_text(["arm", "difference", "low", "high"], difference_rows(comparison)),
    }
    write_output(folder, texts)
