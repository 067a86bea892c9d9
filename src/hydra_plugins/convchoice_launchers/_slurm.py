"""A sweep as one array of Slurm jobs, sent through submitit, watched through `squeue`.

submitit sends the array, carries each job there and its answer back as a file, and sends a job that
came to its time limit again. What it cannot is wait where there is no accounting database: it asks
`sacct` alone, so a job that was cancelled would be waited for without end, and with `sacct` its
first lost job ends the wait for all others. Hence the wait of our own.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import submitit
from hydra.core.utils import JobReturn
from submitit.helpers import DelayedSubmission

from convchoice.errors import UserError, exit_codes
from hydra_plugins.convchoice_launchers._job import HydraJob, lost

LOGS = "slurm"
# Keys that submitit knows whatever the engine; the others are Slurm's.
ANY_ENGINE = {
    "cpus_per_task", "gpus_per_node", "mem_gb", "name", "nodes", "stderr_to_stdout",
    "tasks_per_node", "timeout_min",
}  # fmt: skip
ENDED = {
    "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY",
    "TIMEOUT",
}  # fmt: skip
"""States that a job does not come back from; PREEMPTED and REQUEUED ones are sent again."""
LOOK_SECONDS = 1.0
"""How often the folder of answers is looked at."""
ASK_SECONDS = 10.0
"""How often Slurm's controller is asked."""
ANSWER_SECONDS = 20.0
"""How long after a job's end its answer may take to appear on a shared file system."""
LEAVE_SECONDS = 60.0
"""How long jobs that have answered may take to be over."""
COMMAND_SECONDS = 60.0


@dataclass(frozen=True)
class Queued:
    """A job of ours in Slurm's queue."""

    state: str
    comment: str


class InSlurm:
    """Does a job on a node; submitit calls it there."""

    def __call__(self, job: HydraJob) -> JobReturn:
        """Do the job.

        SIGTERM (`scancel`, or the time limit of a job that is not sent again) ends it with status
        143 and its MLflow run as KILLED; submitit alone would let the job pass over it.
        """
        # Lightning must not believe itself in charge: it, too, would have the job sent again.
        os.environ.pop("SLURM_NTASKS", None)
        with exit_codes():
            return job.run(submitit.JobEnvironment().job_id)

    def checkpoint(self, job: HydraJob) -> DelayedSubmission:
        """The job as it is sent again after its time limit: the same; its run goes on by itself."""
        return DelayedSubmission(self, job)


def queue() -> dict[str, Queued] | None:
    """Our jobs in Slurm, those that ended within the last minutes included, by their names.

    None if the controller does not answer, which says nothing about the jobs.
    """
    command = [
        "squeue", "--me", "--array", "--states=all", "--noheader", "--format=%i|%T|%k",
    ]  # fmt: skip
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=COMMAND_SECONDS
        )
    except (OSError, subprocess.SubprocessError):
        return None
    found = {}
    for line in done.stdout.splitlines():
        name, state, comment = line.split("|", 2)
        found[name] = Queued(state, comment)
    return found


def send(
    jobs: Sequence[HydraJob], settings: Mapping[str, Any], folder: Path
) -> list[submitit.Job[JobReturn]]:
    """Send the jobs as an array.

    Args:
        jobs: at least one.
        settings: keys of `conf/hydra/launcher/slurm.yaml`.
        folder: of the sweep, by which the queue tells its jobs from others.

    Raises:
        UserError: if Slurm's commands are not there, or jobs of the same sweep are in the queue:
            two processes would then write to the same run folders.
    """
    if shutil.which("sbatch") is None:
        raise UserError("launch=slurm: there is no sbatch here. Start it on a login node.")
    there = [
        name
        for name, item in (queue() or {}).items()
        if item.comment == str(folder) and item.state not in ENDED
    ]
    if there:
        raise UserError(
            f"Slurm still has jobs of {folder}: {', '.join(there)}. Wait for them, or"
            f" scancel {' '.join(there)}; then start it again, and it goes on."
        )
    given = dict(settings)
    executor = submitit.AutoExecutor(
        folder / LOGS / "%j",
        cluster="slurm",
        slurm_max_num_timeout=given.pop("max_num_timeout"),
    )
    executor.update_parameters(
        **{key if key in ANY_ENGINE else f"slurm_{key}": value for key, value in given.items()},
        slurm_comment=str(folder),
    )
    sent: list[submitit.Job[JobReturn]] = executor.map_array(InSlurm(), jobs)
    return sent


def carry_out(jobs: Sequence[HydraJob], settings: Mapping[str, Any]) -> list[JobReturn]:
    """Send jobs and wait for all of them.

    Args:
        jobs: at least one.
        settings: keys of `conf/hydra/launcher/slurm.yaml`.

    Raises:
        UserError: see `send`.
        submitit.core.utils.FailedJobError: if `sbatch` refuses the array.
    """
    folder = jobs[0].sweep_folder
    sent = send(jobs, settings, folder)
    names = sent[0].job_id if len(sent) == 1 else f"{sent[0].job_id} … {sent[-1].job_id}"
    print(f"slurm: {len(sent)} jobs sent: {names}; logs in {folder / LOGS}", flush=True)
    try:
        answers = Wait(jobs, sent).for_all()
        _let_them_leave({job.job_id for job in sent})
    except BaseException:
        # Whoever stops the sweep stops its jobs: a sweep started again must find none at work.
        subprocess.run(["scancel", *(job.job_id for job in sent)], check=False)
        raise
    return answers


def _let_them_leave(names: set[str]) -> None:
    """Wait a while for jobs that have answered to be over: started again, none may be in the way.

    An answer is written before a job's processes have ended; Slurm takes some seconds more.
    """
    deadline = time.monotonic() + LEAVE_SECONDS
    while time.monotonic() < deadline:
        there = queue() or {}
        if not any(there[name].state not in ENDED for name in names & there.keys()):
            return
        time.sleep(LOOK_SECONDS)


class Wait:
    """Waits for jobs that were sent.

    Args:
        jobs: what they are.
        sent: submitit's names for them, in the same order.
    """

    def __init__(self, jobs: Sequence[HydraJob], sent: Sequence[submitit.Job[JobReturn]]) -> None:
        """Begin with nothing known."""
        self.jobs = jobs
        self.sent = sent
        self.answers: dict[int, JobReturn] = {}
        self.ended: dict[int, float] = {}
        self.asked = float("-inf")

    def for_all(self) -> list[JobReturn]:
        """The answers, in order; those of lost jobs among them."""
        self.look()
        while len(self.answers) < len(self.sent):
            time.sleep(LOOK_SECONDS)
            self.look()
        return [self.answers[place] for place in range(len(self.sent))]

    def look(self) -> None:
        """Take up what has come since the last look."""
        states, now = self._states(), time.monotonic()
        for place in range(len(self.sent)):
            if place not in self.answers:
                self._look_for(place, states, now)

    def _states(self) -> dict[str, Queued] | None:
        """What Slurm says, where it is time to ask."""
        if time.monotonic() - self.asked < ASK_SECONDS:
            return None
        states = queue()
        self.asked = time.monotonic()
        return states

    def _look_for(self, place: int, states: Mapping[str, Queued] | None, now: float) -> None:
        job, sent = self.jobs[place], self.sent[place]
        answer = sent.paths.result_pickle
        # The folder is listed, for a shared file system remembers long what did not exist.
        if answer in answer.parent.iterdir():
            try:
                self.answers[place] = sent.results()[0]
            except Exception:  # noqa: BLE001 - whatever the job raised, or an answer not to be read
                self.answers[place] = lost(job, f"it failed, see {sent.paths.stderr}")
        elif states is not None:
            found = states.get(sent.job_id)
            if found is not None and found.state not in ENDED:
                self.ended.pop(place, None)
            elif now - self.ended.setdefault(place, now) >= ANSWER_SECONDS:
                said = found.state if found else "no longer in the queue"
                self.answers[place] = lost(
                    job, f"Slurm job {sent.job_id} {said}, see {sent.paths.stderr}"
                )
