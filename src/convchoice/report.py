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

from convchoice.analysis.comparison import SCHEMA_VERSION
from convchoice.analysis.result_digest import check_digest
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
from convchoice.runs.run_folder import read_json
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


def read_comparison(reports: Path, study: str) -> dict[str, Any]:
    """A study's result.

    Raises:
        UserError: if it is missing, unreadable, of another schema version, another study's, or
            altered.
    """
    path = reports / study / "comparison.json"
    if not path.is_file():
        raise UserError(f"{path}: there is no such file. Make it: python -m convchoice.compare.")
    comparison = read_json(path)
    version = comparison.get("schema_version")
    if version != SCHEMA_VERSION:
        raise RunFolderError(
            f"{path}: schema_version = {version!r}, and this report reads {SCHEMA_VERSION}."
            " Make it again: python -m convchoice.compare."
        )
    block = comparison.get("study")
    name = block.get("name") if isinstance(block, dict) else None
    if name != study:  # it names files of the report
        raise RunFolderError(f"{path}: is of the study {name!r}, and its folder is of {study}.")
    check_digest(path, comparison)
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


def tell_tracking(reports: Path, comparisons: Sequence[Mapping[str, Any]], configs: Path) -> None:
    """Tell MLflow of each study: its numbers, its result, its figures and the page.

    Raises:
        UserError: if a baseline's composed configuration cannot be read.
    """
    from convchoice.tracking.publish import logged  # noqa: PLC0415 - decides no output

    for comparison in comparisons:
        config = read_arm(configs / f"{comparison['study']['baseline']}.yaml").config
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
        comparisons = [read_comparison(given.reports, name) for name in studies]
        write_report(given.reports, comparisons)
        if given.configs:
            tell_tracking(given.reports, comparisons, given.configs)
        print_paths(given.reports)
        print("The tables: python -m convchoice.summary")


if __name__ == "__main__":
    main()
