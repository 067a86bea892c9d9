"""The jobs of a sweep: all of them are composed and checked before the first one starts."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from convchoice.config.schema import Config
from convchoice.errors import UserError, require
from convchoice.execution.naming import run_config
from convchoice.execution.runner import count


@dataclass(frozen=True)
class SweepJob:
    """One run of a sweep.

    Attributes:
        overrides: in Hydra's syntax.
        config: the checked configuration.
    """

    overrides: tuple[str, ...]
    config: Config

    @property
    def name(self) -> str:
        """The run as `hydra.sweeper.only` names it."""
        return f"{self.config.arm}/seed-{self.config.seed}"


def checked_jobs(
    batch: Iterable[Sequence[str]],
    swept: Sequence[str],
    compose: Callable[[Sequence[str]], Mapping[str, Any]],
) -> list[SweepJob]:
    """Compose and check every job.

    Jobs that differ only in their seed are composed once, because composing takes time; unless an
    override refers to another key, which may be the seed.

    Args:
        batch: the overrides of each job.
        swept: keys that have several values.
        compose: plain values from a job's overrides; raises `ConfigurationError`.

    Raises:
        UserError: naming every illegal job and why, each reason once.
    """
    values: dict[tuple[str, ...], Mapping[str, Any]] = {}
    jobs: list[SweepJob] = []
    refused: dict[str, list[str]] = defaultdict(list)
    for overrides in map(tuple, batch):
        seeds = [part.partition("=")[2] for part in overrides if part.startswith("seed=")]
        key, seed = overrides, {}
        if seeds and seeds[-1].isdecimal() and not any("${" in part for part in overrides):
            key = tuple(part for part in overrides if not part.startswith("seed="))
            seed = {"seed": int(seeds[-1])}
        try:
            if key not in values:
                values[key] = compose(overrides)
            jobs.append(SweepJob(overrides, run_config({**values[key], **seed}, overrides, swept)))
        except UserError as error:
            refused[str(error)].append(own_overrides(overrides, swept))
    if refused:
        illegal = sum(map(len, refused.values()))
        total = count(illegal + len(jobs), "job")
        raise _refusal(f"{illegal} of {total} are not legal", refused)
    _refuse_same_folder(jobs, swept)
    return jobs


def own_overrides(overrides: Sequence[str], swept: Sequence[str]) -> str:
    """The overrides that distinguish a job in its sweep."""
    own = [part for part in overrides if part.lstrip("+").partition("=")[0] in swept]
    return " ".join(own or overrides)


def _refusal(what: str, refused: Mapping[str, Sequence[str]]) -> UserError:
    lines = [f"{what}; nothing was trained."]
    for reason, names in refused.items():
        lines += [*(f"  {name}" for name in names), f"    {reason}"]
    return UserError("\n".join(lines))


def _refuse_same_folder(jobs: Sequence[SweepJob], swept: Sequence[str]) -> None:
    folders: dict[str, list[SweepJob]] = defaultdict(list)
    for job in jobs:
        folders[f"{job.config.run_root}/{job.name}"].append(job)
    doubled = {}
    for folder, same in folders.items():
        fix = "Give the arms names of their own (arm=NAME), or sweep a key that changes the run."
        if len({job.overrides for job in same}) == 1:
            fix = "Name each value of a key once."
        if len(same) > 1:
            names = [own_overrides(job.overrides, swept) for job in same]
            doubled[f"all of these would be {folder}. {fix}"] = names
    if doubled:
        raise _refusal("jobs would replace one another", doubled)


def chosen_jobs(jobs: Sequence[SweepJob], only: str | Sequence[str] | None) -> list[SweepJob]:
    """The jobs that `hydra.sweeper.only` names, or all.

    Raises:
        ConfigurationError: for a name that no job has.
    """
    if only is None:
        return list(jobs)
    names = [only] if isinstance(only, str) else list(only)
    known = [job.name for job in jobs]
    rule, fix = "this sweep has no such job.", f"It has {', '.join(known)}."
    for name in names:
        require(name in known, "hydra.sweeper.only", name, rule, fix)
    return [job for job in jobs if job.name in names]
