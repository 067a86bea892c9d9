"""One job of a sweep in a form that travels to another machine, and what comes back of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, run_job, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from convchoice.execution.sweep import FOLDER


@dataclass(frozen=True)
class HydraJob:
    """What an engine carries.

    Attributes:
        number: within the sweep, from 0.
        overrides: in Hydra's syntax.
        told: what of it sets the job apart from its siblings, in a line.
        context: composes configurations.
        task: the application.
        config: of the multirun.
        singletons: Hydra's global state in the process that sends the job.
    """

    number: int
    overrides: tuple[str, ...]
    told: str
    context: HydraContext
    task: TaskFunction
    config: DictConfig
    singletons: Any

    @property
    def sweep_folder(self) -> Path:
        """Where the sweep keeps what is its own; jobs are told of it in their overrides."""
        named = self.composed().hydra.job.env_set.get(FOLDER)
        return Path(named or self.config.hydra.sweep.dir).resolve()

    def composed(self) -> DictConfig:
        """The job's configuration, Hydra's part included."""
        return self.context.config_loader.load_sweep_config(self.config, list(self.overrides))

    def run(self, name: str) -> JobReturn:
        """Do the job in this process.

        Args:
            name: that the engine gives it.
        """
        setup_globals()
        Singleton.set_state(self.singletons)
        config = self.composed()
        with open_dict(config):
            config.hydra.job.id = name
            config.hydra.job.num = self.number
        HydraConfig.instance().set_config(config)
        return run_job(
            hydra_context=self.context,
            task_function=self.task,
            config=config,
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
        )


def jobs_of(
    overrides: Sequence[Sequence[str]],
    first: int,
    context: HydraContext,
    task: TaskFunction,
    config: DictConfig,
) -> list[HydraJob]:
    """The jobs that these overrides make, numbered from `first`."""
    setup_globals()
    singletons = Singleton.get_state()
    common = set.intersection(*map(set, overrides)) if len(overrides) > 1 else set()
    return [
        HydraJob(
            number=first + place,
            overrides=tuple(given),
            told=" ".join(part for part in given if part not in common),
            context=context,
            task=task,
            config=config,
            singletons=singletons,
        )
        for place, given in enumerate(overrides)
    ]


def lost(job: HydraJob, reason: str) -> JobReturn:
    """What is returned for a job that the engine lost, said in a line.

    Args:
        job: that was sent.
        reason: what the engine says of it.
    """
    print(f"launcher: job {job.number} was lost ({job.told}): {reason}", flush=True)
    return JobReturn(
        overrides=list(job.overrides), status=JobStatus.FAILED, _return_value=RuntimeError(reason)
    )
