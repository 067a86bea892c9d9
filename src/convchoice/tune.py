"""Search for better settings of some arms, and write them down as a study.

    python -m convchoice.tune arm=max,average \
        'optimizer.learning_rate=tag(log,interval(1e-4,1e-2))' seed=0,1 --trials 20

Every arm has the same number of trials, judged on validation images alone; the test set stays
closed. What is found goes into a study file, tuned arms beside the recipes that they came from:
`make repro STUDY=tuned.yaml` runs it. Every trial is in a table beside it.
"""

import argparse
import csv
import shlex
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import yaml

from convchoice.config.study import study_from_mapping
from convchoice.config.validation import PROJECT_ROOT, check_name
from convchoice.errors import UserError, exit_codes, require
from convchoice.execution.search import METRICS, Search, Trial, overrides_of
from convchoice.execution.search_space import read_space
from convchoice.runs.environment import commit_state
from convchoice.runs.run import read_run
from convchoice.runs.run_folder import run_path

FIRST_LINE = "# Found by a search on validation images alone; the test set was not opened."
SUFFIX = "_tuned"


def tuned_settings(search: Search) -> dict[str, Trial]:
    """The best trial of each arm that a search could better."""
    best = {arm: search.best(arm) for arm in search.space.arms}
    return {arm: trial for arm, trial in best.items() if trial is not None and trial.number > 0}


def study_text(search: Search, name: str, command: str) -> str:
    """The study of tuned arms beside their recipes, and in comments how they were found.

    Raises:
        UserError: if no arm could be bettered and there is no second one to compare with.
    """
    tuned = tuned_settings(search)
    baseline, *others = search.space.arms
    partner = f"{baseline}{SUFFIX}" if baseline in tuned else baseline
    arms = [partner] if baseline in tuned else []
    against = {}
    for arm in others:
        arms.append(arm)
        if arm in tuned:
            arms.append(f"{arm}{SUFFIX}")
            against[f"{arm}{SUFFIX}"] = partner
    if not arms:
        raise UserError(
            f"{search.budget} trials found nothing better for {baseline} than its own recipe;"
            " no study is written."
        )
    study = {
        "name": name,
        "question": "Do the arms differ once each is tuned, as they do by their recipe?",
        "claim": "Nothing was claimed: the settings were searched on validation images.",
        "source": f"a search of {search.budget} trials an arm",
        "baseline": baseline,
        "arms": arms,
        "new_arms": {
            f"{arm}{SUFFIX}": [f"arm={arm}", *overrides_of(trial.settings)]
            for arm, trial in tuned.items()
        },
        "against": against,
    }
    study_from_mapping(study, name)
    return "\n".join([*_how_found(search, command), "", yaml.safe_dump(study, sort_keys=False)])


def _how_found(search: Search, command: str) -> list[str]:
    first = search.config(search.space.arms[0], 0, {})
    some = next(trial for arm in search.space.arms for trial in search.trials[arm] if trial.values)
    arm = next(arm for arm in search.space.arms if some in search.trials[arm])
    run = read_run(run_path(search.root, f"{arm}-trial-{some.number}", search.space.seeds[0]))
    data = run.environment["dataset"]
    commit, dirty = commit_state(PROJECT_ROOT)
    seeds = ", ".join(map(str, search.space.seeds))
    epochs = first.trainer.max_epochs
    split_seed = first.data.validation_seed
    lines = [
        FIRST_LINE,
        f"#   {command}",
        f"# Budget: {search.budget} trials an arm, its own recipe the first; seed {seeds} in each.",
        f"# Judged by: {search.metric}, the mean over seeds, after {epochs} epochs.",
        f"# Data: {data['title']}: {data['train_images']:,} images for training,",
        f"#   {data['validation_images']:,} for validation (data.validation_seed={split_seed}).",
        f"# Sampler: Optuna {version('optuna')}, TPE, seed {search.sampler_seed} for every arm.",
        f"# Commit: {commit}{', with changes' if dirty else ''}.",
        f"# Set alike in every trial: {' '.join(search.space.fixed) or 'nothing'}.",
    ]
    for each in search.space.arms:
        recipe, best = search.trials[each][0], search.best(each)
        failed = sum(trial.mean is None for trial in search.trials[each])
        if best is None or best.number == 0:
            found = f"nothing better than its recipe ({_told(recipe)})"
        else:
            found = f"trial {best.number}: {_told(best)}; its recipe: {_told(recipe)}"
        lines.append(f"# {each}: {found}{f'; {failed} trials failed' if failed else ''}.")
    return lines


def _told(trial: Trial) -> str:
    return "failed" if trial.mean is None else f"{trial.mean:.4f}"


def write_trials(search: Search, path: Path) -> None:
    """A row a trial: arm, number, settings, the metric's mean and its value of every seed."""
    keys = list(search.space.searched)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        seeds = [f"seed-{seed}" for seed in search.space.seeds]
        writer.writerow(["arm", "trial", *keys, search.metric, *seeds])
        for arm, trials in search.trials.items():
            for trial in trials:
                values = trial.values or [""] * len(seeds)
                mean = "" if trial.mean is None else trial.mean
                settings = [trial.settings[key] for key in keys]
                writer.writerow([arm, trial.number, *settings, mean, *values])


def main(arguments: Sequence[str] | None = None) -> None:
    """Search, and write the study and the table of trials."""
    with exit_codes():
        parser = argparse.ArgumentParser(
            prog="python -m convchoice.tune",
            description="Search for better settings of some arms, on validation images alone.",
        )
        parser.add_argument(
            "overrides",
            nargs="+",
            metavar="KEY=VALUE",
            help="in Hydra's syntax; see docs/sweeps.md",
        )
        parser.add_argument("--trials", type=int, default=20, help="of every arm (default 20)")
        parser.add_argument("--metric", choices=list(METRICS), default="val/accuracy")
        parser.add_argument("--sampler-seed", type=int, default=0, help="default 0")
        parser.add_argument(
            "--output", type=Path, default=Path("tuned.yaml"), help="default tuned.yaml"
        )
        parser.add_argument(
            "--runs",
            type=Path,
            default=Path("tuning"),
            metavar="FOLDER",
            help="where the trials are kept (default tuning)",
        )
        given = parser.parse_intermixed_args(arguments)
        command = shlex.join(["python", "-m", "convchoice.tune", *(arguments or sys.argv[1:])])
        require(given.trials >= 1, "--trials", given.trials, "must be at least 1.")
        check_name("--output", given.output.stem)
        _refuse_to_replace(given.output)
        search = Search(
            read_space(given.overrides), given.trials, given.metric, given.runs, given.sampler_seed
        )
        search.check()
        search.carry_out()
        table = given.output.with_suffix(".trials.csv")
        write_trials(search, table)
        if not any(search.best(arm) for arm in search.space.arms):
            raise UserError(f"every trial failed; they are in {table}.")
        given.output.write_text(study_text(search, given.output.stem, command), encoding="utf-8")
        print(f"{given.output}: the study; {table}: every trial")
        print(f"Run it: make repro STUDY={given.output}")


def _refuse_to_replace(path: Path) -> None:
    """A study that somebody wrote is not replaced by one that was found."""
    if path.exists() and not path.read_text(encoding="utf-8").startswith(FIRST_LINE):
        raise UserError(f"{path}: is there, and no search wrote it. Name another --output.")


if __name__ == "__main__":
    main()
