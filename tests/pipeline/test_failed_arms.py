"""Runs whose loss diverges: recorded as failed, named by the comparison and by both reports."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from convchoice.commands import compare, report
from convchoice.commands.evaluate import evaluate_stage
from convchoice.commands.train import train_stage
from convchoice.errors import UserError
from convchoice.runs.ownership import write_failure
from convchoice.runs.run_folder import read_failure, run_path
from made_up_runs import make_run, study_values
from stages import composed_arm

REASON = "the loss is nan at step 13, in epoch 1; the last complete epoch is 0."


def test_stages_record_a_diverged_run_and_do_not_repeat_it(tmp_path, data_root, capsys):
    composed = composed_arm(
        tmp_path, data_root, seeds=2,
        optimizer={"name": "sgd", "learning_rate": 1e3, "weight_decay": 1.0},
        trainer={"max_epochs": 1, "accelerator": "cpu", "seeds_together": 2},
    )  # fmt: skip
    trained, runs = tmp_path / "trained", tmp_path / "runs"
    for root in (trained, runs):
        make_run(root, "tiny", 0)  # of an earlier configuration; the failure replaces it
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
    evaluate_stage(composed, trained, runs)
    names = sorted(path.name for path in (runs / "tiny").iterdir())
    assert names == ["seed-0.failed", "seed-1.failed"]


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Runs of four arms: `average` failed with one seed, `strided` with all. Returns the root."""
    for arm, errors in (("max", 10), ("average", 14), ("strided", 12), ("weighted", 12)):
        for seed in range(3):
            make_run(tmp_path / "runs", arm, seed, errors + seed)
    for arm, seed in (("average", 1), ("strided", 0), ("strided", 1), ("strided", 2)):
        failure = {"reason": REASON, "fingerprint": "f" * 64}
        write_failure(run_path(tmp_path / "runs", arm, seed), failure)
    return tmp_path


def compare_arms(root: Path, **changes: Any) -> dict[str, Any]:
    """The result of a study of `average` and `strided`, or of other arms."""
    values = study_values(**({"arms": ["average", "strided"]} | changes))
    (root / "pooling.yaml").write_text(yaml.safe_dump(values))
    output = root / "reports" / "pooling"
    arguments = {"study": root / "pooling.yaml", "runs": root / "runs", "output": output}
    compare.main([f"--{name}={value}" for name, value in arguments.items()])
    found: dict[str, Any] = json.loads((output / "comparison.json").read_text())
    return found


def test_the_comparison_and_both_reports_name_failed_runs(study, capsys):
    result = compare_arms(study)
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
    # "max is better than the others" is not shown while one of them has no results.
    [claim] = result["claims"]
    assert claim["answer"] != "Yes"
    assert [part["mean"] is None for part in claim["parts"]] == [False, True]
    assert "strided and max were not compared" in claim["sentence"]
    report.main(["--studies", "pooling", "--reports", str(study / "reports")])
    for name in ("index.html", "README.md"):
        text = (study / "reports" / name).read_text()
        assert "Failed in training: average, seed 1: " in text
        assert "Failed in training: strided, seed" in text
        assert "the last complete epoch is 0" in text


def test_an_arm_whose_reference_failed_is_named_and_not_compared(study):
    arms = ["average", "strided", "weighted"]
    result = compare_arms(study, arms=arms, against={"weighted": "strided"})
    assert [item["arm"] for item in result["contrasts"]] == ["average"]
    text = "Not compared, because the reference failed or was left out: weighted."
    assert text in [item["text"] for item in result["cautions"]]


@pytest.mark.parametrize("record", ["", "{", "{}", "[]"])
def test_a_failed_baseline_and_a_damaged_record_are_refused(study, record):
    message = "seed-1.failed: " if record else "every run of strided failed"
    if record:
        (study / "runs" / "average" / "seed-1.failed").write_text(record)
    with pytest.raises(UserError, match=message):
        compare_arms(study, **({} if record else {"baseline": "strided", "arms": ["max"]}))
