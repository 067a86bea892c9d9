"""Compare arms: from run folders or a table of values to differences, intervals and verdicts.

Examples:
  convchoice compare --study configs/studies/pooling.yaml --runs runs --output reports/pooling
  convchoice compare sweep --baseline max-valid
  convchoice compare results.csv --arm model --value f1 --higher-is-better --margin 0.01
  convchoice compare --mlflow EXPERIMENT --metric f1 --higher-is-better --margin 0.01
  convchoice compare reports/full/pooling

A table has a row a run: CSV, JSON lines, Parquet or an MLflow experiment. Its values keep their
unit. With --output: comparison.json, metrics.json and differences.csv, and for runs the files that
a result can be recomputed from without them (runs.csv and others); equal inputs give equal bytes.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from shlex import quote

from convchoice.analysis.arm import effective_configuration
from convchoice.analysis.collect import collected_runs, failures_of_study, runs_of_study
from convchoice.analysis.comparison import compare
from convchoice.analysis.comparison_files import COMPARISON, FILES, read_beside, write_comparison
from convchoice.analysis.measure import known_direction
from convchoice.analysis.published_runs import FILES as PUBLISHED_FILES
from convchoice.analysis.published_runs import (
    PublishedStudy,
    is_published,
    read_published,
    with_earlier,
)
from convchoice.analysis.result import Comparison
from convchoice.analysis.sentences import answer, data_line
from convchoice.analysis.study_definition import history_of, read_definition
from convchoice.analysis.trained_networks import (
    NETWORKS,
    TrainedNetworks,
    networks_text,
    trained_networks,
)
from convchoice.commands import CommandParser
from convchoice.commands.summary import print_study
from convchoice.commands.table_comparison import (
    add_table_options,
    compared_table,
    is_table,
    study_of,
)
from convchoice.config.margin import DEFAULT_MARGIN
from convchoice.config.study import Study, read_study
from convchoice.config.validation import read_arm
from convchoice.errors import UserError, printable, require
from convchoice.runs.output_files import check_output


def _study_of_runs(given: argparse.Namespace) -> Study:
    """The study of run folders without a study file."""
    runs, metric = collected_runs(given.paths), given.metric or Study.metric
    rule = "is for tables; the name of a run folder's metric implies which direction is better."
    direction = given.higher_is_better
    require(direction is None, "--higher-is-better", direction, rule)
    rule = "must be an accuracy, a consistency, a loss or an nll of the run folders."
    require(known_direction(metric) is not None, "--metric", metric, rule)
    margin = DEFAULT_MARGIN if "accuracy" in metric else None
    return study_of(given, list(runs), metric, source="the sweep", margin=margin)


def _compared_runs(given: argparse.Namespace) -> tuple[Comparison, dict[str, str]]:
    """The comparison of runs, and the files that it can be recomputed from."""
    [folder, *others] = given.paths
    published = read_published(folder) if not others and is_published(folder) else None
    as_defined = all(option is None for option in _own_options(given).values())
    if given.study:
        study = read_study(given.study)
    else:
        study = published.study if published and as_defined else _study_of_runs(given)
    planned = published.planned if published else None
    if given.configs:
        planned = {
            arm: read_arm(given.configs / "arms" / f"{arm}.yaml").seeds for arm in study.all_arms()
        }
    failed = published.failed if published else failures_of_study(study, given.paths, planned)
    runs = runs_of_study(study, given.paths, planned, failed)
    history = published.history if published else None
    if given.definition:
        settings = {arm: effective_configuration(each[0]) for arm, each in runs.items() if each}
        history = history_of(read_definition(given.definition), study, settings)
    result = compare(study, runs, planned, failed, definition=history)
    texts = PublishedStudy(study, planned, failed, runs, history).texts()
    if not published:
        texts[NETWORKS] = networks_text(trained_networks(runs))
    elif read_beside(folder / NETWORKS, TrainedNetworks):
        texts[NETWORKS] = (folder / NETWORKS).read_text(encoding="utf-8")
    return with_earlier(result, folder) if published else result, texts


def parser() -> CommandParser:
    """The command line."""
    made = CommandParser("convchoice compare", __doc__)
    add = made.add_argument
    add("paths", type=Path, nargs="*", metavar="PATH", help="run folders, their parents, or tables")
    add("--runs", type=Path, metavar="FOLDER", help="another PATH")
    add("--output", type=Path, metavar="FOLDER", help="write the result here")
    add("--brief", action="store_true", help="print one line instead of a table")
    planned = "has arms/<arm>.yaml with the planned seeds; other seeds are left out"
    add("--configs", type=Path, metavar="FOLDER", help=planned)
    own = "the study's YAML file, in the place of --baseline, --name, --metric and --margin"
    add("--study", type=Path, metavar="FILE", help=own)
    first = "the record of the study's first definition, which `convchoice compose` makes"
    add("--definition", type=Path, metavar="FILE", help=first)
    add_table_options(made, run_folders=True)
    return made


def _own_options(given: argparse.Namespace) -> dict[str, object]:
    """What is for comparisons without a study's file."""
    return {name: getattr(given, name) for name in ("baseline", "name", "metric", "margin")}


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    made = parser()
    given = made.parse_args(arguments)
    given.paths += [given.runs] if given.runs else []
    if bool(given.paths) == bool(given.mlflow):
        made.error("name PATHs with run folders, or tables, or an --mlflow EXPERIMENT")
    own = _own_options(given).items()
    if given.study and (named := [name for name, value in own if value is not None]):
        made.error(f"--{named[0]} is for comparisons without --study, which has its own")
    return given


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare arms, write the result, and print it."""
    given = _arguments(arguments)
    if given.output:
        files = (*FILES, *PUBLISHED_FILES, NETWORKS)
        check_output(given.output, files, COMPARISON)  # before any work
    tables = [path for path in given.paths if is_table(path)]
    if tables and len(tables) < len(given.paths):
        raise UserError(f"{tables[0]}: a table cannot be compared with run folders.")
    if tables or given.mlflow:
        study = read_study(given.study) if given.study else None
        comparison, more = compared_table(given, study), dict[str, str]()
    else:
        comparison, more = _compared_runs(given)
    if given.output:
        write_comparison(given.output, comparison, more)
    if given.brief:
        where = f" → {given.output / COMPARISON}" if given.output else ""
        line = f"{comparison.study.name}: {answer(comparison)} {data_line(comparison)}.{where}"
        print(printable(line))
    else:
        print_study(comparison)
        table = (tables or given.mlflow) and not given.study
        if table and given.output:
            folder, name = given.output.parent, comparison.study.name
            page = f"The page: convchoice report --reports {quote(str(folder))} --studies {name}"
            same = given.output.name == name
            print(
                printable(page if same else f"For a page, use --output {quote(str(folder / name))}")
            )
