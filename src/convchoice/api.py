"""Ask a question from Python: `from convchoice import Study, compare, run, table`."""

import argparse
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from convchoice.analysis.collect import runs_of_study
from convchoice.analysis.comparison import compare as compared
from convchoice.analysis.input_table import Source
from convchoice.analysis.result import Comparison
from convchoice.commands.compose import composed_arms
from convchoice.commands.table import FORMATS, written
from convchoice.commands.table_comparison import compared_table
from convchoice.config.field_types import is_folder, plain_values
from convchoice.config.parameters import Parameters
from convchoice.config.schema import Store, TrackingConfig
from convchoice.config.study import Study, study_from_mapping
from convchoice.config.validation import runs_of
from convchoice.errors import JobError, require
from convchoice.execution.executors import LocalExecutor
from convchoice.execution.runner import failure_text, update_runs


def compare(
    results: Any,
    *,
    arm: str | Sequence[str] = "arm",
    seed: str = "seed",
    value: str = "value",
    baseline: str | None = None,
    margin: float,
    higher_is_better: bool | None = None,
    name: str = "results",
    looks: Sequence[int] = (),
) -> Comparison:
    """Compare the arms of a table: differences paired by seed, intervals and verdicts.

    Args:
        results: the path of a CSV, JSON lines or Parquet file, a pandas data frame, or rows as
            mappings; a row a run.
        arm: the column that names the arm, or several, or a pattern such as ``config.*``.
        seed: its column.
        value: the column of what is compared, in its own unit.
        baseline: the arm to compare with; None takes the first.
        margin: the smallest difference that matters, in the unit of `value`.
        higher_is_better: None takes it from the name of `value`, such as accuracy or loss.
        name: of the comparison.
        looks: numbers of seeds at which results are looked at, planned before the first run.

    Returns:
        The result; `contrasts` has a difference, an interval and a verdict an arm.

    Raises:
        UserError: naming column, row and rule for a table that cannot be compared.
    """
    is_path = isinstance(results, str | Path)
    given = argparse.Namespace(
        paths=[Path(results)] if is_path else [], arm=[arm] if isinstance(arm, str) else list(arm),
        seed=seed, value=value, metric=None, baseline=baseline, margin=margin, name=name,
        higher_is_better=higher_is_better, looks=list(looks), mlflow=None,
    )  # fmt: skip
    return compared_table(given, sources=() if is_path else [_source(results, name)])


def _source(results: Any, name: str) -> Source:
    is_frame = hasattr(results, "columns") and hasattr(results, "to_dict")
    rows = results.to_dict("records") if is_frame else results
    rule = "must be a file's path, a data frame, or rows that map columns to cells."
    require(isinstance(rows, Iterable) and not isinstance(rows, Mapping), name, rows, rule)
    rows = list(rows)
    legal = all(
        isinstance(row, Mapping) and all(isinstance(key, str) for key in row) for row in rows
    )
    require(legal, name, rows[:1], rule)
    digest = hashlib.sha256(json.dumps(rows, default=str).encode()).hexdigest()
    return Source(name, digest, [(f"row {place}", row) for place, row in enumerate(rows)])


def run(study: Study, *, scale: str = "demo", folder: str | Path = "runs") -> Comparison:
    """Train and evaluate the arms of a study that are not complete, and answer it.

    Args:
        study: its arms are those of `conf/arm`, or its own `new_arms`.
        scale: how much is computed: an option of `conf/scale`.
        folder: of the runs, ``<folder>/<arm>/seed-<n>``. Nothing is logged to MLflow.

    Returns:
        The result, with the answers to the study's claims.

    Raises:
        UserError: for anything illegal in the study, before any work.
        JobError: if a training failed.
    """
    legal = isinstance(folder, str | Path) and is_folder(str(folder))
    require(legal, "folder", folder, "must be the path of a folder, no URL.")
    study = study_from_mapping(plain_values(study), str(study.name))
    arms = composed_arms(Parameters(scale, study.all_arms(), [study.name]), [study])
    tracking = TrackingConfig(store=Store.none)
    own = [replace(arm, run_root=str(folder), tracking=tracking) for arm in arms]
    runs = [each for arm in own for each in runs_of(arm)]
    failures = update_runs(runs, LocalExecutor(), lambda *_: None, study.name)
    if failures:
        raise JobError(failure_text(failures, len(runs), "failed"))
    planned = {str(arm.arm): arm.seeds for arm in own}
    return compared(study, runs_of_study(study, [Path(folder)], planned), planned)


def table(result: Comparison, form: str = "markdown") -> str:
    """A result as a table: ``markdown``, ``latex`` or ``csv``, with its footnotes.

    Raises:
        ConfigurationError: for another form.
    """
    require(form in FORMATS, "form", form, f"must be one of {', '.join(FORMATS)}.")
    return written(result.labelled(), form)
