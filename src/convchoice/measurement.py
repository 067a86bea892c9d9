"""Measure the seeds of an arm: side by side, shown, and told to MLflow."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from convchoice.events import Ended, Event, Listener
from convchoice.progress import Display
from convchoice.run_folder import read_run, run_path
from convchoice.schema import Config
from convchoice.seeds import default_workers
from convchoice.tracking import NoTracking, Tracking
from convchoice.workers import run_jobs, work_reporting_end

if TYPE_CHECKING:
    from convchoice.evaluation import EvaluationJob

WORKER_MODULE = "convchoice.evaluation"


@dataclass
class _Bookkeeper:
    """Hears every event: tells MLflow of whole runs, collects failures."""

    root: Path
    show: Listener
    tracking: Tracking = field(default_factory=NoTracking)
    failures: list[Ended] = field(default_factory=list)

    def hear(self, event: Event) -> None:
        if isinstance(event, Ended):
            if event.failure:
                self.failures.append(event)
            else:
                self.tracking.evaluated(read_run(run_path(self.root, event.arm, event.seed)))
        self.show(event)


def measure_runs(
    configs: Sequence[Config],
    trained: Path,
    root: Path,
    *,
    workers: int | None = None,
    open_store: Callable[[], Tracking],
) -> list[Ended]:
    """Measure trained runs on the test set and write their final run folders.

    Args:
        configs: one a run, of one arm.
        trained: folder of the trained arms.
        root: folder of the final run folders' arms.
        workers: processes side by side; 0 works in this process, None chooses by the machine.
        open_store: opens the tracking; called while the first workers are starting.

    Returns:
        The failures; every other run is whole.
    """
    if workers is None:
        workers = min(default_workers(configs[0]), len(configs))
    with Display("evaluating", len(configs)) as display:
        keeper = _Bookkeeper(root, display.hear)

        def open_now() -> None:
            keeper.tracking = open_store()

        if workers:
            jobs = (_job(config, trained, root) for config in configs)
            run_jobs(jobs, workers, keeper.hear, [WORKER_MODULE], open_now)
        else:
            open_now()
            for config in configs:
                work_reporting_end(_job(config, trained, root), keeper.hear)
    return keeper.failures


def _job(config: Config, trained: Path, root: Path) -> "EvaluationJob":
    from convchoice.evaluation import EvaluationJob  # noqa: PLC0415 - torch, where it is needed

    arm = str(config.arm)
    return EvaluationJob(
        trained=run_path(trained, arm, config.seed),
        folder=run_path(root, arm, config.seed),
        data_root=Path(config.data.root),
        arm=arm,
        seed=config.seed,
    )
