"""Jobs as tasks of a Ray cluster: spread over its nodes, sent again when a node dies."""

import fnmatch
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray

from convchoice.execution.executors import last_line, lost, run_job
from convchoice.execution.job import Job
from convchoice.runs.events import Listener, RunEnded, count

POLL_SECONDS = 1.0


def _run_on_node(job: Job, folder: Path, log: Path, *, on_gpu: bool) -> list[RunEnded]:
    """Run a job in the process that a node started for it, in the sender's working directory.

    All output, that of child processes too, goes to `log`. Ray leaves a node's GPUs visible to jobs
    that have asked for none.
    """
    os.chdir(folder)
    if not on_gpu:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab", buffering=0) as file:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
            os.dup2(file.fileno(), stream.fileno())
    node = ray.get_runtime_context().get_node_id()
    print(f"node {node} process {os.getpid()}: {', '.join(job.names)}", flush=True)
    return run_job(job)


@contextmanager
def _deferred_sigterm() -> Iterator[list[int]]:
    """Collect SIGTERM: an exit inside a call of Ray would end with another exit status."""
    received: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: received.append(number))
    try:
        yield received
    finally:
        signal.signal(signal.SIGTERM, before)


@dataclass(frozen=True)
class RayExecutor:
    """Runs jobs on a Ray cluster.

    Attributes:
        logs: folder of the jobs' logs.
        address: of a running cluster; None starts one on this machine.
        num_cpus: cores of a job.
        num_gpus: GPUs of a job; fractions are allowed.
        memory_gb: memory of a job; None reserves none.
        max_retries: how often a job is sent again whose node or process died.
        scheduling_strategy: ``SPREAD`` over the nodes, or ``DEFAULT``, which fills one by one.
        environment: patterns of the names of environment variables that jobs get.
    """

    logs: Path
    address: str | None
    num_cpus: float
    num_gpus: float
    memory_gb: float | None
    max_retries: int
    scheduling_strategy: str
    environment: Sequence[str]
    stacks_seeds = False

    def run(self, jobs: Sequence[Job], listener: Listener) -> None:
        """Run all jobs; see `executors.Executor`."""
        self._connect()
        task = ray.remote(
            num_cpus=self.num_cpus, num_gpus=self.num_gpus,
            memory=None if self.memory_gb is None else int(self.memory_gb * 2**30),
            max_retries=self.max_retries, scheduling_strategy=self.scheduling_strategy,
            max_calls=1,  # a process runs one job, so no state is left for the next
        )(_run_on_node)  # fmt: skip
        names = [", ".join(job.names).replace("/", ".")[:100] for job in jobs]
        logs = [self.logs / f"{name}.log" for name in names]
        sent = {
            task.remote(job, Path.cwd(), log, on_gpu=self.num_gpus > 0): job
            for job, log in zip(jobs, logs, strict=True)
        }
        to = f"{count(len(sent), 'job')} sent to {count(len(ray.nodes()), 'node')}"
        print(f"ray: {to}; logs in {self.logs}")
        waiting = list(sent)
        with _deferred_sigterm() as received:
            while waiting and not received:
                ready, waiting = ray.wait(waiting, num_returns=1, timeout=POLL_SECONDS)
                for reference in ready:
                    try:
                        ended = ray.get(reference)
                    except Exception as error:  # noqa: BLE001 - whatever the job or node met
                        ended = lost(sent[reference], last_line(error))
                    for event in ended:
                        listener(event)
        if received:
            signal.raise_signal(signal.SIGTERM)

    def _connect(self) -> None:
        if ray.is_initialized():
            return
        names = [
            name for pattern in self.environment for name in fnmatch.filter(os.environ, pattern)
        ]
        variables = {name: os.environ[name] for name in names}
        local: dict[str, Any] = {} if self.address else {"include_dashboard": False}
        before = signal.getsignal(signal.SIGTERM)
        # Each job has a log of its own.
        quiet = {"log_to_driver": False, "logging_level": "warning"}
        where = self.address or "local"
        ray.init(address=where, runtime_env={"env_vars": variables}, **quiet, **local)
        signal.signal(signal.SIGTERM, before)  # Ray's own handler exits with status 15
