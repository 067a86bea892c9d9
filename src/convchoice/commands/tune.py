"""Search hyperparameters of some arms, and write a study of the best ones.

Every arm has the same number of trials. They are compared on validation images; the test set is
not used. The output is a study file with the original and the tuned arms, and a table of every
trial.
"""

import argparse
import shlex
import sys
from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from convchoice.commands import CommandParser
from convchoice.config.field_types import check_name
from convchoice.config.study import study_from_mapping
from convchoice.config.yaml_files import yaml_text
from convchoice.errors import JobError, UserError, install_extra, require
from convchoice.runs.events import count
from convchoice.runs.fingerprint import commit_state
from convchoice.runs.output_files import replace_files
from convchoice.runs.run import read_run
from convchoice.runs.run_folder import run_path

if TYPE_CHECKING:
    from convchoice.execution.search import Search

FIRST_LINE = "# Found by a search on validation images alone; the test set was not opened."
SUFFIX = "_tuned"


def study_text(search: "Search", name: str, command: str) -> str:
    """The study of tuned arms beside their recipes, with a comment on how they were found.

    An arm that keeps its recipe is its own best: it is compared with the baseline's recipe and with
    the tuned baseline.

    Raises:
        UserError: if the only arm could not be improved.
    """
    from convchoice.execution.search import overrides_of  # noqa: PLC0415 - needs Optuna

    best = {arm: search.best(arm) for arm in search.space.arms}
    tuned = {arm: trial.params for arm, trial in best.items() if trial and trial.number > 0}
    baseline, *others = best
    reference = f"{baseline}{SUFFIX}" if baseline in tuned else baseline
    against = {}
    for arm in others:
        if arm in tuned:
            against[f"{arm}{SUFFIX}"] = [reference]
        elif baseline in tuned:
            against[arm] = [baseline, reference]
    named = ((arm, f"{arm}{SUFFIX}") if arm in tuned else (arm,) for arm in best)
    arms = [name for group in named for name in group if name != baseline]
    if not arms:
        raise UserError(
            f"{count(search.budget, 'trial')} found nothing better for {baseline} than its own"
            " recipe; no study is written."
        )
    study = {
        "name": name,
        "question": "Do the arms differ once each is tuned, as they do with their recipes?",
        "notes": "No claim: the settings were searched on validation images.",
        "source": f"a search of {count(search.budget, 'trial')} for each arm",
        "baseline": baseline,
        "arms": arms,
        "new_arms": {
            f"{arm}{SUFFIX}": [f"arm={arm}", *overrides_of(settings)]
            for arm, settings in tuned.items()
        },
        "against": against,
    }
    study_from_mapping(study, name)
    return "\n".join([*_comment(search, command), "", yaml_text(study)])


def _comment(search: "Search", command: str) -> list[str]:
    space = search.space
    first = search.config(space.arms[0], 0, {})
    arm, best = next((arm, best) for arm in space.arms if (best := search.best(arm)))
    run = read_run(run_path(search.root, f"{arm}-trial-{best.number}", space.seeds[0]))
    data = run.environment["dataset"]
    commit, dirty = commit_state()
    budget = count(search.budget, "trial")
    epochs = count(first.trainer.max_epochs, "epoch")
    seeds, split = ", ".join(map(str, space.seeds)), first.data.validation_seed
    lines = [
        FIRST_LINE,
        f"#   {command}",
        f"# Budget: {budget} for each arm, its recipe the first; seeds {seeds}.",
        f"# A study of {count(min(space.seeds) + 1, 'seed')} or more has seeds of the search among",
        "#   its own, on which the tuned arms are too good: docs/sweeps.md.",
        f"# Metric: {search.metric}, mean over seeds, after {epochs}.",
        f"# Data: {data['title']}: {data['train_images']:,} images for training,",
        f"#   {data['validation_images']:,} for validation, data.validation_seed={split}.",
        f"# Sampler: Optuna {version('optuna')}, TPE, seed 0 for every arm.",
        f"# Commit: {commit}{', with changes' if dirty else ''}.",
        f"# Set in every trial: {' '.join(space.fixed) or 'nothing'}.",
    ]
    for arm, study in search.studies.items():
        scores = ["failed" if each.value is None else f"{each.value:.4f}" for each in study.trials]
        winner, failed = search.best(arm), scores.count("failed")
        found = f"nothing better than its recipe ({scores[0]})"
        if winner and winner.number > 0:
            found = f"trial {winner.number}: {scores[winner.number]}; its recipe: {scores[0]}"
        found += f"; {count(failed, 'trial')} failed" if failed else ""
        lines.append(f"# {arm}: {found}.")
    return lines


def write_trials(search: "Search", path: Path) -> None:
    """Write a row for each trial: arm, number, settings, mean of the metric, value by seed."""
    seeds = [f"seed-{seed}" for seed in search.space.seeds]
    rows = [
        [arm, trial.number, *(trial.params[key] for key in search.space.searched), trial.value]
        + (trial.user_attrs["values"] or [None] * len(seeds))
        for arm, study in search.studies.items()
        for trial in study.trials
    ]
    columns = ["arm", "trial", *search.space.searched, search.metric, *seeds]
    table = pd.DataFrame(rows, columns=columns, dtype=object)
    table.to_csv(path, index=False, lineterminator="\n")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = CommandParser(
        prog="convchoice tune",
        description=__doc__,
        epilog="example: convchoice tune arm=max,average"
        " 'optimizer.learning_rate=tag(log,interval(1e-4,1e-2))' seed=1000,1001 --trials 20",
    )
    made.add_argument(
        "overrides",
        nargs="+",
        metavar="KEY=VALUE",
        help="overrides of Hydra, and ranges to search: docs/sweeps.md",
    )
    made.add_argument("--trials", type=int, default=20, help="trials of each arm (default: 20)")
    made.add_argument("--metric", choices=["val/accuracy", "val/loss"], default="val/accuracy")
    output = "study file to write (default: tuned.yaml)"
    made.add_argument("--output", type=Path, default=Path("tuned.yaml"), help=output)
    runs = "folder of the runs (default: tuning)"
    made.add_argument("--runs", type=Path, default=Path("tuning"), help=runs)
    return made


def main(arguments: Sequence[str] | None = None) -> None:
    """Search, and write the study and the table of trials."""
    given = parser().parse_intermixed_args(arguments)
    installed = find_spec("optuna") is not None
    require(installed, "convchoice tune", "optuna", "is not installed.", install_extra("search"))
    from convchoice.execution.search import Search, read_space  # noqa: PLC0415 - needs Optuna

    command = shlex.join(["convchoice", "tune", *(arguments or sys.argv[1:])])
    require(given.trials >= 1, "--trials", given.trials, "must be at least 1.")
    check_name("--output", given.output.stem)
    table = given.output.with_suffix(".trials.csv")
    for path, start in ((given.output, FIRST_LINE), (table, "arm,trial,")):
        if path.exists() and not path.read_bytes().startswith(start.encode()):
            raise UserError(f"{path}: exists, and no search wrote it. Name another --output.")
    search = Search(read_space(given.overrides), given.trials, given.metric, given.runs)
    search.check()
    search.run()
    write_trials(search, table)
    if not any(search.best(arm) for arm in search.space.arms):
        raise JobError(f"every trial failed; they are in {table}.")
    text = study_text(search, given.output.stem, command)
    replace_files(given.output.parent, {given.output.name: text})
    print(f"{given.output}: the study; {table}: every trial")
    print(f"To run it: make repro STUDY={given.output}")
