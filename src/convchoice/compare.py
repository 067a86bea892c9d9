"""The stage `compare`: run folders of a study → its result.

    python -m convchoice.compare --study configs/studies/pooling.yaml --runs runs \
        --output reports/pooling

writes `comparison.json` (everything, see `comparison`), `metrics.json` (a few numbers for
`dvc metrics show`), `learning_curves.csv` and `differences.csv` (for `dvc plots show`), and where
curves were measured `curves.csv` (a row an arm, point and measure). The same run folders give the
same bytes. Statistics alone: never imports torch.
"""

import argparse
import csv
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from convchoice import wording
from convchoice.arm_result import CURVES
from convchoice.comparison import compare
from convchoice.configuration import read_yaml
from convchoice.curve_points import MEASURES
from convchoice.errors import UserError, exit_codes, require
from convchoice.measure import measure_in
from convchoice.provenance import dataset_name
from convchoice.run_folder import Run, runs_of_arm, write_json
from convchoice.study import Study, read_study, study_from_mapping
from convchoice.summary import print_study

COMPARISON = "comparison.json"
METRICS = "metrics.json"
LEARNING_CURVES = "learning_curves.csv"
DIFFERENCES = "differences.csv"
CURVE_TABLE = "curves.csv"
CURVE_COLUMNS = (
    "arm", "curve", "kind", "layer", "jump_pixels", "unit", "value", "accepted", "measure", "mean",
    "low", "high", "n", "images",
)  # fmt: skip


def planned_seeds(configs: Path, study: Study) -> dict[str, int]:
    """How many seeds each arm's composed configuration plans.

    Raises:
        UserError: if an arm's file is missing or its `seeds` is no number.
    """
    planned = {}
    for arm in study.all_arms():
        path = configs / f"{arm}.yaml"
        seeds = read_yaml(path).get("seeds")
        legal = isinstance(seeds, int) and not isinstance(seeds, bool) and seeds >= 1
        require(legal, f"{path}: seeds", seeds, "must be a whole number of at least 1.")
        planned[arm] = int(seeds or 0)
    return planned


def runs_of_study(
    study: Study, root: Path, planned: Mapping[str, int] | None
) -> dict[str, list[Run]]:
    """The runs of each arm, those beyond the planned seeds left out.

    Raises:
        UserError: if an arm has no run at all, or one cannot be read.
    """
    runs = {}
    for arm in study.all_arms():
        found = runs_of_arm(root, arm)
        if planned is not None:
            found = [run for run in found if run.seed < planned[arm]]
        runs[arm] = found
    return runs


def sweep_study(root: Path, baseline: str, margin: float) -> Study:
    """A study of whatever arms a sweep left under `root`, for which nobody wrote one down.

    Arms of another data set than the baseline's are left out, and the study's notes say so.

    Raises:
        UserError: if there are no two arms of one data set, or the baseline is none of them.
    """
    arms = sorted(path.name for path in root.glob("*") if any(path.glob("seed-*/config.yaml")))
    if baseline not in arms:
        there = f"there are {', '.join(arms)}" if arms else "there is none"
        raise UserError(f"--baseline {baseline}: {root} has no run folders of this arm; {there}.")
    data = {arm: dataset_name(runs_of_arm(root, arm)[0]) for arm in arms}
    others = [arm for arm in arms if data[arm] != data[baseline]]
    arms = [arm for arm in arms if arm not in others]
    notes = ""
    if others:
        names = ", ".join(f"{arm} ({data[arm]})" for arm in others)
        notes = (
            f"Left out, because {baseline} is of {data[baseline]} and they are not: {names}."
            " Compare them with a --baseline of their own data set."
        )
        if len(arms) == 1:
            raise UserError(f"--baseline {baseline}: nothing to compare it with. {notes}")
    return study_from_mapping(
        {
            "name": root.resolve().name,
            "question": f"How do these arms differ from {baseline}?",
            "claim": f"Nothing was claimed before these runs of {root.name} were made.",
            "source": "a sweep",
            "baseline": baseline,
            "arms": [arm for arm in arms if arm != baseline],
            "margin": margin,
            "notes": notes,
        },
        str(root),
    )


def flat_metrics(comparison: Mapping[str, Any]) -> dict[str, float]:
    """The numbers worth a line in `dvc metrics show` and `dvc metrics diff`."""
    measure = measure_in(comparison)
    flat: dict[str, float] = {}
    for arm, item in comparison["arms"].items():
        flat[f"{arm}/accuracy"] = item["test/accuracy"]["mean"]
        flat[f"{arm}/nll"] = item["test/nll"]["mean"]
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


def _write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def write_comparison(output: Path, comparison: Mapping[str, Any]) -> None:
    """Write the files of a study's result into `output`."""
    output.mkdir(parents=True, exist_ok=True)
    write_json(output / COMPARISON, comparison)
    write_json(output / METRICS, flat_metrics(comparison))
    curve_columns = [f"{name}{suffix}" for name in CURVES for suffix in ("", "_low", "_high")]
    _write_csv(
        output / LEARNING_CURVES,
        ["arm", "epoch", *curve_columns],
        learning_curve_rows(comparison),
    )
    _write_csv(
        output / DIFFERENCES, ["arm", "difference", "low", "high"], difference_rows(comparison)
    )
    rows = list(curve_rows(comparison))
    if rows:
        _write_csv(output / CURVE_TABLE, CURVE_COLUMNS, rows)
    else:
        (output / CURVE_TABLE).unlink(missing_ok=True)


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m convchoice.compare",
        description="From run folders to a study's result: differences, intervals, verdicts.",
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--study", type=Path, metavar="FILE", help="the study's YAML file")
    which.add_argument(
        "--baseline",
        metavar="ARM",
        help="without a study: compare every arm under --runs with this one",
    )
    parser.add_argument(
        "--runs", type=Path, required=True, metavar="FOLDER", help="holds <arm>/seed-<n> folders"
    )
    parser.add_argument(
        "--output", type=Path, required=True, metavar="FOLDER", help="where the result goes"
    )
    parser.add_argument(
        "--configs",
        type=Path,
        metavar="FOLDER",
        help="holds <arm>.yaml with the planned number of seeds: more are left out, missing ones"
        " make the study partial",
    )
    parser.add_argument(
        "--margin",
        type=float,
        default=Study.margin,
        help="with --baseline: the smallest difference that matters (default %(default)s)",
    )
    parser.add_argument(
        "--stamp",
        type=Path,
        metavar="FILE",
        help="also write the result's SHA-256 here; one stage can then depend on a folder of them,"
        " whichever studies there are",
    )
    parser.add_argument(
        "--brief", action="store_true", help="print one line instead of the study's table"
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare one study's arms and write the result."""
    with exit_codes():
        given = _arguments(arguments)
        study = (
            read_study(given.study)
            if given.study
            else sweep_study(given.runs, given.baseline, given.margin)
        )
        planned = planned_seeds(given.configs, study) if given.configs else None
        comparison = compare(study, runs_of_study(study, given.runs, planned), planned)
        write_comparison(given.output, comparison)
        if given.stamp:
            digest = hashlib.sha256((given.output / COMPARISON).read_bytes()).hexdigest()
            given.stamp.parent.mkdir(parents=True, exist_ok=True)
            given.stamp.write_text(digest + "\n", encoding="utf-8")
        if given.brief:
            print(
                f"{study.name}: {wording.answer(comparison)} {wording.data_line(comparison)}."
                f" → {given.output / COMPARISON}"
            )
        else:
            print_study(comparison)
            if given.baseline and study.notes:
                print(study.notes)


if __name__ == "__main__":
    main()
