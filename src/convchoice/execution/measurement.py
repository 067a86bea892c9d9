"""Measure the seeds of an arm: side by side, shown, each handed on when it is whole."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from convchoice.config.schema import Config
from convchoice.execution.bookkeeping import OnComplete, carry_out
from convchoice.execution.dealing import default_workers
from convchoice.execution.jobs import EVALUATION_MODULE, EvaluationJobs
from convchoice.execution.progress import Display
from convchoice.execution.workers import Workers
from convchoice.runs.events import Ended, Event, Listener
from convchoice.runs.ownership import check_replaceable
from convchoice.runs.run_folder import run_path
from convchoice.runs.specification import RunSpecification


@dataclass
class _Bookkeeper:
    """Hears every event: hands whole runs on, collects failures."""

    root: Path
    show: Listener
    on_complete: OnComplete
    failures: list[Ended] = field(default_factory=list)

    def hear(self, event: Event) -> None:
        if isinstance(event, Ended):
            if event.failure:
                self.failures.append(event)
            else:
                self.on_complete(run_path(self.root, *event.key))
        self.show(event)


def measure_runs(
    configs: Sequence[Config],
    trained: Path,
    root: Path,
    *,
    workers: int | None = None,
    on_complete: OnComplete = lambda folder: None,  # noqa: ARG005
) -> list[Ended]:
    """Measure trained runs on the test set and write their final run folders.

    Args:
        configs: one a run, of one arm.
        trained: folder of the trained arms.
        root: folder of the final run folders' arms.
        workers: processes side by side; None chooses by the machine.
        on_complete: called with the folder of each run that is whole.

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
    for job in jobs:
        check_replaceable(job.folder)
    with Display("evaluating", len(configs)) as display:
        keeper = _Bookkeeper(root, display.hear, on_complete)
        shares = [EvaluationJobs(tuple(jobs[start::workers])) for start in range(workers)]
        carry_out(shares, keeper, Workers(workers, (EVALUATION_MODULE,)))
    return keeper.failures
