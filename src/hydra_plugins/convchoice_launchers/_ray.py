"""A sweep as tasks of a Ray cluster: spread over its nodes, sent again when a node dies.

A cluster of its own on this machine, for the time of the sweep, where no other is named.
"""

import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import ray
from hydra.core.utils import JobReturn

from convchoice.errors import exit_codes
from hydra_plugins.convchoice_launchers._job import HydraJob, lost

LOGS = "ray"
LOOK_SECONDS = 1.0
"""How long a signal may have to wait."""


def carried(patterns: Sequence[str]) -> dict[str, str]:
    """This process's environment variables that jobs get on whatever node.

    Args:
        patterns: of their names, as in ``MLFLOW_*``.
    """
    return {
        name: value
        for name, value in os.environ.items()
        if any(fnmatch(name, pattern) for pattern in patterns)
    }


def connect(address: str | None, variables: Mapping[str, str]) -> None:
    """Be connected to a cluster, or start one on this machine that ends with this process.

    Args:
        address: of a cluster that runs; None starts one.
        variables: of the environment, for the jobs.
    """
    if ray.is_initialized():  # an earlier batch of the same sweep
        return
    local: dict[str, Any] = {} if address else {"include_dashboard": False}
    terminated = signal.getsignal(signal.SIGTERM)
    ray.init(
        address=address or "local",
        runtime_env={"env_vars": dict(variables)},
        log_to_driver=False,  # each job has a log of its own
        logging_level="warning",
        **local,
    )
    signal.signal(signal.SIGTERM, terminated)  # Ray's own would end this process with status 15


@contextmanager
def sigterm_noted() -> Iterator[list[int]]:
    """Note SIGTERM instead of obeying it: an exit within a call of Ray becomes one with status 1.

    Yields:
        The signals that came, for whoever raises them again between two calls.
    """
    noted: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: noted.append(number))
    try:
        yield noted
    finally:
        signal.signal(signal.SIGTERM, before)


def do_on_a_node(job: HydraJob, folder: Path, logs: Path) -> JobReturn:
    """Do a job in a process that a node started for it alone.

    Args:
        job: what to do.
        folder: from which the sweep was started; relative paths begin there.
        logs: folder of the jobs' logs.
    """
    os.chdir(folder)
    logs.mkdir(parents=True, exist_ok=True)
    # The training's own process writes to the same descriptors.
    with (logs / f"{job.number}.log").open("ab", buffering=0) as log:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
            os.dup2(log.fileno(), stream.fileno())
    context = ray.get_runtime_context()
    now = datetime.now(UTC).isoformat(timespec="seconds")
    print(f"{now} node {context.get_node_id()} process {os.getpid()}: {job.told}", flush=True)
    with exit_codes():
        return job.run(context.get_task_id() or "")


def carry_out(
    jobs: Sequence[HydraJob],
    *,
    address: str | None,
    num_cpus: float,
    num_gpus: float,
    memory_gb: float | None,
    max_retries: int,
    scheduling_strategy: str,
    environment: Sequence[str],
) -> list[JobReturn]:
    """Send jobs and wait for all of them.

    Args:
        jobs: at least one.
        address: of a cluster that runs; None starts one on this machine.
        num_cpus: cores that a job takes.
        num_gpus: GPUs that a job takes, parts of one allowed.
        memory_gb: that a job takes; None counts none.
        max_retries: how often a job is sent again whose node or process died.
        scheduling_strategy: ``SPREAD`` over the nodes, or ``DEFAULT``, which fills one by one.
        environment: patterns of names of environment variables that the jobs get.
    """
    logs = jobs[0].sweep_folder / LOGS
    connect(address, carried(environment))
    # A process does one job and ends: nothing is left over for the next one.
    task = ray.remote(
        num_cpus=num_cpus,
        num_gpus=num_gpus,
        memory=None if memory_gb is None else int(memory_gb * 2**30),
        max_retries=max_retries,
        max_calls=1,
        scheduling_strategy=scheduling_strategy,
    )(do_on_a_node)
    folder = Path.cwd()
    sent = {task.remote(job, folder, logs): job for job in jobs}
    print(f"ray: {len(sent)} jobs sent to {len(ray.nodes())} nodes; logs in {logs}", flush=True)
    answers: dict[int, JobReturn] = {}
    waiting = list(sent)
    with sigterm_noted() as noted:
        while waiting and not noted:
            ended, waiting = ray.wait(waiting, num_returns=1, timeout=LOOK_SECONDS)
            for one in ended:
                job = sent[one]
                try:
                    answers[job.number] = ray.get(one)
                except Exception as error:  # noqa: BLE001 - whatever the job or its node came upon
                    answers[job.number] = lost(job, str(error).strip().splitlines()[0])
    if noted:
        signal.raise_signal(signal.SIGTERM)
    return [answers[job.number] for job in jobs]
