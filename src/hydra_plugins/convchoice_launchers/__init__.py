"""Hydra finds its plugins here: the launchers that send a sweep's jobs to Slurm and to Ray.

Hydra imports this at every start, so it is a door and nothing more; the engines' own packages are
imported when jobs are sent.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf


class EngineLauncher(Launcher):
    """Sends a sweep's jobs to an engine and waits for all of them.

    A job that is lost comes back as FAILED, with a line that says what the engine says of it; it
    takes no other job along.

    Args:
        settings: the keys of the launcher's file in `conf/hydra/launcher`.
    """

    def __init__(self, **settings: Any) -> None:
        """Keep what the configuration says."""
        self.settings: dict[str, Any] = {
            key: OmegaConf.to_container(value, resolve=True)
            if OmegaConf.is_config(value)
            else value
            for key, value in settings.items()
        }

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Keep what a job needs."""
        self.context, self.task, self.config = hydra_context, task_function, config

    @abstractmethod
    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Have the jobs done.

        Args:
            job_overrides: each job's overrides.
            initial_job_idx: number of the first of them within the sweep.
        """


class SlurmLauncher(EngineLauncher):
    """One array of Slurm jobs, through submitit."""

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Have the jobs done by Slurm."""
        from hydra_plugins.convchoice_launchers import _slurm  # noqa: PLC0415
        from hydra_plugins.convchoice_launchers._job import jobs_of  # noqa: PLC0415

        jobs = jobs_of(job_overrides, initial_job_idx, self.context, self.task, self.config)
        return _slurm.carry_out(jobs, self.settings)


class RayLauncher(EngineLauncher):
    """Tasks of a Ray cluster."""

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Have the jobs done by Ray."""
        from hydra_plugins.convchoice_launchers import _ray  # noqa: PLC0415
        from hydra_plugins.convchoice_launchers._job import jobs_of  # noqa: PLC0415

        jobs = jobs_of(job_overrides, initial_job_idx, self.context, self.task, self.config)
        return _ray.carry_out(jobs, **self.settings)
