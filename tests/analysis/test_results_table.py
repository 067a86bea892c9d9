"""Other people's results: the CSV's rules, with line and column, and the same statistics."""

from pathlib import Path
from typing import Any

import pytest

from convchoice.analysis.comparison_files import read_comparison
from convchoice.analysis.result import Comparison
from convchoice.analysis.results_table import read_tables
from convchoice.commands.compare import main
from convchoice.errors import UserError
from made_up_runs import Compare

GOOD = "arm,seed,value\nmax,0,0.99\nmax,1,0.989\naverage,1,0.985\naverage,0,0.988\n"


def write(folder: Path, text: str, name: str = "results.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        "\ufeff" + GOOD,  # a byte order mark
        GOOD.replace("\n", "\r\n"),
        GOOD.replace(",", " , "),
        GOOD + "\n ,, \n",
        "note,value,seed,arm\nx,0.99,0,max\nx,0.989,1,max\n,0.988,0,average\n,0.985,1,average\n",
    ],
)
def test_spreadsheet_variants_are_read(tmp_path: Path, text: str):
    table = read_tables([write(tmp_path, text)])
    values = {"max": {0: 0.99, 1: 0.989}, "average": {1: 0.985, 0: 0.988}}
    assert table.chosen(None) == (None, values)
    assert table.files == ("results.csv",)


@pytest.mark.parametrize(
    ("text", "place", "rule"),
    [
        ("", "line 1, column arm", "must name the columns arm, seed, value once each"),
        ("arm,seed,value,arm\n", "line 1, column arm", "once each"),
        ("arm;seed;value\na;0;1\n", "line 1, column arm", "separated by commas"),
        ("arm,seed,value\na,0\n", "line 2, column value", "must have 3 cells, and has 2"),
        ("arm,seed,value\na,0,0,5\n", "line 2, column value", "must have 3 cells, and has 4"),
        ("arm,seed,value\n\na,1.5,0\n", "line 3, column seed", "must be a whole number of"),
        ("arm,seed,value\na,0,high\n", "line 2, column value", "must be a number between"),
        ("arm,seed,value\na,0,1e308\n", "line 2, column value", "must be a number between"),
        ("arm,seed,value\na,99999999999,1\n", "line 2, column seed", "at most 10 digits"),
        (f"arm,seed,value\n{'a' * 200_000},0,1\n", "line 2: is not CSV", "field larger"),
        ("arm,seed,value,metric\na,0,1,a\x1b[2J\n", "line 2, column metric", "must be 1 to 100"),
        ("arm,seed,value\n<svg onload=x>,0,1\n", "line 2, column arm", "a name is"),
        ("arm,seed,value\na,0,1\na,00,1\n", "line 3, column seed", "has this seed twice"),
        ("arm,seed,value,metric\na,0,1,\n", "line 2, column metric", "must be 1 to 100 letters"),
        ("arm,seed,value\n", "has no line of values", ""),
        ('arm,seed,value\n"a,0,1\n', "line 2: is not CSV", ""),
    ],
)
def test_illegal_tables_are_refused_with_place(tmp_path: Path, text: str, place: str, rule: str):
    with pytest.raises(UserError) as caught:
        read_tables([write(tmp_path, text)])
    assert "results.csv" in str(caught.value)
    assert place in str(caught.value)
    assert rule in str(caught.value)
    assert len(str(caught.value)) < 400 + len(str(tmp_path))
    assert "\x1b" not in str(caught.value)


def test_several_files_are_one_table(tmp_path: Path):
    first = write(tmp_path, "arm,seed,value\nmax,0,1\n", "a.csv")
    second = write(tmp_path, "arm,seed,value\naverage,0,2\n", "b.csv")
    assert read_tables([first, second]).chosen(None)[1] == {"max": {0: 1.0}, "average": {0: 2.0}}
    second.write_bytes(first.read_bytes())
    twice = r"b\.csv, line 2, column seed: '0': arm max has this seed twice"
    with pytest.raises(UserError, match=twice):
        read_tables([first, second])


def test_metric_column(tmp_path: Path):
    text = "arm,seed,metric,value\na,0,accuracy,0.9\na,0,f1,80\n"
    table = read_tables([write(tmp_path, text)])
    assert table.chosen("f1") == ("f1", {"a": {0: 80.0}})
    with pytest.raises(UserError, match=r"several metrics \(accuracy, f1\). Name one: --metric"):
        table.chosen(None)
    with pytest.raises(UserError, match="no metric 'auc'; it holds accuracy, f1"):
        table.chosen("auc")


def compare(path: Path, *options: str) -> Comparison:
    output = path.parent / "out"
    main([str(path), *options, "--output", str(output)])
    return read_comparison(output / "comparison.json")


def test_table_gives_the_same_statistics_as_run_folders(tmp_path: Path, comparison_of: Compare):
    errors = {"max": [10, 11, 12], "average": [12, 15, 18]}
    runs = comparison_of(errors)
    lines = [
        f"{arm},{seed},{(1000 - count) / 1000}"
        for arm, counts in errors.items()
        for seed, count in enumerate(counts)
    ]
    path = write(tmp_path, "\n".join(["arm,seed,value", *lines]))
    table = compare(path, "--metric", "test/accuracy")
    assert table.measure == runs.measure
    [ours], [theirs] = table.contrasts, runs.contrasts
    for name in ("difference", "verdict", "seeds_needed", "interval", "robust", "seeds"):
        assert getattr(ours, name) == getattr(theirs, name)
    for arm in errors:
        assert table.arms[arm].scores == {"test/accuracy": runs.arms[arm].scores["test/accuracy"]}
    assert (ours.nll, ours.mcnemar) == (None, None)


def test_metric_of_their_own_by_hand(tmp_path: Path):
    text = "arm,seed,value\nbase,0,80\nbase,1,81\nbase,2,82\nours,0,83\nours,1,84.5\nours,2,84\n"
    options = ("--metric", "f1", "--margin", "0.5")
    path = write(tmp_path, text)
    [contrast] = (result := compare(path, *options, "--higher-is-better")).contrasts
    assert contrast.difference.values == [3.0, 3.5, 2.0]
    assert contrast.difference.mean == pytest.approx(17 / 6)
    assert contrast.difference.unit == ""
    assert contrast.reference == "base"  # the first arm of the file
    assert contrast.verdict == "better"
    assert (result.measure.label, result.measure.scale, result.measure.decimals) == ("f1", 1.0, 2)
    flipped = compare(path, *options, "--lower-is-better", "--baseline", "ours")
    assert flipped.contrasts[0].verdict == "better"


def test_table_and_report_of_a_csv(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    from convchoice.commands.report import main as report  # noqa: PLC0415 - loads matplotlib

    path = write(tmp_path, GOOD)
    main([str(path), "--metric", "accuracy", "--output", str(tmp_path / "reports" / "results")])
    printed = capsys.readouterr().out
    assert "Data: the table results.csv" in printed
    assert "−0.30" in printed
    report(["--studies", "results", "--reports", str(tmp_path / "reports")])
    page = (tmp_path / "reports" / "index.html").read_text(encoding="utf-8")
    assert "how its values were made is" in page
    assert "Prices" not in page
    assert "Errors by class" not in page
    assert "log-likelihood" not in page[page.index("<main>") :]
    assert "configurations are the same" not in page


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (GOOD + "b,0,98.5\n", ["--metric", "accuracy"], "arm b, seed 0, column value: 98.5: accur"),
        (GOOD[:26], ["--metric", "accuracy"], "nothing to compare max with"),
        (GOOD, [], "--metric value: add the smallest difference that matters"),
        (GOOD, ["--margin", "1"], "the name does not tell which direction is better"),
        (GOOD, ["--margin", "-1", "--lower-is-better"], "margin = -1.0: must be a number"),
        (GOOD, ["--metric", "accuracy", "--baseline", "min"], "no such arm; it has max, average"),
        (GOOD, ["--margin", "nan", "--metric", "accuracy"], "margin = nan: must be a number"),
        (GOOD, ["--metric", "<svg>", "--margin", "1"], "--metric = '<svg>': must be 1 to 100"),
        (GOOD, ["--name", "x", "--study", "none.yaml"], "--name is for comparisons without"),
    ],
)
def test_illegal_options_of_a_table(
    tmp_path: Path, refused: Any, text: str, options: list[str], message: str
):
    assert message in refused(main, [str(write(tmp_path, text)), *options])
