"""What a process is given to do with its runs; only that process, at its work, imports torch."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from convchoice.config.schema import Config, EvaluationConfig
from convchoice.errors import storing_in
from convchoice.runs.events import Ended, Event, Listener, RunKey
from convchoice.runs.locks import WORK
from convchoice.runs.run_folder import partial_path

TRAINING_MODULE = "convchoice.training.train"
EVALUATION_MODULE = "convchoice.evaluation.evaluate"


@dataclass(frozen=True)
class TrainingJob:
    """One run to train.

    Attributes:
        config: the run's configuration.
        data_root: where the verified data set lies.
        folder: the run's final folder; the work is done in its partial folder.
        environment: `environment.describe()` of this start.
        fingerprint: of configuration, data and code.
    """

    config: Config
    data_root: Path
    folder: Path
    environment: Mapping[str, Any]
    fingerprint: str

    @property
    def arm(self) -> str:
        """The run's arm."""
        return str(self.config.arm)

    @property
    def seed(self) -> int:
        """The run's seed."""
        return self.config.seed


@contextmanager
def _scratch(folder: Path) -> Iterator[None]:
    """Keep a run's temporary files on the file system on which the run is written.

    Lightning writes a checkpoint into a temporary file and then moves it. Only within one file
    system is that one step, which a kill leaves done or not begun; and what a killed start left is
    found and removed here.
    """
    place = folder.parents[1] / WORK / f"{folder.parent.name}.{folder.name}"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    usual, tempfile.tempdir = tempfile.tempdir, str(place)
    try:
        yield
    finally:
        tempfile.tempdir = usual
        shutil.rmtree(place, ignore_errors=True)


@dataclass(frozen=True)
class TrainingJobs:
    """Runs that one process trains together: one, or several that differ in their seed alone."""

    jobs: tuple[TrainingJob, ...]

    @property
    def runs(self) -> tuple[RunKey, ...]:
        """Which runs."""
        return tuple((job.arm, job.seed) for job in self.jobs)

    def work(self, listener: Listener) -> None:
        """Train the runs in this process.

        Raises:
            UserError: for data that is not there or altered, or a disk that is full or not
                writable. A run whose loss is not finite is told to the listener as lost.
        """
        # torch, only where it works
        from convchoice.training.callbacks import TrainingError  # noqa: PLC0415
        from convchoice.training.train import train  # noqa: PLC0415

        left = dict.fromkeys(self.runs)

        def tell(event: Event) -> None:
            if isinstance(event, Ended):  # a training itself ends only a run whose loss is lost
                left.pop(event.key, None)
                event = replace(event, lost=True)
            listener(event)

        folder = self.jobs[0].folder
        try:
            with storing_in(partial_path(folder)), _scratch(folder):
                train(self.jobs, tell)
        except TrainingError as error:
            for arm, seed in tuple(left):
                tell(Ended(arm, seed, str(error)))


@dataclass(frozen=True)
class EvaluationJob:
    """One trained run to measure.

    Attributes:
        trained: the folder that the training left.
        folder: the final run folder.
        data_root: where the verified data set lies.
        arm: the run's arm.
        seed: the run's seed.
        evaluation: what is measured beside the clean answers.
    """

    trained: Path
    folder: Path
    data_root: Path
    arm: str
    seed: int
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)


@dataclass(frozen=True)
class EvaluationJobs:
    """Trained runs that one process measures, one after another; its imports are paid once."""

    jobs: tuple[EvaluationJob, ...]

    @property
    def runs(self) -> tuple[RunKey, ...]:
        """Which runs."""
        return tuple((job.arm, job.seed) for job in self.jobs)

    def work(self, listener: Listener) -> None:
        """Measure the runs and write their final folders; one may fail without the others."""
        from convchoice.evaluation.evaluate import evaluate  # noqa: PLC0415 - torch, only where it works

        evaluate(self.jobs, listener)
