"""Other people's results: shapes of exports, refusals with place, the same statistics."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from convchoice.analysis.comparison_files import read_comparison
from convchoice.analysis.input_table import Columns, ResultsTable, read_source, results_table
from convchoice.analysis.result import Comparison
from convchoice.commands.compare import main
from convchoice.errors import UserError
from made_up_runs import Compare, study_values

GOOD = "arm,seed,value\nmax,0,0.99\nmax,1,0.989\naverage,1,0.985\naverage,0,0.988\n"
WANDB = """"Name","State","seed","config/lr","test/acc"
"resnet 50 (ours)","finished","0","0.1","0.912"
"resnet 50 (ours)","finished","1","0.1","0.914"
"resnet_50_(ours)","crashed","0","0.1",""
"resnet_50_(ours)","finished","1","0.1","NaN"
"vgg","finished","0","0.01","0.901"
"vgg","finished","1","0.01","0.905"
"""


def write(folder: Path, text: str, name: str = "results.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


def table_of(*paths: Path, **columns: Any) -> ResultsTable:
    return results_table([read_source(path) for path in paths], Columns(**columns))


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        "\ufeff" + GOOD,  # a byte order mark
        GOOD.replace("\n", "\r\n"),
        GOOD.replace(",", " , "),
        GOOD.replace(",", ";"),
        GOOD.replace(",", "\t"),
        "sep=;\r\n" + GOOD.replace(",", ";").replace("\n", "\r\n"),
        GOOD + "\n ,, \n",
        "note,value,seed,arm\nx,0.99,0,max\nx,0.989,1,max\n,0.988,0,average\n,0.985,1,average\n",
    ],
)
def test_spreadsheet_variants_are_read(tmp_path: Path, text: str):
    table = table_of(write(tmp_path, text))
    assert table.values == {"max": {0: 0.99, 1: 0.989}, "average": {1: 0.985, 0: 0.988}}
    assert (table.sources, table.metric, table.failed) == (["results.csv"], "value", {})


def test_an_export_is_read_by_its_column_names(tmp_path: Path):
    path = write(tmp_path, WANDB)
    table = table_of(path, arm=["Name"], value="test/acc")
    ours, other, vgg = table.values
    assert (ours, other, vgg) == ("resnet_50__ours_", "resnet_50__ours_.2", "vgg")
    assert table.labels == {ours: "resnet 50 (ours)", other: "resnet_50_(ours)"}
    assert table.values[ours] == {0: 0.912, 1: 0.914}
    reasons = {0: "results.csv, line 4: no value.", 1: "results.csv, line 5: value nan."}
    assert table.failed == {other: reasons}


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        ('sys/id,parameters/model,parameters/seed,"metrics/test/acc (last)"',  # Neptune
         {"arm": ["parameters/model"], "seed": "parameters/seed",
          "value": "metrics/test/acc (last)"}),
        ("trial_id,model,seed,test/acc", {"arm": ["model"], "value": "test/acc"}),  # TensorBoard
    ],
)  # fmt: skip
def test_other_trackers_exports(tmp_path: Path, header: str, columns: Any):
    rows = "T-1,a,0.0,0.91\nT-2,a,1.0,0.92\nT-3,b,0.0,0.93\nT-4,b,1.0,0.95\n"
    table = table_of(write(tmp_path, f"{header}\n{rows}"), **columns)
    assert table.values == {"a": {0: 0.91, 1: 0.92}, "b": {0: 0.93, 1: 0.95}}
    assert table.metric == columns["value"]


def test_equal_configurations_are_one_arm(tmp_path: Path):
    """Arms are named by the columns that differ between them; the seed's is never one of them."""
    path = write(tmp_path, WANDB.replace("seed", "config/seed"))
    columns: Any = {"seed": "config/seed", "value": "test/acc"}
    twice = r"line 4, column config/seed: '0': arm 0.1 has this seed twice, first in .* line 2"
    with pytest.raises(UserError, match=twice):
        table_of(path, arm=["config/*"], **columns)
    table = table_of(path, arm=["Name", "config/*"], **columns)
    assert table.labels["Name=vgg__config_lr=0.01"] == "Name=vgg, config/lr=0.01"


def test_json_lines_and_parquet_hold_the_same_table(tmp_path: Path):
    rows = [
        {"config": {"arm": arm, "seed": seed}, "f1": value, "metric": "f1"}
        for arm, values in {"a": [0.815, 0.82], "b": [0.8, 1.0]}.items()
        for seed, value in enumerate(values)
    ]
    lines = write(tmp_path, "\n".join(map(json.dumps, rows)), "results.jsonl")
    parquet = tmp_path / "results.parquet"
    pq.write_table(pa.Table.from_pylist(rows), parquet)
    for path in (lines, parquet):
        table = table_of(path, arm=["config.arm"], seed="config.seed", value="f1")
        assert table.values == {"a": {0: 0.815, 1: 0.82}, "b": {0: 0.8, 1: 1.0}}
    for text in ("[]", "{", "1" * 5_000, "[" * 100_000):
        damaged = write(tmp_path, f'\r\n{{"f1": "\u2028"}}\r\n{text}', "results.jsonl")
        with pytest.raises(UserError, match=r"jsonl: cannot be read as JSON lines: line 3: "):
            read_source(damaged)
    parquet.write_bytes(b"PAR1")
    with pytest.raises(UserError, match=r"results\.parquet: cannot be read as Parquet"):
        read_source(parquet)


def test_encodings(tmp_path: Path):
    text = GOOD.replace("max", "größer")
    path = tmp_path / "results.tsv"
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        path.write_bytes(text.replace(",", "\t").encode(encoding))
        assert list(table_of(path).labels.values()) == ["größer"]
    path.write_bytes(text.encode("latin-1"))
    message = r"results\.tsv: cannot be read as CSV: line 2 is not UTF-8. Save the file as UTF-8\."
    with pytest.raises(UserError, match=message):
        read_source(path)
    with pytest.raises(UserError, match=r"none\.csv: there is no such file"):
        read_source(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("text", "place", "rule"),
    [
        ("", "results.csv: has no row of values", ""),
        ("arm,seed,value\n", "results.csv: has no row of values", ""),
        ("arm,seed,value,arm\n", "line 1: the column 'arm' is there twice", ""),
        ("arm|seed|value\na|0|1\n", "has no column 'arm'; it has arm|seed|value", "--arm"),
        ("arm;seed;value\na;0;0,5\n", "line 2, column value", "a point, not a comma, before"),
        ("arm\tseed\tvalue\na\t0\t0,5\n", "line 2, column value", "a point, not a comma, before"),
        ("sep=;\narm;seed;value\na;0;x\n", "line 3, column value: 'x'", "must be a number"),
        ("sep=;\narm;seed;arm\n", "line 2: the column 'arm' is there twice", ""),
        ("model,seed,value\na,0,1\n", "has no column 'arm'; it has model, seed, value", "--arm"),
        ("arm,seeds,value\na,0,1\n", "no column 'seed'", "Did you mean seeds? Name the"),
        ("arm,seed,value\na,0\n", "line 2: must have 3 cells, and has 2", ""),
        ("arm,seed,value\na,0,0,5\n", "line 2: must have 3 cells, and has 4", ""),
        ("arm,seed,value\n\na,1.5,0\n", "line 3, column seed", "must be a whole number of"),
        ("arm,seed,value\na,,0\n", "line 2, column seed", "must be a whole number of"),
        ("arm,seed,value\na,0,high\n", "line 2, column value", "must be a number between"),
        ("arm,seed,value\na,0,1e300\n", "line 2, column value", "must be a number between"),
        ("arm,seed,value\na,99999999999,1\n", "line 2, column seed", "at most 10 digits"),
        (f"arm,seed,value\n{'a' * 200_000},0,1\n", "line 2: field larger", "as CSV"),
        ("arm,seed,value,metric\na,0,1,a\x1b[2J\n", "--metric", "must be 1 to 100"),
        ("arm,seed,value\n\x1b[2J,0,1\n", "line 2, column arm", "without ${ and control"),
        ("arm,seed,value\n,0,1\n", "line 2, column arm", "must be 1 to 100"),
        ("arm,seed,value\na,0,1\na,00,1\n", "line 3, column seed", "has this seed twice"),
        ('arm,seed,value\n"a,0,1\n', "line 2: unexpected end of data", ""),
    ],
)
def test_illegal_tables_are_refused_with_place(tmp_path: Path, text: str, place: str, rule: str):
    with pytest.raises(UserError) as caught:
        table_of(write(tmp_path, text))
    assert place in str(caught.value)
    assert rule in str(caught.value)
    assert len(str(caught.value)) < 400 + len(str(tmp_path))
    assert "\x1b" not in str(caught.value)


def test_several_files_are_one_table(tmp_path: Path):
    first = write(tmp_path, "arm,seed,value\nmax,0,1\n", "a.csv")
    second = write(tmp_path, "arm,seed,value\naverage,0,2\n", "b.csv")
    assert table_of(first, second).values == {"max": {0: 1.0}, "average": {0: 2.0}}
    second.write_bytes(first.read_bytes())
    twice = (
        r"b\.csv, line 2, column seed: '0': arm max has this seed twice, first in a\.csv, line 2"
    )
    with pytest.raises(UserError, match=twice):
        table_of(first, second)


def test_metric_column(tmp_path: Path):
    path = write(tmp_path, "arm,seed,metric,value\na,0,accuracy,0.9\na,0,f1,80\n")
    table = table_of(path, metric="f1")
    assert (table.metric, table.values) == ("f1", {"a": {0: 80.0}})
    with pytest.raises(UserError, match=r"several \('accuracy, f1'\). Name one: --metric"):
        table_of(path)
    with pytest.raises(UserError, match="'auc': the column metric holds 'accuracy, f1'"):
        table_of(path, metric="auc")


def compare(path: Path, *options: str) -> Comparison:
    output = path.parent / "out"
    main([str(path), *options, "--output", str(output)])
    return read_comparison(output / "comparison.json")


def test_table_gives_the_same_statistics_as_run_folders(
    tmp_path: Path, comparison_of: Compare, refused: Any
):
    errors = {"max": [10, 11, 12], "average": [12, 15, 18]}
    runs = comparison_of(errors)
    lines = [
        f"{arm},{seed},{(1000 - count) / 1000}"
        for arm, counts in errors.items()
        for seed, count in enumerate(counts)
    ]
    path = write(tmp_path, "\n".join(["arm,seed,value", *lines]), "pooling.csv")
    study = tmp_path / "pooling.yaml"
    study.write_text(yaml.safe_dump(study_values()), encoding="utf-8")
    table = compare(path, "--study", str(study))
    assert table.measure == runs.measure
    bad = write(tmp_path, "arm,seed,value\nmax,0,98.5\naverage,0,98.1\n")
    message = "results.csv: arm max, seed 0 = 98.5: test/accuracy of a study is a fraction of 1"
    assert message in refused(main, [str(bad), "--study", str(study)])
    [ours], [theirs] = table.contrasts, runs.contrasts
    for name in ("difference", "verdict", "seeds_needed", "interval", "robust", "seeds"):
        assert getattr(ours, name) == getattr(theirs, name)
    for arm in errors:
        assert table.arms[arm].scores == {"test/accuracy": runs.arms[arm].scores["test/accuracy"]}
    assert (ours.nll, ours.mcnemar) == (None, None)


def test_values_keep_their_unit(tmp_path: Path):
    """By hand; an F1 of 0.815 is neither 0.81 nor 81, and an accuracy is no percentage here."""
    text = "model,s,f1\nbase,0,0.80\nbase,1,0.81\nbase,2,0.82\nnew one,0,0.83\nnew one,1,0.845\n"
    path = write(tmp_path, text + "new one,2,0.84\n")
    options = ("--arm", "model", "--seed", "s", "--margin", "0.005")
    [contrast] = (
        result := compare(path, *options, "--value", "f1", "--higher-is-better")
    ).contrasts
    assert contrast.difference.values == [0.03, 0.035, 0.02]
    assert contrast.difference.mean == pytest.approx(0.085 / 3)
    assert (contrast.difference.unit, contrast.reference, contrast.verdict) == (
        "",
        "base",
        "better",
    )
    assert (result.measure.label, result.measure.scale, result.measure.decimals) == ("f1", 1.0, 4)
    assert (result.study.name, result.study.labels) == ("out", {"new_one": "new one"})
    loss = ("--value", "f1", "--metric", "test/loss", "--baseline", "new one")
    flipped = compare(path, *options, *loss)
    assert flipped.contrasts[0].verdict == "better"
    accuracy = compare(path, *options, "--value", "f1", "--metric", "accuracy")
    assert accuracy.contrasts[0].difference.values == [0.03, 0.035, 0.02]


def test_page_of_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    from convchoice.commands.report import main as report  # noqa: PLC0415 - loads matplotlib

    path, reports = write(tmp_path, WANDB), tmp_path / "reports"
    columns = ["--arm", "Name", "--value", "test/acc", "--margin", "0.01", "--higher-is-better"]
    main([str(path), *columns, "--output", str(reports / "nets")])
    printed = capsys.readouterr().out
    assert "−0.010" in printed
    assert "Without a value: resnet_50_(ours), seed 0: results.csv, line 4: no value." in printed
    assert "para-" not in printed
    assert f"convchoice report --reports {reports} --studies nets" in printed
    report(["--studies", "nets", "--reports", str(reports)])
    page = (reports / "index.html").read_text(encoding="utf-8")
    question = "Which arms of results.csv differ from resnet 50 (ours) in test/acc?"
    assert f"<title>{question}</title>" in page
    assert f"<h1>{question}</h1>" in page
    assert "how its values were made is" in page
    for absent in ("Costs", 'class="cost"', "explorer", "Try it", "log-likelihood", "by class"):
        assert absent not in page[page.index("<body>") :], absent
    text = (reports / "README.md").read_text(encoding="utf-8")
    assert text.splitlines()[2] == f"# {question}"
    assert "| cost |" not in text


def test_missing_rows_are_named(tmp_path: Path):
    rows = "a,1,1\na,2,1.2\nb,1,2\nb,2,2.1\nb,5,2\nb,7,3\n"
    path = write(tmp_path, f"arm,seed,value\n{rows}")
    found = compare(path, "--metric", "loss", "--margin", "1").cautions
    text = "Partial: rows are missing (a has no row of seeds 5, 7)."
    assert [each.text for each in found if each.kind == "partial"] == [text]


def test_a_folder_that_cannot_have_a_page_names_one_that_can(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    options = ["--metric", "loss", "--margin", "1", "--output"]
    main([str(write(tmp_path, GOOD)), *options, str(tmp_path / "out" / "my f1")])
    assert capsys.readouterr().out.endswith(f"For a page, use --output {tmp_path}/out/my_f1\n")


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (GOOD[:26], ["--metric", "accuracy", "--margin", "1"], "nothing to compare max with"),
        (GOOD, [], "value: add the smallest difference that matters"),
        (GOOD, ["--metric", "accuracy"], "accuracy: add the smallest difference that matters"),
        (GOOD, ["--margin", "1"], "the name does not imply which direction is better"),
        (GOOD, ["--margin", "-1", "--lower-is-better"], "margin = -1.0: must be a number"),
        (GOOD, ["--metric", "accuracy", "--baseline", "min"], "no such arm; it has max, average"),
        (GOOD, ["--margin", "nan", "--metric", "accuracy"], "margin = nan: must be a number"),
        (GOOD, ["--metric", "<svg>", "--margin", "1"], "--metric = '<svg>': must be 1 to 100"),
        (GOOD, ["--name", "x", "--study", "none.yaml"], "--name is for comparisons without"),
        (GOOD, ["--mlflow", "x"], "or tables, or an --mlflow EXPERIMENT"),
        (GOOD.replace("0.98", "nan0"), ["--margin", "1", "--metric", "accuracy"], "be a number"),
        (
            "arm,seed,value\na,0,1\nb,0,nan\n",
            ["--margin", "1", "--metric", "loss"],
            "every run of b",
        ),
    ],
)
def test_illegal_options_of_a_table(
    tmp_path: Path, refused: Any, text: str, options: list[str], message: str
):
    assert message in refused(main, [str(write(tmp_path, text)), *options])
