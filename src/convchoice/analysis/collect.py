"""Which runs are under some paths, and a study definition for runs that have none."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from convchoice.analysis.published_runs import is_published, read_published
from convchoice.config.study import Study, study_from_mapping
from convchoice.errors import UserError, require
from convchoice.runs.run import Run, read_run, run_folders
from convchoice.runs.run_folder import CONFIG, FAILED_SUFFIX, read_failure

TABLE_SUFFIX = ".csv"


def collected_runs(
    paths: Iterable[Path], wanted: Sequence[str] | None = None
) -> dict[str, list[Run]]:
    """Every run at or below the paths, by arm, each arm's by seed.

    Arms come in the order of the paths, and below one path by name.

    Args:
        paths: run folders, folders above them, or folders of published studies.
        wanted: arms; run folders of other arms are not read. None takes all.

    Raises:
        UserError: if a path has no run folder, one of them cannot be read, or an arm and seed is
            found twice.
    """
    folders: dict[Path, Path] = {}
    published: list[Run] = []
    for path in paths:
        if is_published(path):
            published += chain(*read_published(path).runs.values())
            continue
        found = run_folders(path)
        if not found:
            raise UserError(
                f"{path}: has no run folders (<arm>/seed-<n> with {CONFIG}) and is not a"
                f" {TABLE_SUFFIX} file."
            )
        for folder in found:
            folders.setdefault(folder.resolve(), folder)
    runs: dict[str, dict[int, Run]] = {}
    in_folders = (
        read_run(folder if folder.parent.name else resolved)
        for resolved, folder in folders.items()
        if wanted is None or resolved.parent.name in wanted
    )
    for run in (*in_folders, *(each for each in published if not wanted or each.arm in wanted)):
        first = runs.setdefault(run.arm, {}).setdefault(run.seed, run)
        if first is not run:
            raise UserError(
                f"{run.path}: arm {run.arm} with seed {run.seed} is in {first.path}, too."
                " Leave one of the two out, or give the arms different names."
            )
    return {arm: [found[seed] for seed in sorted(found)] for arm, found in runs.items()}


def failures_of_study(
    study: Study, paths: Iterable[Path], planned: Mapping[str, int] | None
) -> dict[str, dict[int, str]]:
    """Why runs of a study failed in training, by arm and seed; seeds that have a run are left out.

    Raises:
        RunFolderError: if a record of a failure is damaged.
    """
    found: dict[str, dict[int, str]] = {}
    for path in paths:
        for record in sorted(path.rglob(f"seed-*{FAILED_SUFFIX}")):
            folder = record.with_name(record.name.removesuffix(FAILED_SUFFIX))
            arm, number = folder.resolve().parent.name, folder.name.removeprefix("seed-")
            failure = read_failure(folder)
            if failure is None or arm not in study.all_arms() or folder.exists():
                continue
            if number.isdigit() and (planned is None or int(number) < planned[arm]):
                found.setdefault(arm, {})[int(number)] = str(failure["reason"])
    return found


def runs_of_study(
    study: Study,
    paths: Iterable[Path],
    planned: Mapping[str, int] | None,
    failed: Iterable[str] = (),
) -> dict[str, list[Run]]:
    """The runs of each arm of a study, without those beyond the planned seeds (None: all).

    Raises:
        UserError: if an arm that did not fail has no run at all, or one cannot be read.
    """
    runs = collected_runs(paths, study.all_arms())
    for arm in study.all_arms():
        if arm not in runs and arm not in failed:
            raise UserError(
                f"study {study.name}: there are no run folders (seed-0, seed-1, …) of arm {arm!r}."
                " Train and evaluate it first."
            )
    return {
        arm: [run for run in runs.get(arm, []) if planned is None or run.seed < planned[arm]]
        for arm in study.all_arms()
    }


def study_of_arms(name: str, arms: Sequence[str], baseline: str | None, **values: Any) -> Study:
    """The study of arms without a definition of their own: it claims nothing.

    Args:
        name: of the study.
        arms: in the order of the report.
        baseline: None takes the first arm.
        values: `source`, `metric` and `margin`.

    Raises:
        UserError: if the baseline is none of the arms, or the only one.
    """
    if baseline is not None and baseline not in arms:
        raise UserError(f"--baseline {baseline}: {name} has no such arm; it has {', '.join(arms)}.")
    first = baseline or arms[0]
    rule = f"there is nothing to compare {first} with."
    require(len(arms) > 1, f"{name}: arms", list(arms), rule)
    definition = {
        "name": name,
        "question": f"How do these arms differ from {first}?",
        "claim": f"Nothing was claimed before these runs of {name} were made.",
        "baseline": first,
        "arms": [arm for arm in arms if arm != first],
    }
    return study_from_mapping(definition | values, name)
