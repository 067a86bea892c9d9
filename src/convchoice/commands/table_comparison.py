"""Results that another tool has made: the options that name their columns, and their comparison."""

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from convchoice.analysis.comparison import compare_table
from convchoice.analysis.input_table import (
    SUFFIXES,
    Columns,
    ResultsTable,
    Source,
    read_source,
    results_table,
)
from convchoice.analysis.measure import known_direction, measure_of, own_measure
from convchoice.analysis.result import Comparison
from convchoice.config.field_types import name_from
from convchoice.config.margin import margin_points
from convchoice.config.study import Study, study_from_mapping
from convchoice.errors import UserError, require
from convchoice.tracking.experiment_rows import experiment_rows

PARAMETER, METRIC = "params.", "metrics."


def add_table_options(made: argparse.ArgumentParser, *, run_folders: bool = False) -> None:
    """Add the options of a comparison without a study's file, and of a table's columns.

    Args:
        made: the parser.
        run_folders: whether the command takes run folders, too, with defaults of their own.
    """
    add = made.add_argument
    baseline = "default: the first" if run_folders else "required"
    add("--baseline", metavar="ARM", help=f"the arm to compare with ({baseline})")
    add("--name", help="name of the comparison (default: that of the output, table or experiment)")
    add("--metric", help="metric to compare, such as test/nll; for a table, the name to show")
    margin = "the smallest difference that matters, in the metric's own unit"
    if run_folders:
        margin += (
            "; of run folders, accuracies in percentage points (default for these: 0.1, else none)"
        )
    else:
        margin += " (required)"
    add("--margin", type=float, help=margin)
    direction = made.add_mutually_exclusive_group()
    for value, name in ((True, "--higher-is-better"), (False, "--lower-is-better")):
        direction.add_argument(name, action="store_const", const=value, dest="higher_is_better")
    looks = (
        "number of seeds at which results are looked at, planned before the first run; repeatable"
    )
    add("--looks", metavar="N", type=int, action="append", help=looks)
    table = made.add_argument_group(
        "tables", f"Files ({', '.join(SUFFIXES)}) and MLflow, with a row a run."
    )
    add = table.add_argument
    arm = "column that names the arm, or a pattern; repeatable: 'config.*' (default: arm)"
    add("--arm", metavar="COLUMN", action="append", help=arm)
    add("--seed", metavar="COLUMN", help="column of the seed (default: seed)")
    add("--value", metavar="COLUMN", help="column of the values (default: value)")
    add(
        "--mlflow",
        metavar="EXPERIMENT",
        help="MLflow experiment; its columns are params.NAME, tags.NAME, metrics.NAME",
    )
    uri = "MLflow's tracking URI (default: MLFLOW_TRACKING_URI, else this project's store)"
    add("--tracking-uri", metavar="URI", help=uri)
    add("--filter", metavar="SEARCH", help="filter of MLflow's search: \"params.lr = '0.1'\"")


def is_table(path: Path) -> bool:
    """Whether a path is one of a table's file."""
    return path.suffix.lower() in SUFFIXES


def study_of(
    given: argparse.Namespace,
    arms: Sequence[str],
    metric: str,
    source: str,
    labels: dict[str, str] | None = None,
    margin: float | None = None,
) -> Study:
    """The study of arms without a study file: it claims nothing.

    Raises:
        UserError: for an unknown baseline, one arm alone, or no margin.
    """
    labels, output = labels or {}, getattr(given, "output", None)
    place = output or (given.paths[0] if given.paths else Path(str(given.mlflow)))
    name = given.name or name_from(
        place.resolve().stem if is_table(place) else place.resolve().name, "runs"
    )
    by_label = {labels.get(arm, arm): arm for arm in arms}
    first = by_label.get(given.baseline, given.baseline) or arms[0]
    if first not in arms:
        has = f"{source} has no such arm; it has {', '.join(by_label)}."
        raise UserError(f"--baseline {first}: {has}")
    rule = f"there is nothing to compare {labels.get(first, first)} with."
    require(len(arms) > 1, f"{source}: arms", list(by_label), rule)
    if given.margin is None and margin is None:
        raise UserError(
            f"{metric}: add the smallest difference that matters, in the metric's own unit:"
            " --margin."
        )
    definition = {
        "name": name,
        "question": f"Which arms of {source} differ from {labels.get(first, first)} in {metric}?",
        "source": source,
        "baseline": first,
        "arms": [arm for arm in arms if arm != first],
        "metric": metric,
        "margin": margin if given.margin is None else given.margin,
        "looks": given.looks or [],
        "labels": labels,
    }
    return study_from_mapping(definition, name)


def _table(
    given: argparse.Namespace, metric: str | None, sources: Sequence[Source]
) -> ResultsTable:
    if not given.mlflow:
        value = given.value or "value"
        columns = Columns(given.arm or ["arm"], given.seed or "seed", value, metric)
        return results_table([*sources, *map(read_source, given.paths)], columns)
    value = given.value or (f"{METRIC}{metric}" if metric else "")
    require(bool(value), "--metric", metric, "name the metric of the experiment to compare.")
    seed, rows = (
        given.seed or f"{PARAMETER}seed",
        experiment_rows(given.mlflow, given.tracking_uri, given.filter or ""),
    )
    found = [row for row in rows if seed in row[1]]
    if len(found) < len(rows):
        left_out = f"{len(rows) - len(found)} of {len(rows)} runs have no {seed} and are left out."
        print(left_out, file=sys.stderr)
    named = any(f"{PARAMETER}arm" in row for _, row in found)
    arm = given.arm or [f"{PARAMETER}arm" if named else f"{PARAMETER}*"]
    digest = hashlib.sha256(json.dumps(found).encode()).hexdigest()
    source = Source(f"MLflow's experiment {given.mlflow}", digest, found or rows)
    return results_table([source], Columns(arm, seed, value, metric or value.removeprefix(METRIC)))


def compared_table(
    given: argparse.Namespace, study: Study | None = None, sources: Sequence[Source] = ()
) -> Comparison:
    """The comparison of files or of an experiment.

    Args:
        given: the options of `add_table_options`, and `paths`.
        study: with the metric and the margin; None makes one of the options.
        sources: rows from elsewhere, before those of the files.

    Raises:
        UserError: for anything illegal in the options or the table.
    """
    own = study is not None
    table = _table(given, study.metric if study else given.metric, sources)
    study = study or study_of(given, list(table.values), table.metric, table.title, table.labels)
    if own and known_direction(study.metric) is not None:
        return compare_table(study, table, measure_of(study.metric))
    values = [value for by_seed in table.values.values() for value in by_seed.values()]
    margin = margin_points(study.margin, reference_accuracy=0.0)  # only its size matters here
    higher = given.higher_is_better
    measure = own_measure(study.metric, values, higher_is_better=higher, margin=margin)
    return compare_table(study, table, measure)
