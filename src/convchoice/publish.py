"""Tell an MLflow store of run folders that it does not know, and of models.

    python -m convchoice.publish                       # runs/, to mlflow.db or MLFLOW_TRACKING_URI
    python -m convchoice.publish runs /mnt/elsewhere/runs --uri http://127.0.0.1:5000
    python -m convchoice.publish runs --params params.yaml --models

After a DVC cache hit, from another machine, from runs without tracking, or after a server was away.
What a folder holds decides which run it is, wherever it lies. What the store knows already is left
as it is, so that a second call adds nothing. Run folders are never written to.
"""

import argparse
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from convchoice.analysis.champion import champion
from convchoice.analysis.result import Comparison
from convchoice.config.schema import TrackingConfig
from convchoice.config.validation import config_from_mapping
from convchoice.config.yaml_files import read_yaml
from convchoice.errors import RunFolderError, UserError, exit_codes
from convchoice.reporting.study_log import log_study
from convchoice.runs.run import Run, read_run
from convchoice.runs.run_folder import CONFIG, METRICS
from convchoice.summary import read_comparisons
from convchoice.tracking import catching_up
from convchoice.tracking.labels import run_identity
from convchoice.tracking.life import MlflowTracking
from convchoice.tracking.opening import URI, default_uri, open_mlflow
from convchoice.tracking.patience import first_line
from convchoice.tracking.publish import logged, publish_runs


def run_folders(paths: Iterable[Path]) -> Iterator[Path]:
    """Run folders at or below some paths; unfinished ones and hidden folders are left out.

    Raises:
        UserError: if a path is not there.
    """
    for path in paths:
        if not path.is_dir():
            raise UserError(f"{path}: there is no such folder.")
        for config in sorted(path.rglob(f"seed-*/{CONFIG}")):
            folder = config.parent
            hidden = any(part.startswith(".") for part in folder.relative_to(path).parts)
            number = folder.name.removeprefix("seed-")
            if number.isdigit() and not hidden and (folder / METRICS).is_file():
                yield folder
        number = path.name.removeprefix("seed-")
        if number.isdigit() and (path / CONFIG).is_file():
            yield path


@dataclass
class Found:
    """The runs at some paths, each once.

    Attributes:
        runs: by identity; of a trained and an evaluated folder of one run the latter.
        unreadable: what is wrong with the others.
    """

    runs: dict[str, Run] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)


def read_folders(paths: Iterable[Path]) -> Found:
    """Read all run folders at some paths.

    Raises:
        UserError: if a path is not there, or there is no run folder at all.
    """
    found, looked = Found(), list(paths)
    for folder in run_folders(looked):
        try:
            run = read_run(folder)
        except RunFolderError as error:
            found.unreadable.append(str(error))
            continue
        identity = run_identity(run)
        if identity not in found.runs or run.evaluated:
            found.runs[identity] = run
    if not found.runs and not found.unreadable:
        where = ", ".join(map(str, looked))
        raise UserError(f"{where}: no run folders (<arm>/seed-0, seed-1, …) here.")
    return found


def publish_studies(reports: Path, studies: Sequence[str], settings: TrackingConfig) -> None:
    """Log the studies of a sweep."""
    for comparison in read_comparisons(reports, studies):
        logged(settings, partial(log_study, comparison=comparison, reports=reports))


def publish_models(
    tracking: MlflowTracking, comparisons: Sequence[Comparison], runs: Iterable[Run]
) -> list[str]:
    """Log the model of each arm's best seed, register each study's, and crown its champion.

    Returns:
        A line a study.

    Raises:
        UserError: if there is no run of an arm of a study.
    """
    from convchoice.tracking import models  # noqa: PLC0415 - only who wants models pays

    every, said = list(runs), []
    logged: dict[str, tuple[Any, str]] = {}
    for comparison in comparisons:
        study = comparison.study
        for arm, item in comparison.arms.items():
            seeds = [run for run in every if run.arm == arm and run.evaluated]
            seeds = [run for run in seeds if run.seed in item.seeds]
            if not seeds:
                raise UserError(
                    f"study {study.name}: there is no evaluated run of its arm {arm} at the"
                    " paths given. Name the folder that holds it."
                )
            if arm not in logged:
                chosen = models.chosen_run(seeds)
                found = catching_up.find(tracking.store, chosen.run)
                assert found is not None  # noqa: S101 - it was published above
                model = models.logged_model(tracking.store, chosen.run, found.info.run_id)
                logged[arm] = (model, f"seed {chosen.run.seed}, {chosen.reason}")
        winner = champion(comparison)
        of_study = {arm: logged[arm] for arm in comparison.arms}
        models.register(tracking.store, study.model_dump(), of_study, winner.arm, winner.reason)
        name = models.registered_name(study.name)
        said.append(f"{name}: {len(of_study)} models, champion {winner.arm}")
    return said


def address_of(runs: Iterable[Run], given: str | None) -> str:
    """The store that is meant: as given, MLFLOW_TRACKING_URI, the runs' own, or mlflow.db.

    Raises:
        UserError: if the runs name several.
    """
    if named := given or os.environ.get(URI):
        return named
    own = {config_from_mapping(run.config).tracking.uri for run in runs} - {None}
    if len(own) > 1:
        listed = ", ".join(sorted(map(str, own)))
        raise UserError(f"--uri: the runs' own configurations name several: {listed}. Name one.")
    return str(own.pop()) if own else default_uri()


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="python -m convchoice.publish",
        description="Tell an MLflow store of run folders that it does not know.",
    )
    made.add_argument(
        "paths",
        nargs="*",
        type=Path,
        default=[Path("runs")],
        metavar="PATH",
        help="folders with run folders in them, however deep (default: runs)",
    )
    made.add_argument("--uri", help=f"the store; default: {URI}, else mlflow.db at the root")
    made.add_argument(
        "--experiment", default="convchoice", metavar="NAME", help="default: convchoice"
    )
    made.add_argument(
        "--models", action="store_true", help="log and register each study's models, too"
    )
    made.add_argument(
        "--reports", type=Path, metavar="FOLDER", help="the studies' results (default: reports)"
    )
    made.add_argument(
        "--params", type=Path, metavar="FILE", help="YAML file that lists `studies` and `reports`"
    )
    return made


def chosen_comparisons(given: argparse.Namespace) -> tuple[list[Comparison], Path]:
    """The studies' results that the command line means, and their folder.

    None where it asks for no studies.

    Raises:
        UserError: if one cannot be read.
    """
    reports, studies = given.reports or Path("reports"), None
    if given.params:
        values = read_yaml(given.params)
        reports = given.reports or Path(values.get("reports", reports))
        studies = values.get("studies")
    wanted = given.models or given.reports or given.params
    return (read_comparisons(reports, studies) if wanted else []), reports


def publish(given: argparse.Namespace) -> list[str]:
    """Tell the store of all that the command line names.

    Returns:
        What is wrong with folders that could not be read.

    Raises:
        UserError: for a path or a result that is not there, or a store that cannot be told.
    """
    comparisons, reports = chosen_comparisons(given)
    found = read_folders(given.paths)
    runs = list(found.runs.values())
    uri = address_of(runs, given.uri)
    try:
        tracking = open_mlflow(uri, given.experiment)
        print(f"{uri}: {publish_runs(tracking, runs).said()}")
        for comparison in comparisons:
            log_study(tracking, comparison, reports)
        if given.models:
            for line in publish_models(tracking, comparisons, runs):
                print(line)
    except UserError:
        raise
    except Exception as error:
        if os.environ.get("CONVCHOICE_TRACEBACK"):
            raise
        raise UserError(
            f"{uri}: MLflow could not be told everything: {first_line(error)}."
            " What it was told is there; call this again for the rest."
        ) from error
    return found.unreadable


def main(arguments: Sequence[str] | None = None) -> None:
    """Publish; folders that cannot be read are named at the end, with exit status 2."""
    with exit_codes():
        unreadable = publish(parser().parse_args(arguments))
        if unreadable:
            listed = "\n".join(f"  {text}" for text in unreadable)
            raise UserError(f"{len(unreadable)} folders were left out:\n{listed}")


if __name__ == "__main__":
    main()
