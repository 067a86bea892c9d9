"""What one worker process does: train or evaluate runs. Only the worker imports torch."""

from dataclasses import dataclass

from convchoice.runs.events import Listener, RunKey
from convchoice.runs.specification import RunSpecification

TRAINING_MODULE = "convchoice.training.train"
EVALUATION_MODULE = "convchoice.evaluation.evaluate"


@dataclass(frozen=True)
class Jobs:
    """Runs that one process works on."""

    jobs: tuple[RunSpecification, ...]

    @property
    def runs(self) -> tuple[RunKey, ...]:
        """Arm and seed of each run."""
        return tuple(job.key for job in self.jobs)


@dataclass(frozen=True)
class TrainingJobs(Jobs):
    """Runs that one process trains together: one, or several that differ only in their seed."""

    def work(self, listener: Listener) -> None:
        """Train the runs in this process; see `training.train.train`."""
        from convchoice.training.train import train  # noqa: PLC0415 - torch, only in the worker

        train(self.jobs, listener)


@dataclass(frozen=True)
class EvaluationJobs(Jobs):
    """Trained runs that one process evaluates one after another."""

    def work(self, listener: Listener) -> None:
        """Evaluate the runs in this process; see `evaluation.evaluate.evaluate`."""
        from convchoice.evaluation.evaluate import evaluate  # noqa: PLC0415 - torch, only in the worker

        evaluate(self.jobs, listener)
