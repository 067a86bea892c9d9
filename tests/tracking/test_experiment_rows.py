"""Any MLflow experiment as a table: arms by parameters, what is left out, what is refused."""

from pathlib import Path

import pytest

from convchoice.analysis.comparison_files import read_comparison
from convchoice.commands.compare import main

VALUES = {"0.1": [0.815, 0.812, 0.816], "0.01": [0.835, 0.836, 0.833]}


@pytest.fixture
def uri(tmp_path: Path) -> str:
    """A store of another project: two settings with three seeds, one broken run, one other run."""
    import mlflow  # noqa: PLC0415 - two seconds

    address = f"sqlite:///{tmp_path / 'theirs.db'}"
    client = mlflow.MlflowClient(tracking_uri=address)
    experiment = client.create_experiment("segmentation", str(tmp_path / "artifacts"))
    for rate, values in VALUES.items():
        for seed, value in enumerate([*values, 0.99] if rate == "0.1" else values):
            run = client.create_run(experiment, run_name=f"{rate}-{seed}").info.run_id
            parameters = {"lr": rate, "depth": "18", "seed": str(seed)}
            for key, text in parameters.items():
                client.log_param(run, key, text)
            client.log_metric(run, "val/f1", 0.0, step=0)
            client.log_metric(run, "val/f1", value, step=1)
            client.set_terminated(run, "FAILED" if seed == 3 else "FINISHED")
    client.create_run(experiment, run_name="a summary")
    return address


def test_an_experiment_is_compared(uri, tmp_path, refused, capsys):
    output = tmp_path / "out"
    command = ["--mlflow", "segmentation", "--tracking-uri", uri, "--metric", "val/f1"]
    command += ["--margin", "0.01", "--higher-is-better"]
    main([*command, "--output", str(output)])
    assert "1 of 8 runs have no params.seed and are left out." in capsys.readouterr().err
    result = read_comparison(output / "comparison.json")
    assert {name: arm.scores["val/f1"].values for name, arm in result.arms.items()} == VALUES
    assert result.failed == {
        "0.1": {3: "MLflow's experiment segmentation, run 0.1-3 (FAILED): no value."}
    }
    assert result.contrasts[0].verdict == "better"
    assert result.measure.metric == "val/f1"
    one = [*command, "--filter", "params.lr = '0.1'"]
    assert "nothing to compare" in refused(main, one)
    assert "Invalid" in refused(main, [*command, "--filter", "lr is low"])
    assert "no column 'params.net'" in refused(main, [*command, "--arm", "params.net"])
    command[1] = "segmentatoin"
    assert "Did you mean segmentation?" in refused(main, command)
    stores = (f"sqlite:///{tmp_path / 'none'}", f"file://{tmp_path / 'none'}", tmp_path / "none")
    for command[3] in map(str, stores):
        assert "none: there is no such MLflow store. Name another" in refused(main, command)
        assert not (tmp_path / "none").exists()


def test_one_of_two_runs_with_one_name_can_be_left_out(uri, refused, capsys):
    import mlflow  # noqa: PLC0415 - two seconds

    client = mlflow.MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("segmentation").experiment_id
    run = client.create_run(experiment, run_name="0.1-0").info.run_id
    for key, text in {"lr": "0.1", "depth": "18", "seed": "0"}.items():
        client.log_param(run, key, text)
    client.set_terminated(run)
    command = ["--mlflow", "segmentation", "--tracking-uri", uri, "--metric", "val/f1"]
    command += ["--margin", "0.01", "--higher-is-better"]
    message = refused(main, command)
    assert f"run 0.1-0 {run} (FINISHED)" in message
    assert "--filter \"run_id != 'ID'\"" in message
    main([*command, "--filter", f"run_id != '{run}'"])
    assert "vs 0.1" in capsys.readouterr().out
