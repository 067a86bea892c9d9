"""Jobs of Slurm, or of local processes, through submitit.

submitit submits the jobs as an array, carries results as files, and requeues a job that comes to
its time limit. It learns of a cancelled job only from `sacct`, which needs an accounting database,
so this module asks `squeue` which jobs are gone without a result.
"""

import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import submitit
from submitit.helpers import DelayedSubmission

from convchoice.errors import UserError, exit_codes
from convchoice.execution.executors import last_line, lost, run_job
from convchoice.execution.job import Job
from convchoice.runs.events import Listener, RunEnded, count

# Parameters that submitit names without an engine's prefix; the others are Slurm's.
SHARED = {
    "cpus_per_task", "gpus_per_node", "mem_gb", "name", "nodes", "stderr_to_stdout",
    "tasks_per_node", "timeout_min",
}  # fmt: skip
ABSENT = "no longer in the queue"
# Final states of Slurm's jobs, and of submitit's local ones. Preempted jobs are requeued.
FINAL = {
    "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY",
    "TIMEOUT", "FINISHED", "INTERRUPTED", ABSENT,
}  # fmt: skip
POLL_SECONDS = 1.0
QUEUE_SECONDS = 10.0
"""How often the queue is asked."""
RESULT_SECONDS = 20.0
"""How long after a job's end its result may take to appear on a shared file system."""
COMMAND_SECONDS = 60.0
MOST_JOBS = 1_000
"""Of one array; Slurm's default `MaxArraySize` allows no more."""


class Call:
    """Runs a job on a node; submitit calls it there."""

    def __call__(self, job: Job) -> list[RunEnded]:
        """Run the job. SIGTERM (`scancel`) ends it with exit status 143."""
        with exit_codes():
            return run_job(job)

    def checkpoint(self, job: Job) -> DelayedSubmission:
        """What submitit requeues at the time limit: the same job, which then resumes."""
        return DelayedSubmission(self, job)


def queue() -> dict[str, tuple[str, str]] | None:
    """State and comment of this user's jobs by their ids; None if Slurm does not answer."""
    command = ["squeue", "--me", "--array", "--states=all", "--noheader", "--format=%i|%T|%k"]
    try:
        done = subprocess.run(
            command, capture_output=True, check=True, timeout=COMMAND_SECONDS,
            encoding="utf-8", errors="replace",
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    rows = [line.split("|", 2) for line in done.stdout.splitlines()]
    return {name: (state, comment) for name, state, comment in rows}


@dataclass(frozen=True)
class SubmititExecutor:
    """Runs jobs through submitit.

    Attributes:
        folder: for scripts, logs and results; Slurm's queue shows it as the jobs' comment.
        cluster: submitit's name of the engine, ``slurm`` or ``local``.
        settings: keys of `conf/hydra/launcher/slurm.yaml`.
    """

    folder: Path
    cluster: str
    settings: Mapping[str, Any]
    stacks_seeds = False

    def run(self, jobs: Sequence[Job], listener: Listener) -> None:
        """Run all jobs; see `executors.Executor`.

        Raises:
            UserError: if Slurm is missing, refuses the jobs, or still has jobs of this folder.
        """
        sent = self._submit(jobs)
        last = "" if len(sent) == 1 else f" … {sent[-1].job_id}"
        names = f"{sent[0].job_id}{last}"
        print(
            f"{self.cluster}: {count(len(sent), 'job')} sent: {names}; logs in {self.folder}",
            flush=True,
        )
        waiting = {each.job_id: (each, job) for each, job in zip(sent, jobs, strict=True)}
        asked = float("-inf")
        gone: dict[str, float] = {}
        try:
            while waiting:
                time.sleep(POLL_SECONDS)
                now = time.monotonic()
                if now - asked >= QUEUE_SECONDS:
                    asked, states = now, self._states(sent)
                    if states is not None:
                        ended = [name for name in waiting if states.get(name, ABSENT) in FINAL]
                        gone = {name: gone.get(name, now) for name in ended}
                for name, (each, job) in tuple(waiting.items()):
                    overdue = now - gone.get(name, float("inf")) >= RESULT_SECONDS
                    events = _result(each, job, overdue=overdue)
                    if events is not None:
                        del waiting[name]
                        for event in events:
                            listener(event)
        except BaseException:
            for each in sent:
                each.cancel(check=False)
            raise

    def _states(self, sent: Sequence[submitit.Job[list[RunEnded]]]) -> dict[str, str] | None:
        if self.cluster == "local":
            return {each.job_id: each.state for each in sent}
        found = queue()
        return None if found is None else {name: state for name, (state, _) in found.items()}

    def _submit(self, jobs: Sequence[Job]) -> list[submitit.Job[list[RunEnded]]]:
        if self.cluster == "slurm":
            self._check_queue()
        values = dict(self.settings)
        most = values.pop("max_num_timeout", 3)
        executor = submitit.AutoExecutor(
            self.folder / "%j", self.cluster, slurm_max_num_timeout=most
        )
        named = {key if key in SHARED else f"slurm_{key}": value for key, value in values.items()}
        executor.update_parameters(**named, slurm_comment=str(self.folder))
        try:
            sent: list[submitit.Job[list[RunEnded]]] = []
            for start in range(0, len(jobs), MOST_JOBS):
                sent += executor.map_array(Call(), jobs[start : start + MOST_JOBS])
        except submitit.core.utils.FailedJobError as error:
            raise UserError(f"Slurm refused the jobs: {last_line(error)}") from error
        return sent

    def _check_queue(self) -> None:
        """Refuse to send jobs twice: those of a process that was killed may still be running."""
        if shutil.which("sbatch") is None:
            raise UserError("launch=slurm: sbatch is not on the path. Start it on a login node.")
        listed, folder = (queue() or {}).items(), str(self.folder)
        found = [name for name, (state, of) in listed if of == folder and state not in FINAL]
        if found:
            fix = f"Wait for them, or scancel {' '.join(found)}; then start again."
            raise UserError(f"Slurm still has jobs of {folder}: {', '.join(found)}. {fix}")


def _result(
    sent: submitit.Job[list[RunEnded]], job: Job, *, overdue: bool
) -> list[RunEnded] | None:
    """How the runs of a job ended; None while it is running."""
    result = sent.paths.result_pickle
    # List the folder: network file systems cache for long that a file did not exist.
    if result.parent.exists() and result in result.parent.iterdir():
        try:
            ended: list[RunEnded] = sent.results()[0]
        except Exception:  # noqa: BLE001 - what the job raised, or a result that cannot be read
            ended = lost(job, f"the job failed, see {sent.paths.stderr}")
        return ended
    if overdue:
        return lost(job, f"job {sent.job_id} ended without a result, see {sent.paths.stderr}")
    return None
