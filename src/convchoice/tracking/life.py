"""The life of a run in MLflow, owned here.

RUNNING while it trains, SCHEDULED between training and evaluation (two stages, maybe two days),
RUNNING while it is evaluated, then FINISHED, FAILED or KILLED. A run is only told something while
it is RUNNING: whoever goes on with one takes it over first, with this process as its owner.
"""

import json
import re
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from convchoice.config.schema import Config
from convchoice.config.validation import config_from_mapping
from convchoice.runs.environment import commit_state
from convchoice.runs.run import Run
from convchoice.tracking import catching_up, groups, system_metrics
from convchoice.tracking.labels import (
    KIND_TAG,
    NOTE_TAG,
    OWNER_TAG,
    PARENT_TAG,
    Group,
    Kind,
    commit_tags,
    digest,
    milliseconds,
    parameters_of,
    run_name,
    run_tags,
)
from convchoice.tracking.owner import this_process
from convchoice.tracking.patience import Patience, patient
from convchoice.tracking.store import MlflowStore, Point
from convchoice.tracking.system_metrics import MachineSampler
from convchoice.tracking.unbroken import unbroken

NOT_IN_A_NAME = re.compile(r"[^\w\-. :/]")
"""What MLflow refuses in the name of a metric: `=` of a sweep's arms, for one."""


def _verdict(numbers: Mapping[str, float]) -> list[Point]:
    """A comparison's numbers; MLflow's charts, which go by the first word, have them last."""
    now = int(time.time() * 1000)
    return [
        Point(f"verdict/{NOT_IN_A_NAME.sub('_', key)}", value, 0, now)
        for key, value in numbers.items()
    ]


class MlflowTracking(Patience):
    """Tells MLflow. A store that does not answer is said once, and never stops a run.

    Args:
        store: an open one; runs of processes that are gone are marked in it first.
        root: of the project, whose commit runs are tagged with.
        machine: whether this machine is the one to be sampled, where machines are.
    """

    def __init__(self, store: MlflowStore, root: Path, *, machine: bool = True) -> None:
        """Look after what earlier processes left, then be ready."""
        super().__init__()
        self.store = store
        self._commit = commit_tags(*commit_state(root))
        self._told: dict[str, dict[str, set[tuple[int, float]]]] = {}
        self._machine = MachineSampler() if machine and system_metrics.wanted() else None
        for name in store.mark_abandoned():
            print(f"MLflow: marked {name} as KILLED, its process is gone", file=sys.stderr)

    @patient
    def begin(
        self,
        config: Config,
        studies: Iterable[str],
        known: str | None,
        parent: str | None = None,
    ) -> str | None:
        """Make the run with its parameters and tags, or go on with the one that is `known`."""
        found = self.store.run(known)
        if found is not None:
            run_id = str(found.info.run_id)
            self.store.own(run_id)
            self._told[run_id] = {
                key: self.store.known_points(run_id, key)
                for key in found.data.metrics
                if key.startswith(groups.CURVES)
            }
            if parent is not None:
                self.store.client.set_tag(run_id, PARENT_TAG, parent)
        else:
            tags = run_tags(config, studies) | self._commit
            if parent is not None:
                tags[PARENT_TAG] = parent
            run_id = self.store.create(run_name(config), Kind.run, tags, parameters_of(config))
        if self._machine is not None:
            self._machine.begin(run_id, self._samples_of(found))
        return run_id

    def _samples_of(self, found: Any | None) -> int:
        """Samples of the machine that a run has from before it was interrupted."""
        if found is None:
            return 0
        keys = [key for key in found.data.metrics if key.startswith(system_metrics.PREFIX)]
        known = self.store.known_points(found.info.run_id, keys[0]) if keys else set()
        return max((step for step, _ in known), default=-1) + 1

    @patient
    def epoch(self, run_id: str | None, row: Mapping[str, float]) -> None:
        """Log the epoch's numbers at the step that bears the epoch's number.

        An epoch that a run did before it was interrupted, and does again, is not logged twice.
        """
        if run_id is None:
            return
        now, step = int(time.time() * 1000), int(row["epoch"])
        told = self._told.get(run_id, {})
        points = [
            Point(key, value, step, now)
            for key, value in row.items()
            if "/" in key and (step, value) not in told.get(key, ())
        ]
        machine = self._machine.take(run_id) if self._machine is not None else []
        self.store.log(run_id, [*points, *machine])

    @patient
    def trained(self, run_id: str | None) -> None:
        """Leave the run waiting for its evaluation; RUNNING would be a lie."""
        if run_id is not None:
            self._last_samples(run_id)
            self.store.wait(run_id)

    def _last_samples(self, run_id: str) -> None:
        self._told.pop(run_id, None)
        if self._machine is not None:
            self.store.log(run_id, self._machine.end(run_id))

    @patient
    def evaluating(self, run_id: str | None) -> None:
        """RUNNING for the time of it; a run that was evaluated before is opened again."""
        if run_id is not None and self.store.run(run_id) is not None:
            self.store.own(run_id)

    @patient
    def evaluated(self, run: Run, parent: str | None = None) -> None:
        """Bring the store's run up to the folder's; then FINISHED.

        One that the store does not know, because it came from a cache or the server was away, is
        made now.
        """
        found = catching_up.find(self.store, run)
        if found is None:
            self.publish(run, (), parent)
            return
        self.take_up(run, found, parent)

    @unbroken()
    def take_up(
        self, run: Run, found: Any, parent: str | None, *, ended: int | None = None
    ) -> None:
        """Bring a run that the store has up to its folder; one that has ended is opened for it.

        Args:
            run: the folder.
            found: the store's run.
            parent: of the run, unless it has one.
            ended: milliseconds since 1970 at which it ended; None for now.

        Raises:
            Exception: whatever the store came up with.
        """
        run_id = str(found.info.run_id)
        if found.info.status != "RUNNING" or found.data.tags.get(OWNER_TAG) != this_process():
            self.store.own(run_id)
        if parent is not None and found.data.tags.get(PARENT_TAG) is None:
            self.store.client.set_tag(run_id, PARENT_TAG, parent)
        if not found.data.params:  # the store failed when the run had just been made
            self.store.log_parameters(run_id, parameters_of(config_from_mapping(run.config)))
        catching_up.bring_up_to_date(self.store, run, run_id, ended=ended)

    @unbroken()
    def end_arm(self, run_id: str, files: Sequence[Path] = ()) -> str:
        """FINISHED, with the means over the arm's seeds; returns its id, which may be a new one.

        Raises:
            Exception: whatever the store came up with.
        """
        return groups.end_arm(self.store, run_id, files, int(time.time() * 1000))

    @unbroken()
    def publish(self, run: Run, studies: Iterable[str], parent: str | None) -> str:
        """Tell of a folder that the store does not know, as if it had been told live.

        Raises:
            Exception: whatever the store came up with.
        """
        run_id, new = catching_up.create(self.store, run, studies, parent)
        if new:
            ended = milliseconds(run.environment["finished"])
            catching_up.bring_up_to_date(self.store, run, run_id, ended=ended)
        return run_id

    @patient
    def ended_badly(self, run_id: str | None, reason: str, *, killed: bool) -> None:
        """Close the run as FAILED or KILLED, with the reason as a tag."""
        if run_id is not None and self.store.run(run_id) is not None:
            self._last_samples(run_id)
            self.store.end(run_id, "KILLED" if killed else "FAILED", reason)

    @patient
    def open_group(self, group: Group) -> str | None:
        """Find the parent run of a group or make it; RUNNING."""
        return groups.open_group(self.store, group)

    @patient
    def group_waits(self, run_id: str | None) -> None:
        """The group's runs are trained, and their evaluation is still to come."""
        if run_id is not None:
            self.store.wait(run_id)

    @patient
    def close_group(
        self,
        run_id: str | None,
        files: Sequence[Path] = (),
        reason: str = "",
        *,
        killed: bool = False,
        numbers: Mapping[str, float] | None = None,
    ) -> None:
        """End a parent run: FINISHED, an arm's with the means over its seeds; FAILED or KILLED.

        A sweep's has its comparison's numbers and files also where some of its jobs failed.
        """
        found = self.store.run(run_id)
        if run_id is None or found is None:
            return
        if found.data.tags.get(KIND_TAG) != Kind.arm.value:
            with self.store.closed_on_failure(run_id):
                self.store.log(run_id, _verdict(numbers or {}))
                self._log_with_figures(run_id, files)
        elif not reason:
            self.end_arm(run_id, files)
            return
        status = ("KILLED" if killed else "FAILED") if reason else "FINISHED"
        self.store.end(run_id, status, reason)

    @patient
    def study(
        self,
        name: str,
        dataset: str,
        numbers: Mapping[str, float],
        files: Iterable[Path],
        note: str = "",
    ) -> None:
        """A run of its own for the study: data set and numbers, and its files as artifacts.

        The same numbers are told once, however often the report is made.
        """
        identity = digest("study", name, dataset, json.dumps(dict(numbers), sort_keys=True))
        found = self.store.identified(identity)
        if found is not None and found.info.status == "FINISHED":
            return
        tags = {
            "study": name,
            "dataset": dataset,
            "stage": "report",
            "mlflow.source.name": "convchoice.report",
            **self._commit,
        }
        if note:
            tags[NOTE_TAG] = note
        if found is None:
            run_id, new = self.store.create_once(identity, f"study/{name}", Kind.study, tags, {})
            if not new:
                return  # another process tells it right now
        else:
            run_id = str(found.info.run_id)
            self.store.own(run_id)
        with self.store.closed_on_failure(run_id):
            points = catching_up.missing_points(self.store, run_id, _verdict(numbers))
            self.store.log(run_id, points)
            self._log_with_figures(run_id, list(files))
            self.store.end(run_id, "FINISHED")

    def _log_with_figures(self, run_id: str, files: Sequence[Path]) -> None:
        """Figures lie together; results and pages at the top."""
        figures = [path for path in files if path.suffix == ".svg"]
        self.store.log_files(run_id, figures, "figures")
        self.store.log_files(run_id, [path for path in files if path not in figures])
