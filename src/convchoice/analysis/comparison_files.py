"""The files of a study's result, as `compare` writes them.

`comparison.json` (everything, see `docs/comparison.md`), `metrics.json` (a few numbers for
`dvc metrics show`), `learning_curves.csv` and `differences.csv` (for `dvc plots show`), and where
curves were measured `curves.csv` (a row an arm, point and measure).
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from convchoice.analysis.arm_result import CURVES
from convchoice.analysis.comparison import SCORES
from convchoice.analysis.measure import measure_in
from convchoice.analysis.result_digest import with_digest
from convchoice.runs.atomic_write import replace_files
from convchoice.runs.curve_points import MEASURES
from convchoice.runs.run_folder import json_text

COMPARISON = "comparison.json"
METRICS = "metrics.json"
LEARNING_CURVES = "learning_curves.csv"
DIFFERENCES = "differences.csv"
CURVE_TABLE = "curves.csv"
CURVE_COLUMNS = (
    "arm", "curve", "kind", "layer", "jump_pixels", "unit", "value", "accepted", "measure", "mean",
    "low", "high", "n", "images",
)  # fmt: skip


def flat_metrics(comparison: Mapping[str, Any]) -> dict[str, float]:
    """The numbers worth a line in `dvc metrics show` and `dvc metrics diff`."""
    measure = measure_in(comparison)
    flat: dict[str, float] = {}
    for arm, item in comparison["arms"].items():
        for metric in dict.fromkeys([*SCORES, measure.metric]):
            if item[metric] is not None:
                flat[f"{arm}/{metric.removeprefix('test/')}"] = item[metric]["mean"]
        flat[f"{arm}/seeds"] = item["n"]
    for contrast in comparison["contrasts"]:
        arm = contrast["arm"]
        flat[f"{arm}/{measure.key('difference')}"] = contrast[measure.key("difference")]
        interval = contrast[measure.key("interval_95")]
        if interval is not None:
            flat[f"{arm}/{measure.key('difference_low')}"] = interval[0]
            flat[f"{arm}/{measure.key('difference_high')}"] = interval[1]
        for name in ("p_holm", "p_sign_flip", "seeds_needed"):
            if contrast[name] is not None:
                flat[f"{arm}/{name}"] = contrast[name]
    return flat


def learning_curve_rows(comparison: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A row an arm and epoch; empty where a curve or its interval does not exist."""
    for arm, item in comparison["arms"].items():
        curves = item["learning_curves"]
        for index, epoch in enumerate(curves["epoch"]):
            row: dict[str, Any] = {"arm": arm, "epoch": epoch}
            for name in CURVES:
                for suffix, part in (("", "mean"), ("_low", "low"), ("_high", "high")):
                    row[f"{name}{suffix}"] = curves[name] and curves[name][part][index]
            yield row


def difference_rows(comparison: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A row a contrast: the difference and its 95 % interval, in the measure's unit."""
    measure = measure_in(comparison)
    for contrast in comparison["contrasts"]:
        low, high = contrast[measure.key("interval_95")] or (None, None)
        yield {
            "arm": contrast["arm"],
            "difference": contrast[measure.key("difference")],
            "low": low,
            "high": high,
        }


def curve_rows(comparison: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A row an arm, point and measure; a point that the network does not take has one row.

    Accuracies, consistencies and shares of ink are fractions of 1, log-likelihoods nats.
    """
    for arm, item in comparison["arms"].items():
        for series in item["curves"]:
            head = {key: series[key] for key in CURVE_COLUMNS if key in series}
            for index, value in enumerate(series["value"]):
                accepted = series["accepted"][index]
                place = {**head, "arm": arm, "value": value, "accepted": int(accepted)}
                if not accepted:
                    yield place
                for measure in (name for name in MEASURES if name in series):
                    band = {part: numbers[index] for part, numbers in series[measure].items()}
                    if band["mean"] is not None:
                        yield {**place, "measure": measure, **band}


def _csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    file = io.StringIO()
    writer = csv.DictWriter(file, fieldnames=columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def write_comparison(output: Path, comparison: Mapping[str, Any]) -> None:
    """Write the files of a study's result into `output`, all of them or none.

    Raises:
        StorageError: if they cannot be written; what was there is left as it was.
    """
    curve_columns = [f"{name}{suffix}" for name in CURVES for suffix in ("", "_low", "_high")]
    texts = {
        COMPARISON: json_text(with_digest(comparison)),
        METRICS: json_text(flat_metrics(comparison)),
        LEARNING_CURVES: _csv_text(
            ["arm", "epoch", *curve_columns], learning_curve_rows(comparison)
        ),
        DIFFERENCES: _csv_text(["arm", "difference", "low", "high"], difference_rows(comparison)),
    }
    rows = list(curve_rows(comparison))
    if rows:
        texts[CURVE_TABLE] = _csv_text(CURVE_COLUMNS, rows)
    replace_files(output, texts)
    if not rows:
        (output / CURVE_TABLE).unlink(missing_ok=True)
