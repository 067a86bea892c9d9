"""Train the seeds of an arm: those that are missing, side by side, shown, tracked, then sealed."""

import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from convchoice import environment, run_folder
from convchoice.datasets import load
from convchoice.errors import RunFolderError
from convchoice.events import Ended, EpochEnded, Event, Listener, Started
from convchoice.fingerprint import code_digest, fingerprint
from convchoice.progress import Display
from convchoice.schema import Accelerator, Config
from convchoice.study import studies_of_arm
from convchoice.tracking import NoTracking, Tracking, open_tracking
from convchoice.workers import available_cores, gpu_present, run_jobs, work_reporting_end

if TYPE_CHECKING:
    from convchoice.training import TrainingJob

WORKER_MODULE = "convchoice.training"


@dataclass(frozen=True)
class Missing:
    """A run that has to be trained."""

    config: Config
    folder: Path
    fingerprint: str


def stands(folder: Path, wanted: str) -> bool:
    """Whether a whole run folder with this fingerprint is there."""
    try:
        return run_folder.read_run(folder).environment.get("fingerprint") == wanted
    except RunFolderError:
        return False


def missing_runs(configs: Iterable[Config], root: Path) -> list[Missing]:
    """The runs that are not there yet, or were made with other settings, data or code.

    Args:
        configs: one a run.
        root: folder of the arms' folders.

    Raises:
        UserError: if there is no data set to train on.
    """
    code = code_digest()
    missing = []
    for config in configs:
        digest = load(Path(config.data.root)).digest
        folder = run_folder.run_path(root, str(config.arm), config.seed)
        wanted = fingerprint(config, digest, code)
        if not stands(folder, wanted):
            missing.append(Missing(config, folder, wanted))
    return missing


def default_workers(config: Config) -> int:
    """Runs side by side: one a GPU, or as many as the CPU has cores for their threads."""
    if config.trainer.workers is not None:
        return config.trainer.workers
    if config.trainer.accelerator is not Accelerator.cpu and gpu_present():
        return 1
    return max(1, available_cores() // config.trainer.threads)


@dataclass
class Bookkeeper:
    """Hears every event: tells MLflow, gives whole runs their final names, collects failures."""

    runs: dict[tuple[str, int], Missing]
    show: Listener
    tracking: Tracking = field(default_factory=NoTracking)
    ids: dict[tuple[str, int], str | None] = field(default_factory=dict)
    failures: list[Ended] = field(default_factory=list)

    def hear(self, event: Event) -> None:
        """Act on one event."""
        key = (event.arm, event.seed)
        partial = run_folder.partial_path(self.runs[key].folder)
        if isinstance(event, Started):
            known = run_folder.noted_tracking(partial)
            config = self.runs[key].config
            self.ids[key] = self.tracking.begin(config, studies_of_arm(event.arm), known)
            run_folder.note_tracking(partial, self.ids[key])
        elif isinstance(event, EpochEnded):
            self.tracking.epoch(self.ids.get(key), event.row)
        elif isinstance(event, Ended):
            self._end(key, event)
        self.show(event)

    def _end(self, key: tuple[str, int], event: Ended) -> None:
        run_id = self.ids.pop(key, None)
        if event.failure:
            self.failures.append(event)
            self.tracking.ended_badly(run_id, event.failure, killed=False)
            return
        run_folder.seal(self.runs[key].folder)
        self.tracking.trained(run_id)

    def close(self) -> None:
        """Mark what is still under way as killed."""
        for run_id in self.ids.values():
            self.tracking.ended_badly(run_id, "stopped before its end", killed=True)


def train_missing(
    missing: Sequence[Missing],
    *,
    workers: int,
    open_store: Callable[[], Tracking],
) -> list[Ended]:
    """Train runs and seal their folders.

    Args:
        missing: what to train.
        workers: processes side by side; 0 trains in this process.
        open_store: opens the tracking; called while the first workers are starting.

    Returns:
        The failures; every other run is whole.
    """
    described = environment.describe()
    with Display("training", len(missing)) as display:
        keeper = Bookkeeper(
            {(str(item.config.arm), item.config.seed): item for item in missing}, display.hear
        )

        def open_now() -> None:
            keeper.tracking = open_store()

        try:
            if workers:
                jobs = (_job(item, described) for item in missing)
                run_jobs(jobs, workers, keeper.hear, [WORKER_MODULE], open_now)
            else:
                open_now()
                for item in missing:
                    work_reporting_end(_job(item, described), keeper.hear)
        finally:
            keeper.close()
    return keeper.failures


def _job(item: Missing, described: dict[str, object]) -> "TrainingJob":
    from convchoice.training import TrainingJob  # noqa: PLC0415 - torch, only where it is needed

    data_root = Path(item.config.data.root)
    return TrainingJob(item.config, data_root, item.folder, described, item.fingerprint)


def remove_leftovers(root: Path, arm: str, seeds: Iterable[int]) -> None:
    """Remove run folders of seeds that the arm no longer has."""
    kept = {f"seed-{seed}" for seed in seeds}
    for folder in (root / arm).glob("seed-*"):
        if folder.name.removesuffix(run_folder.PARTIAL_SUFFIX) not in kept:
            shutil.rmtree(folder)


def train_seeds(configs: Sequence[Config], root: Path) -> list[Ended]:
    """Make an arm's folder hold exactly these runs, training those that are missing.

    Args:
        configs: one a seed, of one arm.
        root: folder of the arms' folders.

    Returns:
        The failures.
    """
    arm = str(configs[0].arm)
    remove_leftovers(root, arm, [config.seed for config in configs])
    missing = missing_runs(configs, root)
    kept = len(configs) - len(missing)
    print(f"arm {arm}: {len(configs)} seeds, {kept} kept, {len(missing)} to train", flush=True)
    if not missing:
        return []
    return train_missing(
        missing,
        workers=min(default_workers(configs[0]), len(missing)),
        open_store=lambda: open_tracking(configs[0].tracking),
    )
