"""Write the results of studies as one page, one Markdown file and figures.

Examples:
  convchoice report --studies pooling,lecture
  convchoice report --params params.yaml --reports reports --configs configs

Reads `<reports>/<study>/comparison.json`, and `networks.json`, `survival/survival.json` and
`variance/variance.json` beside it if they exist; writes `index.html` (one file that needs no
network), `README.md` (for a code host) and `figures/<study>-<figure>.svg` into the same folder.
With --params every other study that has a result in the folder follows the chosen ones.
The same results give the same bytes. Never imports torch.
"""

import shlex
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from jinja2 import TemplateError

from convchoice.analysis.comparison_files import COMPARISON, read_beside, read_comparison
from convchoice.analysis.result import Comparison
from convchoice.analysis.sentences import survival_lines
from convchoice.analysis.survival import SURVIVAL, Survival
from convchoice.analysis.trained_networks import NETWORKS, TrainedNetworks
from convchoice.analysis.variance_sources import VARIANCE, VarianceSources
from convchoice.commands import CommandParser, names_in
from convchoice.commands.summary import print_paths
from convchoice.config.field_types import check_name
from convchoice.config.parameters import read_parameters
from convchoice.config.validation import read_arm
from convchoice.errors import RunFolderError, UserError
from convchoice.reporting.laboratory import laboratory
from convchoice.reporting.mlflow_study import FIGURES, PAGE, study_entry
from convchoice.reporting.page import figures_of, page_view
from convchoice.reporting.plots import style
from convchoice.reporting.rendering import render
from convchoice.reporting.score_figures import headline_figure
from convchoice.reporting.settings_figures import (
    survival_figures,
    variance_figure,
)
from convchoice.runs.output_files import write_output
from convchoice.tracking.publish import publish_entry

MARKDOWN = "README.md"
REPORTS = Path("reports")
MOST_CHARACTERS = 2_450_000
"""Of the page, which is then small enough to be sent by mail; networks have what others leave."""
LABORATORY_CHARACTERS = 60_000
"""Of the laboratory without its networks' weights."""


def study_result(reports: Path, study: str) -> Comparison:
    """A study's result.

    Raises:
        RunFolderError: if it cannot be read or is another study's.
    """
    path = reports / study / COMPARISON
    comparison = read_comparison(path)
    found = comparison.study.name
    if found != study:  # the name becomes part of file names
        raise RunFolderError(f"{path}: study.name = {found!r}, but its folder is {study}.")
    return comparison


@contextmanager
def _consistent(path: Path) -> Iterator[None]:
    try:
        yield
    except (LookupError, TypeError, ValueError, ArithmeticError, TemplateError) as error:
        raise RunFolderError(
            f"{path}: parts of the result contradict each other ({type(error).__name__}: {error})."
            " Make it again: convchoice compare."
        ) from error


def other_results(reports: Path, chosen: Collection[str]) -> Iterator[Comparison]:
    """Results of studies that were not chosen; one that cannot be read is named and left out."""
    for path in sorted(reports.glob(f"*/{COMPARISON}")):
        if path.parent.name not in chosen:
            try:
                yield study_result(reports, path.parent.name)
            except UserError as error:
                print(f"left out of the report: {error}")


def write_report(reports: Path, comparisons: Sequence[Comparison]) -> None:
    """Write the page, the Markdown file and the figures; remove figures of earlier reports.

    Raises:
        UserError: if one of the files exists and was not written by convchoice.
        RunFolderError: if parts of a result contradict each other.
    """
    figures, lines, networks = [], {}, {}
    for comparison in comparisons:
        study = comparison.study
        survival = read_beside(reports / study.name / "survival" / SURVIVAL, Survival)
        variance = read_beside(reports / study.name / "variance" / VARIANCE, VarianceSources)
        if trained := read_beside(reports / study.name / NETWORKS, TrainedNetworks):
            networks[study.name] = trained
        with _consistent(reports / study.name / COMPARISON), style():
            made = figures_of(comparison)
            if survival:
                lines[study.name] = survival_lines(survival, study.label)
                made += survival_figures(survival, study.label)
            if variance:
                made.append(variance_figure(variance, study.label))
        figures.append(made)
    with _consistent(reports):
        with style():
            headline = headline_figure(comparisons)
        view = page_view(comparisons, figures, lines) | {
            "folder": FIGURES,
            "headline": headline,
        }
        page = render("index.html.j2", view)
        room = MOST_CHARACTERS - LABORATORY_CHARACTERS - len(page)
        if shown := laboratory(comparisons, networks, room):
            page = render("index.html.j2", view | {"laboratory": shown})
        texts = {PAGE: page, MARKDOWN: render("README.md.j2", view)}
    every = [figure for each in figures for figure in each] + ([headline] if headline else [])
    files = {f"{FIGURES}/{figure.name}.svg": figure.file for figure in every}
    write_output(reports, texts | files)


def log_studies(reports: Path, comparisons: Sequence[Comparison], configs: Path) -> None:
    """Log each study to MLflow; a failure of MLflow is one warning.

    Raises:
        UserError: if a baseline's composed configuration cannot be read.
    """
    for comparison in comparisons:
        config = read_arm(configs / "arms" / f"{comparison.study.baseline}.yaml")
        publish_entry(partial(study_entry, comparison, reports), config.tracking)


def parser() -> CommandParser:
    """The command line."""
    made = CommandParser("convchoice report", __doc__)
    which = made.add_mutually_exclusive_group(required=True)
    which.add_argument("--studies", metavar="A,B", help="studies, in the order of the report")
    file = "YAML file whose key `studies` lists those that come first"
    which.add_argument("--params", type=Path, metavar="FILE", help=file)
    default = f"default: {REPORTS}"
    made.add_argument("--reports", type=Path, default=REPORTS, metavar="FOLDER", help=default)
    store = "composed configurations; if given, the studies are logged to their MLflow store"
    made.add_argument("--configs", type=Path, metavar="FOLDER", help=store)
    return made


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the report of some studies."""
    given = parser().parse_args(arguments)
    named = [name for name in names_in(given.studies or "") if name]
    studies = read_parameters(given.params).studies if given.params else named
    if not studies:
        raise UserError("--studies: name at least one study.")
    for name in studies:
        check_name("studies", name)
    comparisons = [study_result(given.reports, name) for name in studies]
    others = other_results(given.reports, studies) if given.params else ()
    write_report(given.reports, [*comparisons, *others])
    if given.configs:
        log_studies(given.reports, comparisons, given.configs)
    print_paths(given.reports)
    where = "" if given.reports == REPORTS else f" {shlex.quote(str(given.reports))}"
    print(f"The tables: convchoice summary{where}")
