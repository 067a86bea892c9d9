"""What a process is given to do with its runs; only that process, at its work, imports torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from convchoice.records.events import Listener, RunKey
from convchoice.settings.schema import Config, EvaluationConfig

TRAINING_MODULE = "convchoice.learning.training"
EVALUATION_MODULE = "convchoice.measuring.evaluation"


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
            UserError: for data that is not there or altered, or losses that are not finite.
        """
        from convchoice.learning.training import train  # noqa: PLC0415 - torch, only where it works

        train(self.jobs, listener)


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
        from convchoice.measuring.evaluation import evaluate  # noqa: PLC0415 - torch, only where it works

        evaluate(self.jobs, listener)
