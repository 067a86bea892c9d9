"""Measure the seeds of an arm: side by side, shown, and told to MLflow."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from convchoice.config.schema import Config
from convchoice.errors import RunFolderError
from convchoice.execution.bookkeeping import OwnParent, Parent, carry_out, failed_seeds
from convchoice.execution.dealing import default_workers
from convchoice.execution.jobs import EVALUATION_MODULE, EvaluationJobs
from convchoice.execution.progress import Display
from convchoice.execution.seeds import known_studies
from convchoice.execution.tracking import NoTracking, Tracking
from convchoice.execution.workers import Workers
from convchoice.runs.events import Ended, Event, Listener, Started
from convchoice.runs.run import read_run
from convchoice.runs.run_folder import noted_tracking, run_path
from convchoice.runs.specification import RunSpecification
from convchoice.tracking.labels import arm_fingerprint_of, arm_group

STOPPED = "stopped while it was evaluated"


@dataclass
class _Bookkeeper:
    """Hears every event: tells MLflow of whole runs, collects failures."""

    trained: Path
    root: Path
    show: Listener
    expected: int
    parent: Parent
    tracking: Tracking = field(default_factory=NoTracking)
    ids: dict[tuple[str, int], str | None] = field(default_factory=dict)
    failures: list[Ended] = field(default_factory=list)
    ended: int = 0

    def hear(self, event: Event) -> None:
        key = event.key
        if isinstance(event, Started):
            self.parent.begin(self.tracking)
            self.ids[key] = noted_tracking(run_path(self.trained, *key))
            self.tracking.evaluating(self.ids[key])
        elif isinstance(event, Ended):
            if event.failure:
                self.failures.append(event)
                self.tracking.ended_badly(self.ids.get(key), event.failure, killed=False)
            else:
                run = read_run(run_path(self.root, *key))
                self.tracking.evaluated(run, self.parent.run_id)
            self.ids.pop(key, None)
            self.ended += 1
        self.show(event)

    def close(self) -> None:
        """Mark what is still under way as killed; the parent ends with its last run."""
        for run_id in self.ids.values():
            self.tracking.ended_badly(run_id, STOPPED, killed=True)
        killed = self.ended < self.expected
        failure = STOPPED if killed else failed_seeds(self.failures)
        self.parent.end(self.tracking, failure, killed=killed)


def arm_parent(configs: Sequence[Config], trained: Path, composed: Path) -> Parent:
    """The parent run of an arm whose trained runs are there; none before there are any.

    Args:
        configs: one a run, of one arm.
        trained: folder of the trained arms.
        composed: the arm's composed file, which its run keeps.
    """
    for config in configs:
        with suppress(RunFolderError):
            run = read_run(run_path(trained, str(config.arm), config.seed))
            studies = known_studies({run.arm})
            group = arm_group(config, arm_fingerprint_of(run), studies)
            return OwnParent(group=group, files=(composed,))
    return Parent()


def measure_runs(
    configs: Sequence[Config],
    trained: Path,
    root: Path,
    *,
    workers: int | None = None,
    open_store: Callable[[], Tracking],
    parent: Parent | None = None,
) -> list[Ended]:
    """Measure trained runs on the test set and write their final run folders.

    Args:
        configs: one a run, of one arm.
        trained: folder of the trained arms.
        root: folder of the final run folders' arms.
        workers: processes side by side; None chooses by the machine.
        open_store: opens the tracking; called while the first workers are starting.
        parent: the parent run in the store; None for none.

    Returns:
        The failures; every other run is whole.
    """
    if not configs:
        return []
    if workers is None:
        workers = min(default_workers(configs[0]), len(configs))
    jobs = [
        RunSpecification(
            config,
            Path(config.data.root),
            folder=run_path(root, str(config.arm), config.seed),
            trained=run_path(trained, str(config.arm), config.seed),
        )
        for config in configs
    ]
    with Display("evaluating", len(configs)) as display:
        keeper = _Bookkeeper(trained, root, display.hear, len(configs), parent or Parent())
        shares = [EvaluationJobs(tuple(jobs[start::workers])) for start in range(workers)]
        carry_out(shares, keeper, Workers(workers, (EVALUATION_MODULE,)), open_store)
    return keeper.failures
