"""How runs are dealt out: how many side by side, and which seeds of an arm in one process."""

import json
from collections.abc import Sequence
from dataclasses import replace

from convchoice.config.schema import Accelerator, Config
from convchoice.config.validation import config_to_mapping
from convchoice.execution.jobs import TrainingJobs
from convchoice.execution.workers import available_cores, gpu_present
from convchoice.runs.specification import RunSpecification


def side_by_side(workers: int | None, threads: int, accelerator: Accelerator) -> int:
    """Runs side by side: as many as were asked for, one on a GPU, or what the CPU has cores for.

    Args:
        workers: `trainer.workers`; None chooses by the machine.
        threads: of one training.
        accelerator: that is wanted.
    """
    if workers is not None:
        return workers
    return 1 if _gpu_for(accelerator) else max(1, available_cores() // threads)


def default_workers(config: Config) -> int:
    """Runs of one configuration that go side by side on this machine."""
    return side_by_side(config.trainer.workers, config.trainer.threads, config.trainer.accelerator)


def on_gpu(config: Config) -> bool:
    """Whether a configuration's runs will be trained on a GPU, as far as can be seen from here."""
    return _gpu_for(config.trainer.accelerator)


def _gpu_for(accelerator: Accelerator) -> bool:
    return accelerator is not Accelerator.cpu and gpu_present()


def default_seeds_together(config: Config) -> int | None:
    """How many seeds of an arm one process trains in one pass; None for all of them.

    All on a GPU, where a step costs its launches; one on the CPU, where it costs its arithmetic.
    In float16 each seed has a loss scale of its own, so they are trained apart.
    """
    if config.trainer.seeds_together is not None:
        return config.trainer.seeds_together
    return None if on_gpu(config) and config.trainer.precision != "16-mixed" else 1


def trained_together(
    jobs: Sequence[RunSpecification], default: int | None = None
) -> list[TrainingJobs]:
    """Deal jobs out to processes: those that differ in their seed alone may go together.

    Args:
        jobs: of any arms and seeds.
        default: how many go together where `trainer.seeds_together` does not say; None asks this
            machine, which need not be the one that an engine chooses.
    """
    alike: dict[str, list[RunSpecification]] = {}
    for job in jobs:
        but_for_seed = json.dumps(config_to_mapping(replace(job.config, seed=0)), sort_keys=True)
        alike.setdefault(but_for_seed, []).append(job)
    groups = []
    for same in alike.values():
        config = same[0].config
        together = config.trainer.seeds_together or default or default_seeds_together(config)
        size = together or len(same)
        groups += [
            TrainingJobs(tuple(same[first : first + size])) for first in range(0, len(same), size)
        ]
    return groups
