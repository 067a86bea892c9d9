"""The stage `report`: comparisons → one page, one Markdown file, figures.

    python -m convchoice.report --studies pooling,strides_vs_pooling,lecture --reports reports
    python -m convchoice.report --params params.yaml --reports reports

reads `reports/<study>/comparison.json` and writes `reports/index.html` (one file that needs no
network), `reports/README.md` (for a code host) and `reports/figures/<study>-<figure>.svg`. The same
comparisons give the same bytes. Never imports torch.
"""

import argparse
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from convchoice.analysis.comparison_files import COMPARISON, read_comparison
from convchoice.analysis.result import Comparison
from convchoice.analysis.version_2 import as_version_2
from convchoice.config.arm import read_arm
from convchoice.config.validation import check_name
from convchoice.config.yaml_files import read_yaml
from convchoice.errors import RunFolderError, UserError, exit_codes, require
from convchoice.reporting.figures import figures_of
from convchoice.reporting.page import page_view
from convchoice.reporting.rendering import render
from convchoice.reporting.svg import RenderedFigure
from convchoice.reporting.telling import FIGURES, PAGE, tell_study
from convchoice.runs.manifest import check_output, write_output
from convchoice.summary import print_paths

MARKDOWN = "README.md"


def studies_of_parameters(path: Path) -> list[str]:
    """The studies that a parameters file lists.

    Raises:
        UserError: if the file cannot be read or its `studies` is no list of names.
    """
    studies = read_yaml(path).get("studies")
    legal = isinstance(studies, list) and bool(studies)
    require(legal, f"{path}: studies", studies, "must be a list of at least one study's name.")
    return list(studies or [])


def study_result(reports: Path, study: str) -> Comparison:
    """A study's result.

    Raises:
        RunFolderError: if it cannot be read or is another study's.
    """
    path = reports / study / COMPARISON
    comparison = read_comparison(path)
    if comparison.study.name != study:  # it names files of the report
        raise RunFolderError(
            f"{path}: study.name = {comparison.study.name!r}, but its folder is {study}."
        )
    return comparison


def drawn_figures(path: Path, comparison: Mapping[str, Any]) -> list[RenderedFigure]:
    """The figures of a study's result.

    Raises:
        RunFolderError: if the file does not hold what `compare` writes.
    """
    try:
        page_view([comparison], [pictures := figures_of(comparison)])
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise RunFolderError(
            f"{path}: is damaged or was altered ({type(error).__name__}: {error})."
            " Make it again: python -m convchoice.compare."
        ) from error
    return pictures


def write_report(reports: Path, comparisons: Sequence[Mapping[str, Any]]) -> None:
    """Write the page, the Markdown file and the figures; remove figures of earlier reports.

    Raises:
        UserError: if one of the files exists and was not written by convchoice, or a result is
            damaged.
    """
    check_output(reports, (PAGE, MARKDOWN))
    figures = [
        drawn_figures(reports / comparison["study"]["name"] / "comparison.json", comparison)
        for comparison in comparisons
    ]
    view = {**page_view(comparisons, figures), "figures": FIGURES}
    texts = {name: render(f"{name}.j2", view) for name in (PAGE, MARKDOWN)}
    files = {f"{FIGURES}/{each.name}.svg": each.file for drawn in figures for each in drawn}
    write_output(reports, texts | files)


def tell_tracking(reports: Path, comparisons: Sequence[Comparison], configs: Path) -> None:
    """Tell MLflow of each study: its numbers, its result, its figures and the page.

    Raises:
        UserError: if a baseline's composed configuration cannot be read.
    """
    from convchoice.tracking.publish import logged  # noqa: PLC0415 - decides no output

    for comparison in comparisons:
        config = read_arm(configs / f"{comparison.study.baseline}.yaml").config
        logged(config.tracking, partial(tell_study, comparison=comparison, reports=reports))


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the report of some studies."""
    with exit_codes():
        parser = argparse.ArgumentParser(
            prog="python -m convchoice.report",
            description="One page and one Markdown file from studies' results.",
        )
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--studies", metavar="A,B", help="studies, in the order of the report")
        which.add_argument(
            "--params", type=Path, metavar="FILE", help="YAML file whose key `studies` lists them"
        )
        parser.add_argument(
            "--reports",
            type=Path,
            default=Path("reports"),
            metavar="FOLDER",
            help="default: reports",
        )
        parser.add_argument(
            "--configs",
            type=Path,
            metavar="FOLDER",
            help="holds <arm>.yaml, which say where MLflow is to be told of the studies",
        )
        given = parser.parse_args(arguments)
        studies = (
            studies_of_parameters(given.params)
            if given.params
            else [name.strip() for name in given.studies.split(",") if name.strip()]
        )
        if not studies:
            raise UserError("--studies: name at least one study.")
        for name in studies:
            check_name("studies", name)
        comparisons = [study_result(given.reports, name) for name in studies]
        write_report(given.reports, [as_version_2(each) for each in comparisons])
        if given.configs:
            tell_tracking(given.reports, comparisons, given.configs)
        print_paths(given.reports)
        print("The tables: python -m convchoice.summary")


if __name__ == "__main__":
    main()
