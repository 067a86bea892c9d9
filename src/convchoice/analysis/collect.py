"""Which runs are under some paths, and which trainings failed there."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path

from convchoice.analysis.input_table import ACCEPTED
from convchoice.analysis.published_runs import is_published, read_published
from convchoice.config.study import Study
from convchoice.errors import UserError
from convchoice.runs.run import Run, read_run, run_folders
from convchoice.runs.run_folder import CONFIG, FAILED_SUFFIX, read_failure


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
    found: dict[Path, Run] = {}
    for path in paths:
        if is_published(path):
            published = chain(*read_published(path).runs.values())
            found |= {run.path.resolve(): run for run in published}
            continue
        if not path.exists():
            raise UserError(f"{path}: there is no such file or folder.")
        if path.is_file():
            raise UserError(f"{path}: is not a table that can be read. Save it as {ACCEPTED}.")
        folders = run_folders(path)
        if not folders:
            raise UserError(f"{path}: has no run folders (<arm>/seed-<n> with {CONFIG}).")
        for folder in folders:
            resolved = folder.resolve()
            if resolved not in found and (wanted is None or resolved.parent.name in wanted):
                found[resolved] = read_run(folder if folder.parent.name else resolved)
    runs: dict[str, dict[int, Run]] = {}
    for run in found.values():
        first = runs.setdefault(run.arm, {}).setdefault(run.seed, run)
        if first is not run:
            raise UserError(
                f"{run.path}: arm {run.arm} with seed {run.seed} is in {first.path}, too."
                " Leave one of the two out, or give the arms different names."
            )
    return {arm: [by_seed[seed] for seed in sorted(by_seed)] for arm, by_seed in runs.items()}


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
    paths: Sequence[Path],
    planned: Mapping[str, int] | None,
    failed: Iterable[str] = (),
) -> dict[str, list[Run]]:
    """The runs of each arm of a study, without those beyond the planned seeds (None: all).

    Raises:
        UserError: if an arm that did not fail has no run at all, or one cannot be read.
    """
    runs = collected_runs(paths, study.all_arms())
    for arm in study.all_arms():
        if arm not in runs and arm not in failed and (planned is None or planned[arm]):
            places = ", ".join(map(str, paths))
            raise UserError(
                f"study {study.name}: there are no run folders (seed-0, seed-1, …) of arm {arm!r}"
                f" in {places}. Train and evaluate it first."
            )
    return {
        arm: [run for run in runs.get(arm, []) if planned is None or run.seed < planned[arm]]
        for arm in study.all_arms()
    }
