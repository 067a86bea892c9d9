"""Tables for papers: structure, escapes, the numbers and footnotes; the LaTeX compiles."""

import csv
import io
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from convchoice.analysis.comparison_files import read_comparison
from convchoice.commands.compare import main as compare
from convchoice.commands.table import FORMATS, main

FULL = Path("reports/full/strides_vs_pooling")
HOSTILE = r"50% & $x_1$ ~^\{#} <b>|c| × ± − [a](b)"
IN_LATEX = (
    r"50\% \& \$x\_1\$ \textasciitilde{}\textasciicircum{}\textbackslash{}\{\#\} $<$b$>$$|$c$|$"
    r" $\times$ $\pm$ $-$ [a](b)"
)
IN_MARKDOWN = r"50% & \$x\_1\$ \~^\\{\#} \<b\>\|c\| × ± − \[a\](b)"


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A result whose arm's name has each character that LaTeX or Markdown would act on."""
    table = tmp_path / "theirs.csv"
    rows = [f'old,{seed},0.8{seed}\n"{HOSTILE}",{seed},0.7{seed * 2}\n' for seed in range(4)]
    table.write_text("arm,seed,f1\n" + "".join(rows), encoding="utf-8")
    output = tmp_path / "theirs"
    options = ["--value", "f1", "--margin", "0.01", "--higher-is-better", "--output", str(output)]
    compare([str(table), *options])
    return output


def printed(capsys: pytest.CaptureFixture[str], study: Path, kind: str) -> str:
    capsys.readouterr()
    main([str(study), "--format", kind])
    return capsys.readouterr().out


def test_tables_have_the_numbers_and_footnotes(capsys, monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[1])
    latex, markdown = (printed(capsys, FULL, kind) for kind in ("latex", "markdown"))
    row = "strided block & 98.70 [98.63, 98.77] & max pooling & $-$0.31 [$-$0.42, $-$0.21] & worse"
    assert f"{row} & $<$ 0.001 & 93.3k & 879k \\\\\n" in latex
    assert "| strided block | 98.70 \\[98.63, 98.77\\] | max pooling | −0.31 " in markdown
    for text in (latex, markdown):
        assert "n = 30 seeds per arm. Data: MNIST" in text
        assert "p: paired t test, two-sided, adjusted over 3 differences by joint sign" in text
        assert re.search(r"Margin 10 \\?% of the reference's errors", text)
    found = list(csv.DictReader(io.StringIO(printed(capsys, FULL, "csv"))))
    comparison = read_comparison(FULL / "comparison.json")
    assert len(found) == len(comparison.rows) == latex.count("\\\\\n") - 1
    assert float(found[1]["difference"]) == comparison.contrasts[0].difference.mean
    assert float(found[1]["mean"]) == pytest.approx(98.70, abs=0.005)
    assert float(found[1]["level"]) == comparison.family.level == 0.05


def test_latex_has_balanced_parts_and_equal_rows(hostile, capsys):
    latex = printed(capsys, hostile, "latex")
    assert re.findall(r"\\begin\{(\w+)\}", latex) == ["table", "tabular", "minipage"]
    assert re.findall(r"\\end\{(\w+)\}", latex) == ["tabular", "minipage", "table"]
    for rule in ("toprule", "midrule", "bottomrule"):
        assert latex.count(f"\\{rule}\n") == 1
    rows = [line for line in latex.splitlines() if line.endswith(r"\\")]
    assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {5}
    assert f"\n{IN_LATEX} & " in latex
    assert "parameters" not in latex


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="there is no pdflatex")
def test_latex_compiles(hostile, tmp_path, capsys):
    full = Path(__file__).parents[1] / FULL
    tables = "".join(printed(capsys, study, "latex") for study in (hostile, full))
    head = "\\documentclass{article}\\usepackage[T1]{fontenc}\\usepackage{booktabs,graphicx}"
    document = f"{head}\\begin{{document}}{tables}\\end{{document}}"
    (tmp_path / "t.tex").write_text(document, encoding="utf-8")
    command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "t.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2_000:]
    assert "Overfull" not in done.stdout
    assert (tmp_path / "t.pdf").stat().st_size > 10_000


def test_markdown_shows_hostile_names_as_they_are(hostile, capsys):
    assert f"\n| {IN_MARKDOWN} | " in printed(capsys, hostile, "markdown")


@pytest.mark.parametrize("kind", FORMATS)
def test_a_study_that_is_not_there(tmp_path, refused, kind):
    message = refused(main, ["pool", "--format", kind, "--reports", str(tmp_path)])
    assert "pool: no comparison.json there and no study of that name" in message
