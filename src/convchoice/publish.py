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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from convchoice.analysis.champion import champion
from convchoice.config.study import read_study
from convchoice.config.validation import CONF_DIR, config_from_mapping
from convchoice.config.yaml_files import read_yaml
from convchoice.errors import RunFolderError, UserError, exit_codes
from convchoice.execution.tracking import URI, MlflowTracking, default_uri, open_mlflow
from convchoice.reporting.telling import tell_study
from convchoice.runs.run import Run, read_run
from convchoice.runs.run_folder import CONFIG, METRICS
from convchoice.summary import read_comparisons
from convchoice.tracking import catching_up, groups
from convchoice.tracking.labels import (
    OWNER_TAG,
    PARENT_TAG,
    arm_fingerprint_of,
    arm_group,
    milliseconds,
    run_identity,
)
from convchoice.tracking.owner import gone
from convchoice.tracking.patience import first_line


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


@dataclass
class Published:
    """What became of the folders: how many runs were new, brought up to date, known already."""

    new: int = 0
    mended: int = 0
    known: int = 0
    busy: int = 0
    arms: int = 0

    def said(self) -> str:
        """In one line."""
        busy = f", {self.busy} still under way" if self.busy else ""
        return (
            f"{self.new} new, {self.mended} brought up to date, {self.known} known already{busy};"
            f" the means of {self.arms} arms were told"
        )


def publish_runs(tracking: MlflowTracking, runs: Iterable[Run]) -> Published:
    """Tell of runs, each below the run of its arm, unless it has another parent; then the means.

    Raises:
        Exception: whatever the store came up with; what was told by then is told.
    """
    done = Published()
    by_arm: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        by_arm.setdefault((run.arm, arm_fingerprint_of(run)), []).append(run)
    studies = studies_by_arm()
    for (arm, fingerprint), seeds in sorted(by_arm.items()):
        _publish_arm(tracking, fingerprint, seeds, studies.get(arm, []), done)
    return done


def studies_by_arm(folder: Path = CONF_DIR / "study") -> dict[str, list[str]]:
    """The shipped studies that each arm belongs to: labels, so a study's fault stops nothing."""
    found: dict[str, list[str]] = {}
    for path in sorted(folder.glob("*.yaml")):
        with suppress(UserError):
            study = read_study(path)
            for arm in study.all_arms():
                found.setdefault(arm, []).append(study.name)
    return found


def _publish_arm(
    tracking: MlflowTracking,
    fingerprint: str,
    runs: Sequence[Run],
    studies: list[str],
    done: Published,
) -> None:
    store = tracking.store
    group = arm_group(config_from_mapping(runs[0].config), fingerprint, studies)
    there = store.identified(group.identity)
    parent = None if there is None else str(there.info.run_id)
    below = False
    for run in sorted(runs, key=lambda run: run.seed):
        found = catching_up.find(store, run)
        if found is not None and _busy(found):
            done.busy += 1
            continue
        has_other_parent = found is not None and found.data.tags.get(PARENT_TAG, parent) != parent
        if not has_other_parent:
            below = True
            parent = parent or groups.open_group(store, group)
        if found is None:
            tracking.publish(run, studies, parent)
            done.new += 1
        elif catching_up.up_to_date(run, found) and PARENT_TAG in found.data.tags:
            done.known += 1
        else:
            ended = milliseconds(run.environment["finished"])
            tracking.take_up(run, found, parent, ended=ended)
            done.mended += 1
    at_work = there is not None and _busy(there)  # who works at the arm tells its means
    if below and parent is not None and not at_work and not groups.means_are_told(store, parent):
        tracking.end_arm(parent)
        done.arms += 1


def _busy(found: Any) -> bool:
    """Whether a run is at work right now, as far as can be seen from this machine."""
    owner = found.data.tags.get(OWNER_TAG, "")
    return bool(found.info.status == "RUNNING" and not gone(owner))


def publish_models(
    tracking: MlflowTracking, comparisons: Sequence[Mapping[str, Any]], runs: Iterable[Run]
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
        study = comparison["study"]
        for arm, item in comparison["arms"].items():
            seeds = [run for run in every if run.arm == arm and run.evaluated]
            seeds = [run for run in seeds if run.seed in item["seeds"]]
            if not seeds:
                raise UserError(
                    f"study {study['name']}: there is no evaluated run of its arm {arm} at the"
                    " paths given. Name the folder that holds it."
                )
            if arm not in logged:
                chosen = models.chosen_run(seeds)
                found = catching_up.find(tracking.store, chosen.run)
                assert found is not None  # noqa: S101 - it was published above
                model = models.logged_model(tracking.store, chosen.run, found.info.run_id)
                logged[arm] = (model, f"seed {chosen.run.seed}, {chosen.reason}")
        winner = champion(comparison)
        of_study = {arm: logged[arm] for arm in comparison["arms"]}
        models.register(tracking.store, study, of_study, winner.arm, winner.reason)
        name = models.registered_name(study["name"])
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


def chosen_comparisons(given: argparse.Namespace) -> tuple[list[dict[str, Any]], Path]:
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
            tell_study(tracking, comparison, reports)
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
