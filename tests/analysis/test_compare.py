"""The command: files, bytes, planned seeds, sweeps, messages."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from convchoice.analysis import comparison_files, published_runs
from convchoice.analysis.comparison_files import read_comparison
from convchoice.compare import main
from made_up_runs import MNIST, make_run, study_values


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for arm, base in (("max", 10), ("average", 14)):
        for seed in range(3):
            operator = {"downsample": {"operator": arm}}
            make_run(tmp_path / "runs", arm, seed, base + seed**2, epochs=2, config=operator)
    (tmp_path / "pooling.yaml").write_text(yaml.safe_dump(study_values()), encoding="utf-8")
    return tmp_path


def run(project: Path, *more: str, output: str = "reports/pooling") -> Path:
    out = project / output
    study = ["--study", str(project / "pooling.yaml")]
    main([*study, "--runs", str(project / "runs"), "--output", str(out), *more])
    return out


def test_files_of_a_result(project: Path, capsys: pytest.CaptureFixture[str]):
    out = run(project)
    assert {path.name for path in out.iterdir()} == {
        *comparison_files.FILES, *published_runs.FILES, ".convchoice.json",
    }  # fmt: skip
    result = read_comparison(out / "comparison.json")
    assert result.study.name == "pooling"
    assert "Does max pooling work better?" in capsys.readouterr().out


def test_metrics_and_tables_for_plots(project: Path):
    out = run(project)
    metrics = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    assert list(metrics) == ["yes", "no", "baseline", "difference"]
    assert metrics["difference"] == -0.4
    with (out / "differences.csv").open(encoding="utf-8") as file:
        [row] = csv.DictReader(file)
    assert row == {"arm": "average", "difference": "-0.4", "low": "-0.4", "high": "-0.4"}


def test_equal_run_folders_give_equal_bytes(project: Path):
    first, second = run(project, output="first"), run(project, output="second")
    for path in first.iterdir():
        assert path.read_bytes() == (second / path.name).read_bytes()


@pytest.mark.parametrize(("planned", "used", "missing"), [(2, [0, 1], {}), (5, [0, 1, 2], [3, 4])])
def test_planned_seeds(project: Path, planned: int, used: list[int], missing: list[int]):
    configs = project / "configs"
    configs.mkdir()
    for arm in ("max", "average"):
        (configs / f"{arm}.yaml").write_text(f"arm: {arm}\nseeds: {planned}\n", encoding="utf-8")
    out = run(project, "--configs", str(configs))
    result = read_comparison(out / "comparison.json")
    assert result.contrasts[0].seeds == used
    assert result.missing_seeds.get("max", {}) == missing


@pytest.mark.parametrize(
    ("seeds", "arm", "message"),
    [
        ("many", "average", "max.yaml: seeds = 'many': must be a whole number"),
        ("3", "weighted", "no run folders (seed-0, seed-1, …) of arm 'weighted'"),
    ],
)
def test_wrong_plan_and_arm_without_runs_are_refused(
    project: Path, capsys: pytest.CaptureFixture[str], seeds: str, arm: str, message: str
):
    study = yaml.safe_dump(study_values(arms=[arm]))
    (project / "pooling.yaml").write_text(study, encoding="utf-8")
    for name in ("max", arm):
        (project / f"{name}.yaml").write_text(f"arm: {name}\nseeds: {seeds}\n", encoding="utf-8")
    with pytest.raises(SystemExit, match="2"):
        run(project, "--configs", str(project))
    assert message in capsys.readouterr().err


def test_sweep_without_a_study(project: Path):
    out = project / "swept"
    main(["--baseline", "max", "--runs", str(project / "runs"), "--output", str(out)])
    result = read_comparison(out / "comparison.json")
    assert result.study.arms == ["average"]
    assert result.contrasts[0].reference == "max"
    assert result.claims == []


def test_sweep_over_data_sets_is_refused(project: Path, capsys: pytest.CaptureFixture[str]):
    make_run(project / "runs", "kmnist-max", 0, dataset={**MNIST, "name": "kmnist"})
    with pytest.raises(SystemExit, match="2"):
        main(["--baseline", "max", "--runs", str(project / "runs")])
    message = "name is 'mnist' and 'kmnist'. All arms of a study must use the same images."
    assert message in " ".join(capsys.readouterr().err.split())


def test_commands_import_no_heavy_packages():
    heavy = "{'torch', 'lightning', 'pytorch_lightning', 'mlflow', 'hydra', 'matplotlib'}"
    code = (
        f"import sys, convchoice.compare; assert not {heavy} & set(sys.modules)\n"
        "assert 'scipy' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    code = f"import sys, convchoice.summary; assert not ({heavy} | {{'scipy'}}) & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
