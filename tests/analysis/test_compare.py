"""The command and the runs it is given: files, bytes, paths, planned seeds, sweeps, messages."""

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from convchoice.analysis import comparison_files, published_runs
from convchoice.analysis.collect import collected_runs
from convchoice.analysis.comparison_files import read_comparison
from convchoice.commands.compare import main
from convchoice.errors import RunFolderError, UserError
from convchoice.runs.run import Run
from convchoice.runs.run_folder import CONFIG, ENVIRONMENT, HISTORY
from made_up_runs import MNIST, altered, make_run, study_values


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for arm, errors in (("max", [10, 11, 14]), ("average", [13, 15, 19])):
        for seed, count in enumerate(errors):
            operator = {"downsample": {"operator": arm}}
            make_run(tmp_path / "runs", arm, seed, count, epochs=2, config=operator)
    (tmp_path / "pooling.yaml").write_text(yaml.safe_dump(study_values()), encoding="utf-8")
    return tmp_path


def run(project: Path, *more: str, output: str = "reports/pooling") -> Path:
    out = project / output
    study = ["--study", str(project / "pooling.yaml")]
    main([*study, "--runs", str(project / "runs"), "--output", str(out), *more])
    return out


def test_files_of_a_result(project: Path, capsys: pytest.CaptureFixture[str]):
    out, second = run(project), run(project, output="second")
    assert {path.name for path in out.iterdir()} == {
        *comparison_files.FILES, *published_runs.FILES, "networks.json", ".convchoice.json",
    }  # fmt: skip
    for path in out.iterdir():
        assert path.read_bytes() == (second / path.name).read_bytes()
    assert read_comparison(out / "comparison.json").study.name == "pooling"
    assert "Does max pooling work better?" in capsys.readouterr().out
    metrics = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    assert list(metrics) == ["yes", "no", "baseline", "difference"]
    assert metrics["difference"] == -0.4
    with (out / "differences.csv").open(encoding="utf-8") as file:
        [row] = csv.DictReader(file)
    assert (row["arm"], row["difference"]) == ("average", "-0.4")
    half = 4.30265273 * 0.1 / 3**0.5  # t(0.975; 2); differences of −0.3, −0.4 and −0.5
    ends = [float(row["low"]), float(row["high"])]
    assert ends == pytest.approx([-0.4 - half, -0.4 + half])


@pytest.mark.parametrize(("planned", "used", "missing"), [(2, [0, 1], {}), (5, [0, 1, 2], [3, 4])])
def test_planned_seeds(project: Path, planned: int, used: list[int], missing: list[int]):
    configs = project / "configs"
    (configs / "arms").mkdir(parents=True)
    for arm in ("max", "average"):
        (configs / "arms" / f"{arm}.yaml").write_text(
            f"arm: {arm}\nseeds: {planned}\n", encoding="utf-8"
        )
    out = run(project, "--configs", str(configs))
    result = read_comparison(out / "comparison.json")
    assert result.contrasts[0].seeds == used
    assert result.missing_seeds.get("max", {}) == missing


def test_an_arm_without_planned_seeds_is_left_out_and_named(project: Path):
    claims = [
        {"says": "They are worse.", "predicts": {"average": "worse", "weighted": "worse"}},
        {"says": "Weights help.", "predicts": {"weighted": "better"}},
    ]
    study = study_values(
        arms=["average", "weighted"], labels={"weighted": "weighted 3×3"}, claims=claims
    )
    (project / "pooling.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")
    (project / "arms").mkdir()
    for arm, seeds in (("max", 2), ("average", 2), ("weighted", 0)):
        text = f"arm: {arm}\nseeds: {seeds}\n"
        (project / "arms" / f"{arm}.yaml").write_text(text, encoding="utf-8")
    result = read_comparison(run(project, "--configs", str(project)) / "comparison.json")
    assert [(each.arm, each.seeds) for each in result.contrasts] == [("average", [0, 1])]
    assert (result.left_out, result.missing_seeds) == (["weighted"], {})
    texts = [caution.text for caution in result.cautions]
    assert "Left out at this scale: weighted 3×3." in texts
    assert "failed" not in [caution.kind for caution in result.cautions]
    assert not [text for text in texts if text.startswith("Not compared")]
    sentences = [claim.sentence for claim in result.claims]
    assert [len(claim.parts) for claim in result.claims] == [1, 0]
    assert "not compared" not in sentences[0]
    assert sentences[1] == "Undecided: its arms are left out at this scale."


@pytest.mark.parametrize(
    ("seeds", "arm", "message"),
    [
        ("many", "average", "max.yaml: seeds = 'many': must be a whole number"),
        ("3", "weighted", "no run folders (seed-0, seed-1, …) of arm 'weighted'"),
    ],
)
def test_wrong_plan_and_arm_without_runs_are_refused(
    project: Path, refused: Any, seeds: str, arm: str, message: str
):
    study = yaml.safe_dump(study_values(arms=[arm]))
    (project / "pooling.yaml").write_text(study, encoding="utf-8")
    (project / "arms").mkdir()
    for name in ("max", arm):
        (project / "arms" / f"{name}.yaml").write_text(
            f"arm: {name}\nseeds: {seeds}\n", encoding="utf-8"
        )
    assert message in refused(run, project, "--configs", str(project))


def test_sweep_without_a_study(project: Path, refused: Any):
    out = project / "swept"
    sweep = ["--baseline", "max", "--runs", str(project / "runs"), "--output", str(out)]
    main(sweep)
    result = read_comparison(out / "comparison.json")
    assert (result.study.arms, result.claims) == (["average"], [])
    assert result.contrasts[0].reference == "max"
    make_run(project / "runs", "kmnist-max", 0, dataset={**MNIST, "name": "kmnist"})
    message = "name is 'mnist' and 'kmnist'. All arms of a study must use the same images."
    assert message in refused(main, sweep)


def test_commands_import_no_heavy_packages():
    heavy = {"torch", "lightning", "pytorch_lightning", "mlflow", "hydra", "matplotlib"}
    for module, unused in (("compare", heavy), ("summary", heavy | {"scipy.stats"})):
        code = f"import sys, convchoice.commands.{module}; assert not {unused} & set(sys.modules)"
        subprocess.run([sys.executable, "-c", code], check=True)


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    root = tmp_path / "sweep"
    for arm in ("max", "average"):
        for seed in (0, 2, 10):
            make_run(root / "today", arm, seed)
    unfinished = root / "today" / "max" / "seed-3.partial"
    unfinished.mkdir()
    (unfinished / CONFIG).touch()
    return root


def seeds(runs: dict[str, list[Run]]) -> dict[str, list[int]]:
    return {arm: [run.seed for run in found] for arm, found in runs.items()}


def test_paths_of_a_run_an_arm_or_a_parent(sweep: Path):
    everything = {"average": [0, 2, 10], "max": [0, 2, 10]}
    assert seeds(collected_runs([sweep])) == everything
    assert seeds(collected_runs([sweep / "today"])) == everything
    assert seeds(collected_runs([sweep / "today" / "max"])) == {"max": [0, 2, 10]}
    one = sweep / "today" / "max" / "seed-2"
    assert seeds(collected_runs([one])) == {"max": [2]}
    assert list(seeds(collected_runs([one, sweep, sweep / "today"]))) == ["max", "average"]


def test_illegal_folders_are_refused(sweep: Path, tmp_path: Path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.xlsx").touch()
    table = r"is not a table that can be read. Save it as CSV,.*\.parquet\)\."
    missing = "there is no such file or folder"
    rules = {"nowhere": missing, "empty": "has no run folders", "a.xlsx": table}
    for name, rule in rules.items():
        with pytest.raises(UserError, match=f"{name}: {rule}"):
            collected_runs([tmp_path / name])
    make_run(sweep / "yesterday", "max", 2)
    with pytest.raises(UserError, match=r"yesterday.*arm max with seed 2 is in .*today.*, too"):
        collected_runs([sweep])
    (sweep / "today" / "average" / "seed-0" / CONFIG).write_text("broken", encoding="utf-8")
    assert seeds(collected_runs([sweep / "today"], ["max"])) == {"max": [0, 2, 10]}
    with pytest.raises(RunFolderError):
        collected_runs([sweep / "today"])


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        (ENVIRONMENT, '"device": "cpu"', '"device": [1]'),
        (ENVIRONMENT, '"test_images": 1000', '"test_images": -1'),
        (ENVIRONMENT, '"name": "mnist"', '"name": {}'),
        (ENVIRONMENT, '"train_images": 55000', '"train_images": "many"'),
        (ENVIRONMENT, '"started": "2026', '"started": 5, "x": "'),
        (HISTORY, "\n1,", "\nnan,"),
        (HISTORY, "epoch,", "age,"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_with_its_path(project, name, before, after):
    folder = project / "runs" / "max" / "seed-0"
    with altered(folder):
        text = (folder / name).read_text("utf-8")
        assert before in text
        (folder / name).write_text(text.replace(before, after), "utf-8")
    with pytest.raises(UserError) as caught:
        run(project)
    assert str(folder.parent) in str(caught.value)


def test_a_run_without_an_epoch_is_refused(project):
    folder = project / "runs" / "max" / "seed-0"
    with altered(folder):
        (folder / HISTORY).write_text("epoch,train/loss\n")
    with pytest.raises(RunFolderError, match=r"history.csv: cannot be read as a table of numbers"):
        run(project)


def test_comparison_without_output_writes_nothing(
    sweep: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(sweep / "today")
    before = sorted(Path().rglob("*"))
    main(["max", "average/seed-0"])
    printed = capsys.readouterr().out
    assert "vs max" in printed
    assert "average without seeds 2, 10" in printed
    assert sorted(Path().rglob("*")) == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--metric", "test/nll"], "add the smallest difference that matters"),
        (["--metric", "cost/macs"], "must be an accuracy, a consistency, a loss or an nll"),
        (["--lower-is-better"], "is for tables"),
        (["results.csv"], "cannot be compared with run folders"),
    ],
)
def test_illegal_options_are_refused(sweep: Path, refused: Any, options: list[str], message: str):
    assert message in refused(main, [str(sweep), *options])
