"""Runs under given paths."""

from pathlib import Path

import pytest

from convchoice.analysis.collect import collected_runs
from convchoice.compare import main, study_name
from convchoice.errors import RunFolderError, UserError
from convchoice.runs.run import Run
from convchoice.runs.run_folder import CONFIG
from made_up_runs import make_run


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


def test_repeated_arm_and_seed_is_refused(sweep: Path):
    make_run(sweep / "yesterday", "max", 2)
    with pytest.raises(UserError, match=r"yesterday.*arm max with seed 2 is in .*today.*, too"):
        collected_runs([sweep])


def test_other_arms_are_not_read(sweep: Path):
    (sweep / "today" / "average" / "seed-0" / CONFIG).write_text("broken", encoding="utf-8")
    assert seeds(collected_runs([sweep], ["max"])) == {"max": [0, 2, 10]}
    with pytest.raises(RunFolderError):
        collected_runs([sweep])


@pytest.mark.parametrize("missing", ["nowhere", "empty"])
def test_path_without_runs_is_refused(tmp_path: Path, missing: str):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=f"{missing}: has no run folders"):
        collected_runs([tmp_path / missing])


@pytest.mark.parametrize(
    ("path", "name"), [("a/my runs", "my_runs"), ("b/f1.csv", "f1"), ("/", "runs"), ("_x", "x")]
)
def test_study_name_from_a_path(path: str, name: str):
    assert study_name(Path(path)) == name


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
def test_illegal_options_are_refused(
    sweep: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
):
    with pytest.raises(SystemExit, match="2"):
        main([str(sweep), *options])
    assert message in " ".join(capsys.readouterr().err.split())
