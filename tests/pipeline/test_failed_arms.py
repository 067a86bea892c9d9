"""A run whose loss diverges is recorded as failed; the comparison and the reports name it."""

import json
from pathlib import Path

import pytest
import yaml

from convchoice import compare, report
from convchoice.evaluate import evaluate_stage
from convchoice.runs.ownership import write_failure
from convchoice.runs.run_folder import read_failure, run_path
from convchoice.train import train_stage
from made_up_runs import make_run, study_values
from stages import composed_arm

REASON = "the loss is nan at step 13, in epoch 1; the last complete epoch is 0."
FAILURE = {"reason": REASON, "fingerprint": "f" * 64}


def test_the_stage_continues_and_records_which_run_failed_with_the_step_and_the_epoch(
    tmp_path: Path, data_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    composed = composed_arm(
        tmp_path, data_root, seeds=2,
        optimizer={"name": "sgd", "learning_rate": 1e3, "weight_decay": 1.0},
        trainer={"max_epochs": 1, "accelerator": "cpu", "seeds_together": 2},
    )  # fmt: skip
    trained, runs = tmp_path / "trained", tmp_path / "runs"
    make_run(trained, "tiny", 0)  # of an earlier configuration: it must not pass for this one
    train_stage(composed, trained, "again")
    printed = capsys.readouterr().out
    for seed in (0, 1):
        failure = read_failure(run_path(trained, "tiny", seed))
        assert failure is not None
        assert "at step " in failure["reason"]
        assert "in epoch 1; the last complete epoch is 0" in failure["reason"]
        assert f"tiny seed {seed}: recorded as failed: the loss is " in printed
        assert not run_path(trained, "tiny", seed).exists()
    train_stage(composed, trained, "again")
    assert "epoch 1" not in capsys.readouterr().out.split("recorded as failed")[0]
    make_run(runs, "tiny", 0)
    evaluate_stage(composed, trained, runs)
    names = sorted(path.name for path in (runs / "tiny").iterdir())
    assert names == ["seed-0.failed", "seed-1.failed"]


@pytest.fixture
def studied(tmp_path: Path) -> Path:
    """Runs of three arms of which one failed with one seed, and one with every seed."""
    for arm, base in (("max", 10), ("average", 14), ("strided", 12)):
        for seed in range(3):
            make_run(tmp_path / "runs", arm, seed, base + seed)
    write_failure(run_path(tmp_path / "runs", "average", 1), FAILURE)
    for seed in range(3):
        write_failure(run_path(tmp_path / "runs", "strided", seed), FAILURE)
    study = study_values(arms=["average", "strided"])
    (tmp_path / "pooling.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")
    return tmp_path


def compared(studied: Path) -> Path:
    output = studied / "reports" / "pooling"
    compare.main(
        ["--study", str(studied / "pooling.yaml"), "--runs", str(studied / "runs"),
         "--output", str(output)]
    )  # fmt: skip
    return output


def test_failed_runs_are_never_silently_dropped_from_a_mean(
    studied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = json.loads((compared(studied) / "comparison.json").read_text(encoding="utf-8"))
    assert result["failed"] == {
        "average": {"1": REASON},
        "strided": {"0": REASON, "1": REASON, "2": REASON},
    }
    assert list(result["arms"]) == ["max", "average"]
    assert result["arms"]["average"]["seeds"] == [0, 2]
    assert result["study"]["arms"] == ["average", "strided"]
    assert result["missing_seeds"] == {}
    printed = " ".join(capsys.readouterr().out.split())
    assert f"Failed in training: average, seed 1: {REASON} Its results are of the other" in printed
    assert "Failed in training: strided, seed 0: " in printed
    assert "It has no results and is not compared." in printed
    # "max is better than the others" cannot hold of an arm that nobody could compare.
    assert result["claim"]["verdict"] != "claim holds"
    assert {"arm": "max", "opponent": "strided", "verdict": "inconclusive"} in result["claim"][
        "pairs"
    ]


def test_both_reports_name_the_failed_runs_and_why(studied: Path) -> None:
    compared(studied)
    report.main(["--studies", "pooling", "--reports", str(studied / "reports")])
    for name in ("index.html", "README.md"):
        text = (studied / "reports" / name).read_text(encoding="utf-8")
        for part in ("Failed in training: average, seed 1: ", "Failed in training: strided, seed"):
            assert part in text
        assert "the last complete epoch is 0" in text


def test_a_study_of_which_the_baseline_failed_is_refused(
    studied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed in range(3):
        write_failure(run_path(studied / "runs", "max", seed), FAILURE)
    with pytest.raises(SystemExit, match="2"):
        compared(studied)
    assert "every run of max, strided failed in training" in capsys.readouterr().err


def test_an_arm_whose_partner_failed_is_named_and_not_compared(studied: Path) -> None:
    values = study_values(arms=["average", "strided", "weighted"], against={"weighted": "strided"})
    make_run(studied / "runs", "weighted", 0)
    (studied / "pooling.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    result = json.loads((compared(studied) / "comparison.json").read_text(encoding="utf-8"))
    assert [item["arm"] for item in result["contrasts"]] == ["average"]
    assert "Not compared, because the reference failed: weighted." in [
        item["text"] for item in result["cautions"]
    ]


def test_a_damaged_record_of_a_failure_is_named(
    studied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = studied / "runs" / "average" / "seed-1.failed"
    for text in ("{", "{}", "[]"):
        record.write_text(text, encoding="utf-8")
        with pytest.raises(SystemExit, match="2"):
            compared(studied)
        assert "seed-1.failed: " in capsys.readouterr().err
