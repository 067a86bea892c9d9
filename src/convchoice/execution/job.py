"""What one worker process does: train runs, evaluate them, or both. Only the worker imports torch.

A job can be sent again at any time: it waits for another process that works on the same runs, skips
what is complete by then, and continues an interrupted training from its checkpoint.
"""

import traceback
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from convchoice.config.validation import config_to_mapping
from convchoice.errors import UserError, storing_in
from convchoice.execution.completeness import complete_training, is_evaluated
from convchoice.runs import environment
from convchoice.runs.events import Event, Listener, RunEnded, RunKey
from convchoice.runs.locks import lock_runs
from convchoice.runs.ownership import finalise, remove_failure, write_failure
from convchoice.runs.specification import RunSpecification


@dataclass(frozen=True)
class Job:
    """Runs that one process works on; training together, they differ only in their seeds.

    Attributes:
        runs: what to train or evaluate.
        trains: whether the job trains the runs that are not trained yet.
        evaluates: whether the job evaluates the runs on the test set.
    """

    runs: tuple[RunSpecification, ...]
    trains: bool = True
    evaluates: bool = True

    @property
    def keys(self) -> tuple[RunKey, ...]:
        """Arm and seed of each run."""
        return tuple(run.key for run in self.runs)

    @property
    def name(self) -> str:
        """The runs in one line."""
        return ", ".join(f"{arm}/seed-{seed}" for arm, seed in self.keys)

    def on_this_machine(self) -> "Job":
        """The same job, with the commit, versions and platform found on this machine."""
        found = environment.describe()
        runs = (replace(run, environment={**run.environment, **found}) for run in self.runs)
        return replace(self, runs=tuple(runs))

    def work(self, listener: Listener) -> None:
        """Do the work in this process. Each run ends with exactly one `RunEnded` event."""
        left = {run.key: run for run in self.runs}
        started = datetime.now(UTC)

        def report(event: Event) -> None:
            if isinstance(event, RunEnded):
                run = left.pop(event.key)
                if event.diverged:
                    write_failure(run.folder, _failure(run, event.failure, started))
            listener(event)

        failure, details = "", ""
        try:
            folder = self.runs[0].folder
            names = [f"{arm}/seed-{seed}" for arm, seed in self.keys]
            with storing_in(folder), lock_runs(folder.parents[1], names, "working on"):
                self._work(left, report)
        except UserError as error:
            failure = str(error)
        except Exception as error:  # noqa: BLE001 - a fault in one job must not stop the others
            failure, details = f"{type(error).__name__}: {error}", traceback.format_exc()
        for key in tuple(left):
            listener(RunEnded(*key, failure, details))

    def _work(self, left: dict[RunKey, RunSpecification], listener: Listener) -> None:
        """Train and evaluate the runs in `left`; `listener` removes those that have ended."""
        if self.trains:
            self._train(left, listener)
        if self.evaluates:
            from convchoice.evaluation.evaluate import evaluate  # noqa: PLC0415 - torch

            if self.trains:  # another process may have evaluated a run in the meantime
                for run in [run for run in left.values() if is_evaluated(run)]:
                    listener(RunEnded(*run.key))
            evaluate(list(left.values()), listener)

    @staticmethod
    def _train(left: dict[RunKey, RunSpecification], listener: Listener) -> None:
        missing = [run for run in left.values() if not complete_training(run)]
        if not missing:
            return
        for run in missing:
            remove_failure(run.folder)  # of another configuration, data or code
        from convchoice.training.train import train  # noqa: PLC0415 - torch

        train(missing, listener)
        for run in missing:
            if run.key in left:
                finalise(run.folder)


def _failure(run: RunSpecification, reason: str, started: datetime) -> dict[str, Any]:
    """The record of a failed training, with what MLflow shows of it."""
    return {
        "reason": reason,
        "fingerprint": run.fingerprint,
        "started": started.isoformat(timespec="seconds"),
        "config": config_to_mapping(run.config),
        "environment": dict(run.environment),
    }
