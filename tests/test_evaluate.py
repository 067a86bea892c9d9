"""The `train` and `evaluate` stages over a folder of arms: what they keep, and what they repeat."""

import shutil

from convchoice.commands.evaluate import evaluate_stage
from convchoice.commands.train import train_stage
from convchoice.execution import specification
from convchoice.runs.run import read_run
from convchoice.runs.run_folder import run_path
from stages import composed_arm

SHORT = {"trainer": {"max_epochs": 1, "accelerator": "cpu"}}


def test_each_stage_does_what_is_missing_and_keeps_the_rest(
    tmp_path, data_root, capsys, monkeypatch
):
    arms, trained, runs = (tmp_path / name for name in ("arms", "trained", "runs"))

    def stages() -> list[str]:
        """Run both stages; the lines that say how much each has done."""
        train_stage(arms, trained, "again")
        evaluate_stage(arms, trained, runs)
        return [line for line in capsys.readouterr().out.splitlines() if " kept, " in line]

    composed_arm(arms, data_root, name="one", **SHORT)
    composed_arm(arms, data_root, name="two", seeds=2, **SHORT)
    assert stages() == ["2 arms, 3 runs: 0 kept, 3 to train", "3 runs: 0 kept, 3 to evaluate"]
    assert stages() == ["2 arms, 3 runs: 3 kept, 0 to train", "3 runs: 3 kept, 0 to evaluate"]
    # Another evaluation of one arm.
    curves = {"curves": ["shift"], "images": 20}
    composed_arm(arms, data_root, name="two", seeds=2, evaluation=curves, **SHORT)
    assert stages() == ["2 arms, 3 runs: 3 kept, 0 to train", "3 runs: 1 kept, 2 to evaluate"]
    assert read_run(run_path(runs, "two", 1)).curves()
    composed_arm(arms, data_root, name="two", seeds=2, **SHORT)
    assert stages()[1] == "3 runs: 1 kept, 2 to evaluate"
    assert not read_run(run_path(runs, "two", 1)).curves()
    # A training that was made again, with the same weights.
    shutil.rmtree(trained / "one")
    assert stages() == ["2 arms, 3 runs: 2 kept, 1 to train", "3 runs: 2 kept, 1 to evaluate"]
    started = [
        read_run(run_path(root, "one", 0)).environment["started"] for root in (trained, runs)
    ]
    assert started[0] == started[1]
    # Other code of the evaluation, and evaluated runs that were damaged or removed.
    monkeypatch.setattr(specification, "EVALUATION_MODULES", ("evaluation.evaluate",))
    assert stages()[1] == "3 runs: 0 kept, 3 to evaluate"
    (run_path(runs, "one", 0) / "metrics.json").write_text("{}")
    shutil.rmtree(run_path(runs, "two", 0))
    assert stages()[1] == "3 runs: 1 kept, 2 to evaluate"
    # An arm that is left out for once.
    composed_arm(arms, data_root, name="two", seeds=0, **SHORT)
    assert stages() == ["1 arm, 1 run: 1 kept, 0 to train", "1 run: 1 kept, 0 to evaluate"]
    assert read_run(run_path(trained, "two", 1)).seed == 1
