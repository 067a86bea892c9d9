"""The jobs of a sweep: all of them checked before the first one begins."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convchoice.config.schema import Config
from convchoice.data.download import ensure
from convchoice.errors import ConfigurationError, UserError
from convchoice.execution.one_run import (
    measured_already,
    refuse_to_replace,
    run_config,
)
from convchoice.execution.places import folder_of
from convchoice.execution.seeds import missing_runs
from convchoice.runs.events import RunKey


@dataclass(frozen=True)
class SweepJob:
    """One run of a sweep.

    Attributes:
        overrides: what the launcher is given, in Hydra's syntax.
        config: what comes of it, checked.
    """

    overrides: tuple[str, ...]
    config: Config

    @property
    def key(self) -> RunKey:
        """Arm and seed."""
        return (str(self.config.arm), self.config.seed)

    @property
    def name(self) -> str:
        """As the folder says it, and as `hydra.sweeper.only` takes it."""
        return f"{self.config.arm}/seed-{self.config.seed}"


def checked_jobs(
    batch: Iterable[Sequence[str]],
    swept: Sequence[str],
    composed: Callable[[Sequence[str]], dict[str, Any]],
) -> list[SweepJob]:
    """Compose and check every job.

    Jobs that differ in their seed alone are composed once, for that is what takes time; not where
    an override refers to another key, which may be the seed.

    Args:
        batch: each job's overrides.
        swept: keys that have more than one value.
        composed: plain values out of a job's overrides; raises `ConfigurationError`.

    Raises:
        UserError: naming every job that is not legal and why, each reason once.
    """
    values: dict[tuple[str, ...], dict[str, Any]] = {}
    jobs: list[SweepJob] = []
    refused: dict[str, list[str]] = {}
    total = 0
    for overrides in batch:
        total += 1
        seeds = [part.partition("=")[2] for part in overrides if part.startswith("seed=")]
        others = tuple(part for part in overrides if not part.startswith("seed="))
        refers = any("${" in part for part in overrides)
        same_but_for_seed = tuple(overrides) if refers or not _whole_number(seeds) else others
        try:
            if same_but_for_seed not in values:
                values[same_but_for_seed] = composed(overrides)
            found = values[same_but_for_seed]
            if same_but_for_seed is others:
                found = {**found, "seed": int(seeds[-1])}
            jobs.append(SweepJob(tuple(overrides), run_config(found, overrides, swept)))
        except UserError as error:
            refused.setdefault(str(error), []).append(" ".join(told(overrides, swept)))
    if refused:
        count = sum(map(len, refused.values()))
        raise UserError(_listed(f"{count} of {total} jobs are not legal", refused))
    _refuse_same_places(jobs, swept)
    return jobs


def _whole_number(seeds: Sequence[str]) -> bool:
    return bool(seeds) and seeds[-1].isdecimal()


def told(overrides: Sequence[str], swept: Sequence[str]) -> list[str]:
    """What sets a job apart from its siblings."""
    own = [part for part in overrides if part.lstrip("+").partition("=")[0] in swept]
    return own or list(overrides)


def _listed(what: str, refused: dict[str, list[str]]) -> str:
    lines = [f"{what}; nothing was trained."]
    for reason, names in refused.items():
        lines += [*(f"  {name}" for name in names), f"    {reason}"]
    return "\n".join(lines)


def _refuse_same_places(jobs: Sequence[SweepJob], swept: Sequence[str]) -> None:
    places: dict[Path, list[SweepJob]] = {}
    for job in jobs:
        places.setdefault(folder_of(job.config), []).append(job)
    doubled = {
        f"all these would be {folder}. {_mend_of_doubles(same)}": [
            " ".join(told(job.overrides, swept)) for job in same
        ]
        for folder, same in places.items()
        if len(same) > 1
    }
    if doubled:
        raise UserError(_listed("jobs would replace one another", doubled))


def _mend_of_doubles(jobs: Sequence[SweepJob]) -> str:
    if len({job.overrides for job in jobs}) == 1:
        return "Name each value of a key once."
    return "Give arms names of their own (arm=NAME), or sweep what makes a difference between runs."


def fetch_data(jobs: Sequence[SweepJob]) -> None:
    """Have every data set of the jobs, so that no two of them fetch the same one at once.

    Raises:
        UserError: if one is not to be had.
    """
    wanted = {
        (job.config.data.root, job.config.data.name, job.config.data.fallback): None for job in jobs
    }
    for root, name, fallback in wanted:
        ensure(Path(root), name, fallback)


def jobs_to_do(jobs: Sequence[SweepJob]) -> list[SweepJob]:
    """The jobs whose run is not there yet, trained and measured as this sweep wants it."""
    by_root: dict[str, list[Config]] = {}
    for job in jobs:
        by_root.setdefault(job.config.run_root, []).append(job.config)
    untrained = {
        item.folder
        for root, configs in by_root.items()
        for item in missing_runs(configs, Path(root))
    }
    folders = {job.key: folder_of(job.config) for job in jobs}
    return [
        job
        for job in jobs
        if folders[job.key] in untrained
        or not measured_already(folders[job.key], job.config.evaluation)
    ]


def refuse_foreign_runs(jobs: Sequence[SweepJob]) -> None:
    """Refuse jobs in whose place a run of another configuration lies.

    Raises:
        ConfigurationError: for the first of them.
    """
    for job in jobs:
        refuse_to_replace(job.config, folder_of(job.config))


def chosen_jobs(jobs: Sequence[SweepJob], only: str | Sequence[str] | None) -> list[SweepJob]:
    """The jobs that `hydra.sweeper.only` names, or all.

    Raises:
        ConfigurationError: for a name that no job has.
    """
    if only is None:
        return list(jobs)
    names = [only] if isinstance(only, str) else list(only)
    known = {job.name for job in jobs}
    for name in names:
        if name not in known:
            raise ConfigurationError(
                "hydra.sweeper.only", name, "this sweep has no such job.",
                f"It has {', '.join(sorted(known))}.",
            )  # fmt: skip
    return [job for job in jobs if job.name in names]
