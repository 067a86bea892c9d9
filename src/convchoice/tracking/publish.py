"""Log run folders that are complete to MLflow, each once."""

import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from convchoice.config.schema import Store, TrackingConfig
from convchoice.config.study import read_study
from convchoice.config.validation import CONF_DIR, config_from_mapping
from convchoice.errors import UserError, without_password
from convchoice.runs.run import Run, read_run
from convchoice.tracking import catching_up, groups
from convchoice.tracking.labels import (
    OWNER_TAG,
    PARENT_TAG,
    arm_fingerprint_of,
    arm_group,
    milliseconds,
)
from convchoice.tracking.life import MlflowTracking
from convchoice.tracking.opening import open_mlflow, uri_of
from convchoice.tracking.owner import gone
from convchoice.tracking.patience import first_line


def publish(run_folder: Path, settings: TrackingConfig) -> None:
    """Log a complete run, unless MLflow has it already; a failure of MLflow is one warning."""

    def log(tracking: MlflowTracking) -> None:
        publish_runs(tracking, [read_run(run_folder)])

    logged(settings, log)


def logged(settings: TrackingConfig, log: Callable[[MlflowTracking], object]) -> None:
    """Do something with the store of a configuration; its failure is one warning."""
    if settings.store is Store.none:
        return
    try:
        log(_opened(uri_of(settings), settings.experiment or "convchoice"))
    except Exception as error:  # noqa: BLE001 - whatever a server, a disk or a lock may come up with
        warn(error)


@cache
def _opened(uri: str, experiment: str) -> MlflowTracking:
    return open_mlflow(uri, experiment, machine=False)


def warn(error: Exception) -> None:
    """Say that something was not logged."""
    print(
        f"warning: MLflow logging failed: {without_password(first_line(error))}."
        " Run `convchoice publish` to log the missing runs.",
        file=sys.stderr,
    )


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
