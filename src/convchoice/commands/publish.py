"""Log to MLflow what it does not have yet: runs, studies and models.

Examples:
    convchoice publish
    convchoice publish runs /mnt/other/runs --uri http://127.0.0.1:5000
    convchoice publish runs --params params.yaml --models

For runs from another machine, runs without tracking, or after a problem with MLflow.
What MLflow already has is not logged again. Run folders are never changed.
"""

import os
from argparse import Namespace
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from convchoice.analysis.best_arm import champion
from convchoice.analysis.result import Comparison
from convchoice.commands import CommandParser
from convchoice.commands.summary import read_comparisons
from convchoice.config.parameters import read_parameters
from convchoice.config.schema import TrackingConfig
from convchoice.config.validation import config_from_mapping
from convchoice.errors import JobError, RunFolderError, UserError, without_password
from convchoice.reporting.mlflow_study import study_entry
from convchoice.runs.events import count
from convchoice.runs.run import Run, run_folders
from convchoice.runs.run_folder import FAILED_SUFFIX
from convchoice.tracking.mlflow_entry import ARM, Entry, entry_of
from convchoice.tracking.mlflow_store import EXPERIMENT, URI, MlflowStore
from convchoice.tracking.publish import one_line, publish_entry


def folders_below(paths: Iterable[Path]) -> Iterator[Path]:
    """Folders of complete and of failed runs, at or below some paths; hidden ones are left out.

    Raises:
        UserError: if a path does not exist, or has no run folder.
    """
    for path in paths:
        if not path.is_dir():
            raise UserError(f"{path}: there is no such folder.")
        found = set(run_folders(path))
        found |= {file.with_suffix("") for file in path.rglob(f"seed-*{FAILED_SUFFIX}")}
        runs = [
            folder
            for folder in sorted(found)
            if folder.name.removeprefix("seed-").isdigit()
            and not any(part.startswith(".") for part in folder.relative_to(path).parts)
        ]
        if not runs:
            raise UserError(f"{path}: no run folders (<arm>/seed-0, seed-1, …) here.")
        yield from runs


def read_folders(folders: Iterable[Path]) -> tuple[list[Entry], list[Run], list[str]]:
    """What MLflow shows of run folders, the runs in them, and what is wrong with the others."""
    entries, runs, unreadable = [], [], []
    for folder in folders:
        try:
            entry, run = entry_of(folder)
        except RunFolderError as error:
            unreadable.append(str(error))
        else:
            entries += [entry] if entry else []
            runs += [run] if run else []
    return entries, runs, unreadable


def settings_of(runs: Iterable[Run], uri: str | None, experiment: str | None) -> TrackingConfig:
    """The store: as given, else the environment's, else the one that the runs' configurations name.

    Raises:
        UserError: if the runs name several.
    """
    own = [config_from_mapping(run.config).tracking for run in runs]
    chosen = {"uri": uri, "experiment": experiment}
    for key, variable in (("uri", URI), ("experiment", EXPERIMENT)):
        if chosen[key] or os.environ.get(variable):
            continue
        named = sorted({getattr(each, key) for each in own} - {None})
        if len(named) > 1:
            listed = ", ".join(named)
            raise UserError(f"--{key}: the runs' configurations name several: {listed}.")
        chosen[key] = named[0] if named else None
    return TrackingConfig(uri=chosen["uri"], experiment=chosen["experiment"])


def publish_runs(store: MlflowStore, entries: Iterable[Entry], runs: Iterable[Run]) -> str:
    """Log the runs that the store does not have, then the means of their arms.

    Returns:
        What was done, in one line.

    Raises:
        Exception: whatever MLflow raises; what was logged by then is complete.
    """
    logged = {entry.id: store.log(entry)[1] for entry in entries}
    updated = sum(store.update_arm(arm) for arm in dict.fromkeys(e.tags[ARM] for e in entries))
    unfinished = sum(not run.evaluated for run in runs)
    waiting = f", {unfinished} not evaluated yet" if unfinished else ""
    new = sum(logged.values())
    known = f"{len(logged) - new} known already{waiting}"
    return f"{count(new, 'run')} logged, {known}; {count(updated, 'arm')} updated"


def publish_studies(reports: Path, studies: Sequence[str], settings: TrackingConfig) -> None:
    """Log the studies of a report; a problem with MLflow is one warning."""
    for comparison in read_comparisons(reports, studies):
        publish_entry(partial(study_entry, comparison, reports), settings)


def publish_models(
    store: MlflowStore, comparisons: Sequence[Comparison], runs: Sequence[Run]
) -> list[str]:
    """Log the model of each arm's best seed, register each study's, and mark its champion.

    Returns:
        A line for each study.

    Raises:
        UserError: if there is no run of an arm of a study.
    """
    from convchoice.tracking import model_registry  # noqa: PLC0415 - imports torch

    lines = []
    logged: dict[str, tuple[Any, str]] = {}
    for comparison in comparisons:
        study = comparison.study
        for arm, item in comparison.arms.items():
            seeds = [r for r in runs if r.arm == arm and r.evaluated and r.seed in item.seeds]
            if not seeds:
                missing = f"there is no evaluated run of its arm {arm} at the paths given"
                raise UserError(f"study {study.name}: {missing}. Name the folder that holds it.")
            if arm not in logged:
                run, reason = model_registry.chosen_run(seeds)
                logged[arm] = (
                    model_registry.logged_model(store, run),
                    f"seed {run.seed}, {reason}",
                )
        of_study = {arm: logged[arm] for arm in comparison.arms}
        about = " ".join([study.question, *(claim.says for claim in study.claims)])
        winner, why = champion(comparison)
        name = model_registry.register(store, study.name, about, of_study, winner, why)
        lines.append(f"{name}: {count(len(of_study), 'model')}, champion {winner}")
    return lines


def parser() -> CommandParser:
    """The command line."""
    made = CommandParser("convchoice publish", __doc__)
    paths = "run folders, or folders with run folders below them (default: runs)"
    made.add_argument("paths", nargs="*", type=Path, default=[Path("runs")], help=paths)
    made.add_argument("--uri", help=f"the store (default: {URI}, else mlflow.db at the root)")
    made.add_argument("--experiment", help=f"default: {EXPERIMENT}, else convchoice")
    made.add_argument("--models", action="store_true", help="log and register the studies' models")
    reports = "folder of the studies' results (default: reports)"
    made.add_argument("--reports", type=Path, help=reports)
    made.add_argument("--params", type=Path, help="YAML file that lists `studies` and `reports`")
    return made


def publish(given: Namespace) -> list[str]:
    """Log all that the command line names.

    Returns:
        What is wrong with folders that cannot be read.

    Raises:
        UserError: for a path or a result that does not exist.
        JobError: for a problem with MLflow.
    """
    parameters = read_parameters(given.params) if given.params else None
    reports = given.reports or Path(parameters.reports if parameters else "reports")
    wanted = given.models or given.reports or parameters
    names = parameters.studies if parameters else None
    comparisons = read_comparisons(reports, names) if wanted else []
    entries, runs, unreadable = read_folders(folders_below(given.paths))
    settings = settings_of(runs, given.uri, given.experiment)
    try:
        store = MlflowStore(settings)
        print(f"{without_password(store.uri)}: {publish_runs(store, entries, runs)}")
        for comparison in comparisons:
            store.log(study_entry(comparison, reports))
        if given.models:
            print(*publish_models(store, comparisons, runs), sep="\n")
    except UserError:
        raise
    except Exception as error:
        if os.environ.get("CONVCHOICE_TRACEBACK"):
            raise
        text = f"MLflow logging failed: {one_line(error)}. Run the command again for the rest."
        raise JobError(text) from error
    return unreadable


def main(arguments: Sequence[str] | None = None) -> None:
    """Publish; folders that cannot be read are named at the end, with exit status 2."""
    unreadable = publish(parser().parse_args(arguments))
    if unreadable:
        listed = "\n".join(f"  {text}" for text in unreadable)
        raise UserError(f"left out {count(len(unreadable), 'folder')}:\n{listed}")
