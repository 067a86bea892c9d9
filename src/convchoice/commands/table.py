r"""Print a study's result as a table for a paper: LaTeX (booktabs), Markdown or CSV.

Examples:
  convchoice table pooling --format latex
  convchoice table reports/full/pooling --format csv > pooling.csv

Each arm with its mean, difference, interval and verdict; below them the number of seeds, the test
and the margin. A CSV has the same numbers unrounded. LaTeX needs booktabs and graphicx.
"""

from collections.abc import Sequence
from pathlib import Path

from convchoice.analysis import notes, sentences, text
from convchoice.analysis.comparison_files import COMPARISON, read_comparison
from convchoice.analysis.result import Comparison
from convchoice.commands import CommandParser
from convchoice.errors import UserError, printable

FORMATS = ("markdown", "latex", "csv")
LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"$<$", ">": r"$>$", "|": r"$|$", '"': r"\textquotedbl{}", "−": r"$-$", "×": r"$\times$",
    "±": r"$\pm$", "–": "--", "→": r"$\to$", "σ": r"$\sigma$", "δ": r"$\delta$",
}  # fmt: skip
MARKDOWN = {each: f"\\{each}" for each in r"\|*_`<>[]#$~"}
TESTS = {
    "sign flips": ", adjusted over {n} differences by joint sign flips (max-T)",
    "Bonferroni": ", Bonferroni over {n} differences",
    "single": "",
}


def escaped(written: str, characters: dict[str, str]) -> str:
    """A text with each special character in a form that is itself; control characters visible."""
    return "".join(characters.get(each, each) for each in printable(written, keep=""))


def headings(comparison: Comparison) -> list[str]:
    """The columns of the printed tables."""
    measure = comparison.measure
    unit = f", {measure.short_unit}" if measure.short_unit else ""
    costs = [] if comparison.provenance.table else ["parameters", "MACs"]
    return ["arm", measure.axis_label, "against", f"difference{unit}", "verdict", "p", *costs]


def rows(comparison: Comparison) -> list[list[str]]:
    """The cells of the printed tables: a row an arm and reference."""
    measure, found = comparison.measure, []
    for name, arm, contrast in comparison.rows:
        cells = [name, " ".join(text.score(arm.scores[measure.metric], measure)), "", "", "", ""]
        if contrast:
            bounds = text.difference_interval(contrast, measure)
            shown = f"{text.difference(contrast, measure)} {bounds}"
            cells[2:] = [
                contrast.reference,
                shown,
                text.verdict(contrast),
                text.p_value(contrast.p),
            ]
        if not comparison.provenance.table:
            cells += [text.short(arm.costs.parameters), text.short(arm.costs.macs)]
        found.append(cells)
    return found


def footnotes(comparison: Comparison) -> list[str]:
    """The number of seeds, the intervals, the test, the margin, the data and the cautions."""
    family = comparison.family
    seeds = text.seed_counts(arm.n for arm in comparison.arms.values())
    test = TESTS[family.method].format(n=family.contrasts)
    found = [f"{seeds} per arm. {sentences.data_line(comparison)}."]
    if comparison.contrasts:
        found.append(notes.methods_line(comparison))
        found.append(
            f"p: paired t test, two-sided{test}. A verdict follows from the interval beside it."
        )
    return found + [each.text for each in comparison.cautions]


def latex(comparison: Comparison) -> str:
    """A floating table of LaTeX with booktabs' rules."""
    head, body = headings(comparison), rows(comparison)
    lines = [" & ".join(escaped(cell, LATEX) for cell in row) + r" \\" for row in [head, *body]]
    notes_below = [escaped(line, LATEX) + r"\par" for line in footnotes(comparison)]
    return "\n".join([
        r"% Needs \usepackage{booktabs,graphicx}.",
        r"\begin{table}", r"\centering",
        rf"\caption{{{escaped(comparison.study.question, LATEX)}}}",
        rf"\label{{tab:{comparison.study.name}}}",
        r"\footnotesize\setlength{\tabcolsep}{4pt}",
        r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        rf"\begin{{tabular}}{{@{{}}{'l' * len(head)}@{{}}}}",
        r"\toprule", lines[0], r"\midrule", *lines[1:], r"\bottomrule", r"\end{tabular}}", "",
        r"\smallskip",
        r"\begin{minipage}{\linewidth}", *notes_below, r"\end{minipage}",
        r"\end{table}", "",
    ])  # fmt: skip


def markdown(comparison: Comparison) -> str:
    """A table of Markdown, with its title and footnotes."""
    head, body = headings(comparison), rows(comparison)
    table = [head, ["---"] * len(head), *body]
    lines = [
        f"| {' | '.join(cell if row is table[1] else escaped(cell, MARKDOWN) for cell in row)} |"
        for row in table
    ]
    below = [f"- {escaped(line, MARKDOWN)}" for line in footnotes(comparison)]
    title = f"**{escaped(comparison.study.question, MARKDOWN)}**"
    return "\n".join([title, "", *lines, "", *below, ""])


def csv_table(comparison: Comparison) -> str:
    """The same numbers unrounded, in the measure's unit, a column each."""
    measure, table = comparison.measure, []
    columns = [
        "arm", "n", "mean", "low", "high", "reference", "pairs", "difference", "difference_low",
        "difference_high", "level", "margin", "verdict", "p", "parameters", "macs",
    ]  # fmt: skip
    for name, arm, contrast in comparison.rows:
        sample = arm.scores[measure.metric]
        ends = measure.shown(sample.interval_95) if sample.interval_95 else [None, None]
        found: list[object] = [None] * 9
        if contrast:
            bounds = contrast.interval or (None, None)
            difference = contrast.difference.mean
            found = [contrast.reference, contrast.n, difference, *bounds, comparison.family.level]
            found += [contrast.margin, contrast.verdict, contrast.p]
        costs = [arm.costs.parameters, arm.costs.macs]
        table.append([name, arm.n, *measure.shown([sample.mean]), *ends, *found, *costs])
    import pandas as pd  # noqa: PLC0415 - takes longer than all else

    frame = pd.DataFrame(table, columns=columns, dtype=object)
    return str(frame.to_csv(index=False, lineterminator="\n"))


def written(comparison: Comparison, form: str) -> str:
    """The table of a result with labels, in one of `FORMATS`."""
    return {"markdown": markdown, "latex": latex, "csv": csv_table}[form](comparison)


def study_comparison(study: str, reports: Path) -> Comparison:
    """A study's result, by its name in a folder of reports or by a path.

    Raises:
        UserError: if there is none, or it cannot be read.
    """
    places = [reports / study / COMPARISON, Path(study) / COMPARISON, Path(study)]
    found = [place for place in places if place.is_file()]
    if not found:
        have = ", ".join(sorted(path.parent.name for path in reports.glob(f"*/{COMPARISON}")))
        raise UserError(
            f"{study}: no {COMPARISON} there and no study of that name in {reports}, which has"
            f" {have or 'none'}. Make it: convchoice compare."
        )
    return read_comparison(found[0]).labelled()


def parser() -> CommandParser:
    """The command line."""
    made = CommandParser("convchoice table", __doc__)
    made.add_argument("study", metavar="STUDY", help="a study's name, its folder or its file")
    made.add_argument("--format", choices=FORMATS, default="markdown", help="default: markdown")
    made.add_argument("--reports", type=Path, default=Path("reports"), help="default: reports")
    return made


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table of a study."""
    given = parser().parse_args(arguments)
    comparison = study_comparison(given.study, given.reports)
    print(written(comparison, given.format), end="")
