"""The terminal table at common widths."""

import io
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from convchoice.analysis.comparison_files import write_comparison
from convchoice.analysis.result import Comparison
from convchoice.commands.compare import main as compare
from convchoice.commands.summary import main, print_study
from convchoice.errors import UserError
from made_up_runs import DIGITS, Compare, study_values

ERRORS = {"max": [10, 11, 12, 11, 10, 12], "average": [14, 17, 15, 14, 15, 18]}


def printed(comparison: Comparison, monkeypatch: pytest.MonkeyPatch, columns: int) -> str:
    monkeypatch.setenv("COLUMNS", str(columns))
    with redirect_stdout(io.StringIO()) as out:
        print_study(comparison)
    return out.getvalue()


@pytest.mark.parametrize("columns", [80, 100, 200])
def test_table_fits_the_terminal(
    comparison_of: Compare, monkeypatch: pytest.MonkeyPatch, columns: int
):
    study = study_values(
        arms=["average", "max_4x4", "average_4x4"], against={"average_4x4": "max_4x4"}
    )
    errors = {**ERRORS, "max_4x4": [11] * 6, "average_4x4": [21, 24, 22, 21, 22, 25]}
    text = printed(comparison_of(errors, study), monkeypatch, columns)
    assert max(map(len, text.splitlines())) <= columns
    assert "…" not in text
    for word in ("average_4x4", "vs max_4x4", "[98.80, 98.99]", "worse", "93.3k", "2.79M"):
        assert word in text
    assert "\x1b" not in text  # no colours where there is no terminal


def test_long_heading_is_wrapped_beside_costs(
    comparison_of: Compare, monkeypatch: pytest.MonkeyPatch
):
    study = study_values(arms=["average"], metric="test/nll", margin=0.01)
    text = printed(comparison_of(ERRORS, study), monkeypatch, 80).partition("Brackets")[0]
    assert max(map(len, text.splitlines())) <= 80
    for word in ("test negative ", "log-likelihood ", "nats [95 %] ", "verdict", "93.3k", "MACs"):
        assert word in text


@pytest.mark.parametrize("metric", ["macro averaged F1 over all folds", "f" * 100])
def test_long_headings_and_numbers_of_a_table(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    metric: str,
):
    monkeypatch.setenv("COLUMNS", "80")
    rows = [f"{arm},{seed},{0.1 * seed}" for arm in ("max", "average") for seed in range(6)]
    path = tmp_path / "a.csv"
    path.write_text("\n".join([f"arm,seed,{metric}", *rows]), encoding="utf-8")
    compare([str(path), "--value", metric, "--higher-is-better", "--margin", "1e-9"])
    table = capsys.readouterr().out.partition("\n\n")[2].partition("Brackets")[0]
    assert max(map(len, table.splitlines())) <= 80
    first = "macro averaged " if "macro" in metric else "f" * 16 + " "
    for word in (first, "difference", "verdict", "vs max", "0.2500000000", "equivalent"):
        assert word in table


def test_text_is_literal_with_signs_intervals_and_verdicts(
    comparison_of: Compare, monkeypatch: pytest.MonkeyPatch
):
    study = study_values(question="[red]Is :smile: it\x1b[2J this\r?[/red]")
    text = printed(comparison_of(ERRORS, study), monkeypatch, 100)
    # Errors differ by 4, 6, 3, 3, 5 and 6 of 1,000: mean 4.5, s = 1.378, t(0.975; 5) = 2.571.
    for words in ("−0.45", "[−0.59, −0.31]", "average is worse than max", "Margin ±0.10 pp."):
        assert words in text
    assert "McNemar" not in text
    assert "[red]Is :smile: it\\x1b[2J this\\r?[/red]" in text
    assert not {"\x1b", "\r"} & set(text)


def test_one_pair_of_runs_of_other_images(comparison_of: Compare, monkeypatch: pytest.MonkeyPatch):
    options = {arm: {"dataset": DIGITS} for arm in ("max", "average")}
    text = printed(comparison_of({"max": [0], "average": [40]}, options=options), monkeypatch, 400)
    expected = "average against max, seed 0: images that one alone gets right: average 0, max 40;"
    assert expected in text
    assert "McNemar's exact p < 0.001, for these two networks only." in text
    assert text.count("No source of MNIST answered") == 1
    assert text.count("cannot reject at 0.05") == 1
    assert "Short training: 1 epoch of 1,297 images, 1 seed an arm." in text


def test_command_prints_every_study_and_the_report(
    comparison_of: Compare, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    for name in ("one", "two"):
        comparison = comparison_of(ERRORS, study_values(name=name))
        write_comparison(tmp_path / "reports" / name, comparison)
    main([str(tmp_path / "reports")])
    out = capsys.readouterr().out
    assert out.index("one  ") < out.index("two  ")
    assert "The report:" not in out
    (tmp_path / "reports" / "index.html").touch()
    main([str(tmp_path / "reports")])
    page = str(tmp_path / "reports" / "index.html")
    assert page in capsys.readouterr().out.replace("\n", "")


def test_folder_without_results_is_an_error(tmp_path: Path):
    with pytest.raises(UserError, match="make repro"):
        main([str(tmp_path)])
