"""What one process does: train runs, evaluate them, or both; and when a run is complete.

A job can be sent again at any time: it waits for another process that works on the same runs, skips
what is complete by then, and continues an interrupted training from its checkpoint. Only the
process that works imports torch.
"""

import traceback
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from convchoice.config.validation import config_from_mapping, config_to_mapping
from convchoice.errors import RunFolderError, UserError, storing_in
from convchoice.runs.events import Event, Listener, RunEnded, RunKey
from convchoice.runs.fingerprint import EVALUATION_CODE, environment
from convchoice.runs.locks import lock_runs
from convchoice.runs.ownership import finalise, remove_failure, write_failure
from convchoice.runs.run import RunSpecification, read_run
from convchoice.runs.run_folder import CHECKPOINT, MEASURED_FILES, partial_path


def is_trained(run: RunSpecification) -> bool:
    """Whether the run folder is complete and up to date. Logs why an existing one is rejected."""
    if not run.folder.exists():
        return False
    try:
        found = read_run(run.folder)
    except RunFolderError as error:
        print(f"not kept: {error}", flush=True)
        return False
    return found.environment.get("fingerprint") == run.fingerprint


def is_interrupted(run: RunSpecification) -> bool:
    """Whether a training of the run left a checkpoint."""
    return (partial_path(run.folder) / CHECKPOINT).is_file()


def is_evaluated(run: RunSpecification) -> bool:
    """Whether a trained run has its test results, and the robustness curves if any are wanted.

    They are those of the present code; in a folder of their own, of the present training and with
    exactly the curves that are wanted.
    """
    found = read_run(run.folder)
    made, wanted = dict(found.environment), run.config.evaluation
    if not found.evaluated:
        return False
    code = made.pop(EVALUATION_CODE, "")
    present = config_from_mapping(found.config).evaluation
    if run.trained is not None and (made, present) != (run.environment, wanted):
        return False
    try:
        for name in MEASURED_FILES:
            found.verified(name)
        if code != run.evaluation_code and not found.is_compact():
            return False
        if not wanted.curves:
            return True
        found.curves()
    except RunFolderError as error:
        print(f"evaluated again: {error}", flush=True)
        return False
    return set(wanted.curves) <= set(present.curves) and wanted.images == present.images


def _finalised(run: RunSpecification) -> bool:
    """Finalise a folder that was completely written before its process died, if there is one."""
    try:
        found = read_run(run.folder, partial=True)
    except RunFolderError:
        return False
    if found.environment.get("fingerprint") != run.fingerprint:
        return False
    finalise(run.folder)
    print(f"{run.folder}: training was complete; finalised", flush=True)
    return True


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
    def keys(self) -> list[RunKey]:
        """Arm and seed of each run."""
        return [run.key for run in self.runs]

    @property
    def names(self) -> list[str]:
        """The name of each run."""
        return [f"{arm}/seed-{seed}" for arm, seed in self.keys]

    def on_this_machine(self) -> "Job":
        """The same job, with the commit, versions and platform found on this machine."""
        found = environment()
        runs = (replace(run, environment={**run.environment, **found}) for run in self.runs)
        return replace(self, runs=tuple(runs))

    def work(self, listener: Listener) -> None:
        """Do the work in this process. Each run ends with exactly one `RunEnded` event."""
        left = {run.key: run for run in self.runs}
        started = datetime.now(UTC).isoformat(timespec="seconds")

        def report(event: Event) -> None:
            if isinstance(event, RunEnded):
                run = left[event.key]
                if event.diverged:
                    failure = {
                        "reason": event.failure,
                        "fingerprint": run.fingerprint,
                        "started": started,
                        "config": config_to_mapping(run.config),
                        "environment": dict(run.environment),
                    }
                    write_failure(run.folder, failure)
                del left[event.key]  # after the record, which may fail
            listener(event)

        failure, details = "", ""
        folder = self.runs[0].folder
        try:
            with storing_in(folder), lock_runs(folder.parents[1], self.names):
                self._work(left, report)
        except UserError as error:
            failure = str(error)
        except Exception as error:  # noqa: BLE001 - a fault in one job must not stop the others
            failure, details = f"{type(error).__name__}: {error}", traceback.format_exc()
        for key in tuple(left):
            listener(RunEnded(*key, failure, details))

    def _work(self, left: dict[RunKey, RunSpecification], listener: Listener) -> None:
        """Train and evaluate the runs in `left`; `listener` removes those that have ended."""
        from convchoice.training.device import release_memory  # noqa: PLC0415 - torch

        release_memory()
        missing = [
            run for run in left.values() if self.trains and not (is_trained(run) or _finalised(run))
        ]
        if missing:
            from convchoice.training.train import train  # noqa: PLC0415 - torch

            for run in missing:
                remove_failure(run.folder)  # of another configuration, data or code
            train(missing, listener)
            for run in missing:
                if run.key in left:
                    finalise(run.folder)
        release_memory()  # of the training
        if self.evaluates:
            from convchoice.evaluation.evaluate import evaluate  # noqa: PLC0415 - torch

            if self.trains:  # another process may have evaluated a run in the meantime
                for run in [run for run in left.values() if is_evaluated(run)]:
                    listener(RunEnded(*run.key))
            evaluate(list(left.values()), listener)
