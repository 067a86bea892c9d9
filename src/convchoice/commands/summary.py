"""Print the result of every study as a short table.

Examples:
  convchoice summary
  convchoice summary reports/full
"""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from convchoice.analysis import notes, sentences, text
from convchoice.analysis.comparison_files import COMPARISON, read_comparison
from convchoice.analysis.result import Comparison
from convchoice.commands import CommandParser
from convchoice.config.parameters import read_parameters
from convchoice.errors import UserError, printable

REPORT_FILES = ("index.html", "README.md")
ANSWER_STYLES = {"Yes": "green", "No": "red", "Partly": "yellow", "Undecided": "dim"}
VERDICT_STYLES = {"better": "green", "worse": "red", "equivalent": "blue"}
LONGEST_HEADING = 16
"""Characters of a heading's line: an interval of accuracies is as long."""
LONGEST_INTERVAL = 20
"""Characters of an interval in one line: two such columns and the costs are 80 columns wide."""


def _console() -> Console:
    # Highlighting would colour single digits; markup would read an arm's [name] as a style.
    return Console(highlight=False, markup=False, emoji=False)


def _two_lines(first: str, second: str) -> Text:
    return Text.assemble(first, "\n", (second, "dim"))


def _with_interval(value: str, interval: str) -> Text:
    long = len(interval) > LONGEST_INTERVAL
    return _two_lines(value, interval.replace(", ", ",\n ") if long else interval)


def _bottom_aligned(*headings: str) -> list[str]:
    lines = max(heading.count("\n") for heading in headings)
    return ["\n" * (lines - heading.count("\n")) + heading for heading in headings]


def _table() -> Table:
    return Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)


def study_table(comparison: Comparison) -> Table:
    """A study's arms: score, difference from the reference, verdict and costs.

    Two lines an arm (the value, its interval below), so that 80 columns are enough.
    """
    measure, table = comparison.measure, _table()
    costs = ("parameters", "macs") if comparison.provenance.table is None else ()
    label = textwrap.fill(printable(measure.label), LONGEST_HEADING)
    confidence = text.confidence(comparison.family.level)
    arms, scores, differences, verdicts, *cost_headings = _bottom_aligned(
        "arm",
        f"{label}\n{f'{measure.shown_unit} [95 %]'.strip()}",
        f"difference\n{f'{measure.short_unit} [{confidence}]'.strip()}",
        "verdict",
        *("para-\nmeters", "MACs")[: len(costs)],
    )
    table.add_column(arms, overflow="fold", min_width=9)
    table.add_column(scores, no_wrap=True)
    if comparison.contrasts:
        table.add_column(differences, no_wrap=True)
        table.add_column(verdicts, overflow="fold", min_width=12)
    for heading in cost_headings:
        table.add_column(heading, justify="right", no_wrap=True)
    for name, arm, contrast in comparison.rows:
        cells: list[Text | str] = ["", ""] if comparison.contrasts else []
        if contrast:
            interval = text.difference_interval(contrast, measure)
            style = VERDICT_STYLES.get(contrast.verdict.finding, "dim")
            cells = [
                _with_interval(text.difference(contrast, measure), interval),
                Text(text.verdict(contrast), style=style),
            ]
        table.add_row(
            _two_lines(name, f"vs {contrast.reference}" if contrast else f"n = {arm.n}"),
            _with_interval(*text.score(arm.scores[measure.metric], measure)),
            *cells,
            *(text.short(getattr(arm.costs, name)) for name in costs),
        )
    return table


def print_study(comparison: Comparison, others: Mapping[str, Comparison] | None = None) -> None:
    """Print one study: question, data set, answers, table, cautions.

    Args:
        comparison: the study's result.
        others: results by study, to whose answers this one's may refer.
    """
    console, comparison = _console(), comparison.labelled()
    study = comparison.study

    def say(line: str, style: str = "") -> None:
        console.print(Text(printable(line), style=style))

    console.print(Text.assemble((study.name, "bold"), "  ", printable(study.question)))
    say(sentences.data_line(comparison), "dim")
    for claim in comparison.claims:
        says, answer = printable(claim.says), printable(claim.sentence)
        console.print(Text.assemble(f"{says} ", (answer, ANSWER_STYLES[claim.answer])))
    if not comparison.claims:
        say(sentences.answer(comparison))
    for line in sentences.alike_lines(comparison) + sentences.see_lines(comparison, others or {}):
        say(line, "dim")
    console.print()
    console.print(study_table(comparison))
    if comparison.contrasts:
        say(notes.methods_line(comparison), "dim")
    for sentence in [
        *(item.text for item in comparison.cautions),
        *notes.spike_lines(comparison),
        *notes.seed_lines(comparison),
        *notes.one_pair_lines(comparison),
    ]:
        say(f"! {sentence}", "yellow")
    console.print()


def print_paths(reports: Path) -> None:
    """Print the paths of the report's files that exist."""
    console = _console()
    found = [reports / name for name in REPORT_FILES if (reports / name).is_file()]
    if found:
        console.print(Text("The report:", style="bold"))
    for path in found:
        console.print(Text(f"  {printable(str(path))}"), soft_wrap=True)


def read_comparisons(reports: Path, studies: Sequence[str] | None = None) -> list[Comparison]:
    """The results of some studies under `reports`, or of every one by name.

    Raises:
        UserError: if there is none, or one cannot be read.
    """
    paths = sorted(reports.glob(f"*/{COMPARISON}"))
    if studies is not None:
        paths = [reports / name / COMPARISON for name in studies]
    if not paths:
        raise UserError(f"{reports}: no study's {COMPARISON} here. Make them: make repro.")
    return [read_comparison(path) for path in paths]


def parser() -> CommandParser:
    """The command line."""
    made = CommandParser("convchoice summary", __doc__)
    folder = "folder of the reports (default: reports)"
    made.add_argument("reports", nargs="?", type=Path, default=Path("reports"), help=folder)
    params = "YAML file whose keys `studies` and `reports` choose what is printed"
    made.add_argument("--params", type=Path, metavar="FILE", help=params)
    return made


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the result of every study under a reports folder, or of those in a parameters file.

    Raises:
        UserError: if there is none, or one cannot be read.
    """
    given = parser().parse_args(arguments)
    reports, studies = given.reports, None
    if given.params:
        parameters = read_parameters(given.params)
        reports, studies = Path(parameters.reports), parameters.studies
    comparisons = {each.study.name: each for each in read_comparisons(reports, studies)}
    for comparison in comparisons.values():
        print_study(comparison, comparisons)
    print_paths(reports)
