"""The stage `report`: comparisons → one page, one Markdown file, figures.

    python -m convchoice.report --studies pooling,strides_vs_pooling,lecture --reports reports
    python -m convchoice.report --params params.yaml --reports reports

reads `reports/<study>/comparison.json` and writes `reports/index.html` (one file that needs no
network), `reports/README.md` (for a code host) and `reports/figures/<study>-<figure>.svg`. The same
comparisons give the same bytes. Never imports torch.
"""

import argparse
import html
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from convchoice.analysis.comparison import SCHEMA_VERSION
from convchoice.analysis.result_digest import check_digest
from convchoice.config.arm import read_arm
from convchoice.config.validation import check_name
from convchoice.config.yaml_files import read_yaml
from convchoice.errors import RunFolderError, UserError, exit_codes, require
from convchoice.execution.tracking import open_tracking
from convchoice.reporting.drawing import Picture
from convchoice.reporting.figures import figures_of
from convchoice.reporting.page import page_view
from convchoice.reporting.telling import FIGURES, PAGE, tell_study
from convchoice.runs.atomic_write import replace_files
from convchoice.runs.run_folder import read_json
from convchoice.summary import print_paths

MARKDOWN = "README.md"


def markdown_text(text: object) -> str:
    """A text that Markdown shows as it is, on one line: nothing in it is markup."""
    flat = re.sub(r"\s+", " ", str(text))
    return re.sub(r"([\\`*_{}\[\]|~$#])", r"\\\1", html.escape(flat, quote=False))


def markdown_prose(text: object) -> str:
    """Like `markdown_text`, but words between backticks stay code."""
    parts = str(text).split("`")
    if len(parts) % 2 == 0:  # an odd number of backticks: none of them is meant as code
        return markdown_text(text)
    return "".join(
        f"`{part}`" if index % 2 else markdown_text(part) for index, part in enumerate(parts)
    )


def html_prose(text: object) -> Markup:
    """Escaped text in which words between backticks are code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(str(text))))  # noqa: S704


def inline_svg(picture: Picture) -> Markup:
    """A figure's element, which `drawing` has escaped already."""
    return Markup(picture.inline)  # noqa: S704 - made by matplotlib and `drawing`, texts escaped


def bare(script: str) -> Markup:
    """A script of ours without its indentation, empty lines and the comments that begin a line.

    A page is downloaded more often than it is read; who wants to read finds both in `templates`.
    """
    uncommented = re.sub(r"(?ms)^ *(?:/\*.*?\*/|//[^\n]*)\n", "", script)
    return Markup(re.sub(r"(?m)^\s+", "", uncommented))  # noqa: S704 - no value is in it


def environment() -> Environment:
    """The templates: HTML escapes every value by itself, Markdown through the filter ``md``."""
    made = Environment(
        loader=PackageLoader("convchoice.reporting", "templates"),
        autoescape=select_autoescape(enabled_extensions=("html.j2",), default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters["md"] = markdown_text
    made.filters["md_prose"] = markdown_prose
    made.filters["prose"] = html_prose
    made.filters["svg"] = inline_svg
    made.filters["bare"] = bare
    return made


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


def drawn_figures(path: Path, comparison: Mapping[str, Any]) -> list[Picture]:
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
    """Write the page, the Markdown file and the figures; figures of former reports go."""
    pictures = [
        drawn_figures(reports / comparison["study"]["name"] / "comparison.json", comparison)
        for comparison in comparisons
    ]
    view = page_view(comparisons, pictures)
    templates = environment()
    drawn = {f"{each.name}.svg": each.file for made in pictures for each in made}
    texts = {
        name: templates.get_template(f"{name}.j2").render(view, figures=FIGURES)
        for name in (PAGE, MARKDOWN)
    }
    folder = reports / FIGURES
    replace_files(folder, drawn)
    replace_files(reports, texts)
    for stale in folder.glob("*.svg"):
        if stale.name not in drawn:
            stale.unlink()


def tell_tracking(reports: Path, comparisons: Sequence[Mapping[str, Any]], configs: Path) -> None:
    """Tell MLflow of each study: its numbers, its result, its figures and the page.

    Raises:
        UserError: if a baseline's composed configuration cannot be read.
    """
    for comparison in comparisons:
        config = read_arm(configs / f"{comparison['study']['baseline']}.yaml").config
        tell_study(open_tracking(config.tracking), comparison, reports)


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
