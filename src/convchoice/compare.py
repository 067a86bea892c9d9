"""The stage `compare`: run folders of a study, or anybody's table of results → the result.

    python -m convchoice.compare --study configs/studies/pooling.yaml --runs runs \
        --output reports/pooling
    python -m convchoice.compare multirun/today --baseline max-valid
    python -m convchoice.compare results.csv --metric f1 --higher-is-better --margin 0.5

With `--output` it writes the files of `comparison_files`; the same inputs give the same bytes.
Without, it prints the table alone. Statistics alone: never imports torch.
"""

import argparse
import hashlib
import math
import re
from collections.abc import Sequence
from pathlib import Path

from convchoice.analysis.collect import (
    TABLE_SUFFIX,
    failures_of_study,
    gathered_runs,
    one_data_set,
    runs_of_study,
    unwritten_study,
)
from convchoice.analysis.comparison import compare
from convchoice.analysis.comparison_files import (
    COMPARISON,
    check_result_folder,
    write_comparison,
)
from convchoice.analysis.measure import known_direction
from convchoice.analysis.result import Comparison
from convchoice.analysis.results_table import read_tables
from convchoice.analysis.sentences import answer, data_line
from convchoice.analysis.table_comparison import compare_table, table_measure
from convchoice.config.study import Study, read_study
from convchoice.config.yaml_files import read_yaml
from convchoice.errors import UserError, exit_codes, require
from convchoice.summary import print_study


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


def study_name(path: Path) -> str:
    """A study's name out of a folder's or a file's: what no name may hold becomes ``_``."""
    name = re.sub(r"[^A-Za-z0-9_.=-]", "_", path.resolve().name.removesuffix(TABLE_SUFFIX))
    return name.lstrip("_.=-")[:100] or "runs"


def _margin(given: argparse.Namespace, metric: str) -> float:
    """The margin that was given, or the usual one of an accuracy.

    Raises:
        UserError: if the metric is no accuracy and no margin was given, or it is not above 0.
    """
    if given.margin is None:
        if "accuracy" not in metric:
            raise UserError(
                f"--metric {metric}: say the smallest difference that matters, in its own unit:"
                " --margin."
            )
        return Study.margin
    margin = float(given.margin)
    legal = math.isfinite(margin) and margin > 0
    require(legal, "--margin", margin, "must be a finite number above 0.")
    return margin


def compared_tables(given: argparse.Namespace) -> Comparison:
    """The comparison of other people's results.

    Raises:
        UserError: for anything that is illegal in the files or the options.
    """
    table = read_tables(given.paths)
    named, values = table.chosen(given.metric)
    if given.study:
        study = read_study(given.study)
        if named not in {None, study.metric}:
            raise UserError(f"{table.title}: holds {named}, and the study asks for {study.metric}.")
    else:
        metric = named or "value"
        study = unwritten_study(
            given.name or study_name(given.paths[0]),
            list(values),
            given.baseline,
            source=table.title,
            metric=metric,
            margin=_margin(given, metric),
        )
    measure = table_measure(
        study.metric, higher_is_better=given.higher_is_better, margin=study.margin
    )
    return compare_table(study, table, values, measure)


def compared_runs(given: argparse.Namespace) -> Comparison:
    """The comparison of run folders.

    Raises:
        UserError: for anything that is illegal in the folders or the options.
    """
    if given.study:
        study = read_study(given.study)
        planned = planned_seeds(given.configs, study) if given.configs else None
        failed = failures_of_study(study, given.paths, planned)
        runs = runs_of_study(study, given.paths, planned, failed)
    else:
        runs = gathered_runs(given.paths)
        metric = given.metric or Study.metric
        direction_told = given.higher_is_better is not None
        require(
            not direction_told, "--higher-is-better", given.higher_is_better,
            "is for tables; the name of a run folder's metric says which way it gets better.",
        )  # fmt: skip
        require(
            known_direction(metric) is not None, "--metric", metric,
            "must be an accuracy, a consistency, a loss or an nll of the run folders.",
        )  # fmt: skip
        arms, note = one_data_set(runs, given.baseline)
        study = unwritten_study(
            given.name or study_name(given.paths[0]),
            arms,
            given.baseline,
            source="a sweep",
            metric=metric,
            margin=_margin(given, metric),
            notes=note,
        )
        planned = planned_seeds(given.configs, study) if given.configs else None
        failed = failures_of_study(study, given.paths, planned)
    return compare(study, runs, planned, failed)


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m convchoice.compare",
        description="From run folders, or a CSV with the columns arm, seed and value, to"
        " differences, intervals and verdicts.",
    )
    parser.add_argument(
        "paths",
        type=Path,
        nargs="*",
        metavar="PATH",
        help="run folders, or folders above them such as a sweep's; or CSV files",
    )
    parser.add_argument(
        "--runs", type=Path, metavar="FOLDER", help="one more PATH, as the pipeline names it"
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--study", type=Path, metavar="FILE", help="the study's YAML file")
    which.add_argument(
        "--baseline",
        metavar="ARM",
        help="without a study: compare every other arm with this one; the first arm if not given",
    )
    parser.add_argument(
        "--name", help="without a study: what to call it; the first PATH's name if not given"
    )
    parser.add_argument(
        "--output", type=Path, metavar="FOLDER", help="where the result goes; nowhere if not given"
    )
    parser.add_argument(
        "--configs",
        type=Path,
        metavar="FOLDER",
        help="holds <arm>.yaml with the planned number of seeds: more are left out, missing ones"
        " make the study partial",
    )
    parser.add_argument(
        "--metric",
        metavar="NAME",
        help=f"without a study: what is compared (run folders: default {Study.metric})",
    )
    direction = parser.add_mutually_exclusive_group()
    direction.add_argument(
        "--higher-is-better",
        action="store_const",
        const=True,
        dest="higher_is_better",
        help="for a CSV whose metric's name does not say it",
    )
    direction.add_argument(
        "--lower-is-better", action="store_const", const=False, dest="higher_is_better"
    )
    parser.add_argument(
        "--margin",
        type=float,
        help="without a study: the smallest difference that matters, in percentage points for an"
        f" accuracy (default {Study.margin}), else in the metric's own unit",
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
    given = parser.parse_args(arguments)
    if given.runs:
        given.paths = [*given.paths, given.runs]
    if not given.paths:
        parser.error("name at least one PATH with run folders, or a CSV file")
    if given.stamp and not given.output:
        parser.error("--stamp needs --output")
    if given.study and (given.name or given.metric or given.margin is not None):
        parser.error(
            "--name, --metric and --margin are for comparisons without --study, which has its own"
        )
    return given


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare one study's arms and write the result."""
    with exit_codes():
        given = _arguments(arguments)
        if given.output:
            check_result_folder(given.output)
        tables = [path for path in given.paths if path.suffix.lower() == TABLE_SUFFIX]
        if tables and len(tables) < len(given.paths):
            raise UserError(f"{tables[0]}: a table cannot be compared with run folders.")
        comparison = compared_tables(given) if tables else compared_runs(given)
        if given.output:
            write_comparison(given.output, comparison)
        if given.stamp:
            digest = hashlib.sha256((given.output / COMPARISON).read_bytes()).hexdigest()
            given.stamp.parent.mkdir(parents=True, exist_ok=True)
            given.stamp.write_text(digest + "\n", encoding="utf-8")
        if given.brief:
            where = f" → {given.output / COMPARISON}" if given.output else ""
            print(f"{comparison.study.name}: {answer(comparison)} {data_line(comparison)}.{where}")
        else:
            print_study(comparison)
            if not given.study and comparison.study.notes:
                print(comparison.study.notes)


if __name__ == "__main__":
    main()
