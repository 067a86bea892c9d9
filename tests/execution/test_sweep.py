"""The Hydra application, as a person starts it: real data files, real processes, a real sweep."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import mlflow
import pytest

from convchoice.config.composition import compose_values
from convchoice.config.validation import PROJECT_ROOT, config_from_mapping
from convchoice.errors import ConfigurationError
from convchoice.execution.application import offer_new_names, swept_keys
from convchoice.execution.naming import derived_name, sweep_name
from convchoice.execution.one_run import refuse_to_replace, run_config
from convchoice.runs.run import read_run
from convchoice.runs.run_folder import read_json
from making import make_run
from small_data import store_digits

SMALL = [
    "model.filters=[4,4]", "model.hidden_units=8", "data.train_size=100", "trainer.max_epochs=1",
    "trainer.accelerator=cpu",
]  # fmt: skip
TINY = [*SMALL, "tracking=none"]
WELL, BADLY = "optimizer.learning_rate=0.001", "optimizer.learning_rate=1e30"
TIMES = ("cost/train_seconds", "cost/peak_memory_bytes")


def command(folder: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "convchoice.train", *arguments, f"data.root={folder}/raw"]


def surroundings() -> dict[str, str]:
    return {
        key: value
        for key, value in (os.environ | {"PYTHONPATH": str(PROJECT_ROOT / "src")}).items()
        if key not in {"CONVCHOICE_TRACEBACK", "MLFLOW_TRACKING_URI"}
    }


def train(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(folder, *arguments),
        cwd=folder, env=surroundings(), capture_output=True, text=True, check=False,
    )  # fmt: skip


def logged(folder: Path) -> tuple[mlflow.MlflowClient, list[mlflow.entities.Run]]:
    """The store of a sweep, and its runs in the order in which they began."""
    client = mlflow.MlflowClient(f"sqlite:///{folder}/mlflow.db")
    experiment = client.get_experiment_by_name("convchoice")
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"])
    return client, list(found)


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A folder, and a sweep of four jobs in it of which two fail."""
    folder = tmp_path_factory.mktemp("swept")
    store_digits(folder / "raw")
    rates = f"{WELL},{BADLY.rpartition('=')[2]}"
    sweep = ["-m", "arm=max,average", rates, "run_root='swept runs'", *SMALL]
    return folder, [*sweep, f"tracking.uri=sqlite:///{folder}/mlflow.db"]


def test_one_failing_job_fails_alone_and_the_end_says_what_to_do(
    swept: tuple[Path, list[str]],
) -> None:
    folder, sweep = swept
    done = train(folder, *sweep)
    assert done.returncode == 1, done.stderr
    assert "sweep arm-learning_rate: 4 jobs, 4 arms; 0 kept" in done.stdout
    assert "sweep: 3 of 4 jobs done (1 failed), 1 left, about" in done.stdout
    assert "error: 2 of 4 jobs failed; the others are whole.\n" in done.stderr
    assert "max-learning_rate=1e30/seed-0: the loss is nan" in done.stderr
    again = "hydra.sweeper.only='\"'\"'average-learning_rate=1e30/seed-0'\"'\"''"
    assert again in done.stderr  # quoted for Hydra, and then for the shell
    runs = folder / "swept runs"
    operators = {
        name: read_run(runs / f"{name}-learning_rate=0.001" / "seed-0").config["downsample"]
        for name in ("max", "average")
    }
    assert {name: chosen["operator"] for name, chosen in operators.items()} == {
        "max": "max", "average": "average",
    }  # fmt: skip
    own = runs / "sweeps" / "arm-learning_rate"
    assert (own / "multirun.yaml").is_file()
    comparison = read_json(own / "report" / "arm-learning_rate" / "comparison.json")
    assert comparison["study"]["baseline"] == "max-learning_rate=0.001"
    assert list(comparison["arms"]) == ["max-learning_rate=0.001", "average-learning_rate=0.001"]
    assert str(own / "report" / "index.html") in done.stdout.replace("\n", "")


def test_a_sweep_started_again_does_what_is_missing(
    swept: tuple[Path, list[str]],
) -> None:
    folder, sweep = swept
    runs = folder / "swept runs"
    before = {path: path.stat().st_mtime_ns for path in runs.glob("*/seed-0/weights.safetensors")}
    first = logged(folder)[1]
    again = train(folder, *sweep, "hydra.sweeper.only='max-learning_rate=1e30/seed-0'")
    assert again.returncode == 1
    assert "sweep arm-learning_rate: 1 job, 4 arms; 0 kept" in again.stdout
    assert "average" not in again.stdout.partition("sweep: 1 of 1")[0]
    assert before == {path: path.stat().st_mtime_ns for path in before}
    client, found = logged(folder)
    assert sorted((run.info.run_name, run.info.status) for run in found) == [
        ("average-learning_rate=0.001", "FINISHED"),
        ("average-learning_rate=0.001/seed-0", "FINISHED"),
        ("max-learning_rate=0.001", "FINISHED"),
        ("max-learning_rate=0.001/seed-0", "FINISHED"),
        ("study/arm-learning_rate", "FINISHED"),
    ]
    assert len(found) == len(first)
    (study,) = [run for run in found if run.data.tags["convchoice.kind"] == "study"]
    files = {item.path for item in client.list_artifacts(study.info.run_id)}
    assert {"comparison.json", "index.html", "figures"} <= files
    assert study.data.metrics["verdict/average-learning_rate_0.001/accuracy"] > 0


def test_local_processes_give_the_same_numbers_to_the_last_digit(
    swept: tuple[Path, list[str]],
) -> None:
    folder, _ = swept
    sweep = ["-m", "launch=joblib", "arm=max,average", WELL, "hydra.launcher.n_jobs=2", *TINY]
    done = train(folder, *sweep, "run_root=beside", "hydra.sweeper.baseline=average")
    assert done.returncode == 0, done.stderr
    assert "max against average" in done.stdout
    for arm in ("max", "average"):
        alone = read_run(folder / "swept runs" / f"{arm}-learning_rate=0.001" / "seed-0").metrics
        beside = read_run(folder / "beside" / arm / "seed-0").metrics
        assert alone.keys() == beside.keys()
        assert {key: alone[key] for key in alone if key not in TIMES} == {
            key: beside[key] for key in beside if key not in TIMES
        }


def test_every_job_is_checked_before_the_first_one_begins(tmp_path: Path) -> None:
    sweep = ["-m", "downsample=max,average", "conv.kernel_size=3,9", "seed=0,1", "tracking=none"]
    done = train(tmp_path, *sweep)
    assert done.returncode == 2
    assert done.stderr.startswith("error: 4 of 8 jobs are not legal; nothing was trained.\n")
    assert "  downsample=average conv.kernel_size=9 seed=1\n" in done.stderr
    assert done.stderr.count("block3.convolution: a 9×9 window does not fit") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_sweep_that_is_stopped_says_how_it_goes_on(swept: tuple[Path, list[str]]) -> None:
    folder, _ = swept
    uri = f"tracking.uri=sqlite:///{folder}/stopped.db"
    sweep = ["-m", "arm=max,average", *SMALL, "trainer.max_epochs=5000", "run_root=stopped", uri]
    with subprocess.Popen(
        command(folder, *sweep),
        cwd=folder, env=surroundings(), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stdout:
            if "epoch 2/5000" in line:
                process.send_signal(signal.SIGTERM)
                break
        _, said = process.communicate()
    assert process.returncode == 143
    assert "sweep arm: stopped with 0 of 2 jobs done. It goes on where it stopped:" in said
    assert not (folder / "stopped.db").exists()


def test_curves_that_are_asked_for_later_are_measured_without_training(tmp_path: Path) -> None:
    store_digits(tmp_path / "raw")
    run = ["arm=max", "seed=0", *TINY]
    assert train(tmp_path, *run).returncode == 0
    folder = tmp_path / "runs" / "max" / "seed-0"
    trained = read_run(folder)
    curved = [*run, "evaluation=curves", "evaluation.curves=[scale]", "evaluation.images=50"]
    done = train(tmp_path, *curved)
    assert done.returncode == 0, done.stderr
    assert "training" not in done.stdout
    measured = read_run(folder)
    assert {point.images for point in measured.curves()} == {50}
    assert measured.environment == trained.environment
    assert measured.metrics.items() > trained.metrics.items()
    for again in (curved, run):  # what is there is kept, asked for or not
        assert "kept runs/max/seed-0" in train(tmp_path, *again).stdout
    assert read_run(folder).curves() == measured.curves()
    (folder / "curves.csv").write_text("damaged", encoding="utf-8")
    assert train(tmp_path, *curved).returncode == 0
    assert read_run(folder).curves() == measured.curves()


def test_a_run_of_ones_own_gets_the_name_that_it_is_given(tmp_path: Path) -> None:
    store_digits(tmp_path / "raw")
    done = train(tmp_path, "arm=mine", "conv.padding=same", *TINY)
    assert done.returncode == 0, done.stderr
    assert read_run(tmp_path / "runs" / "mine" / "seed-0").config["conv"]["padding"] == "same"
    assert not (tmp_path / "outputs").exists()
    weights = tmp_path / "runs" / "mine" / "seed-0" / "weights.safetensors"
    before = weights.read_bytes()
    other = train(tmp_path, "arm=mine", "conv.padding=full", *TINY)
    assert other.returncode == 2
    assert "holds a run that differs in conv.padding (same there, full here)" in other.stderr
    assert weights.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["arm=averge"], "error: arm = 'averge': there is no such arm. Did you mean average?"),
        (["conv.kernel_size=9"], "error: block3.convolution: a 9×9 window does not fit"),
        (["optimizer.learning_rate=-1"], "error: optimizer.learning_rate = -1.0: must be a"),
        (["conv.kernal_size=3"], "kernal_size"),
        (["conv.padding=vlid"], "expected one of [valid, same, full]"),
    ],
)
def test_what_is_not_legal_is_said_without_a_traceback(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    done = train(tmp_path, *arguments, "tracking=none")
    assert done.returncode != 0
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("overrides", "swept", "name"),
    [
        ([], [], ""),
        (["seed=3", "run_root=x", "tracking=none"], [], ""),
        (["evaluation=curves", "evaluation.curves=[shift]", "evaluation.images=9"], [], ""),
        (["downsample=average", "conv.padding=same", "seed=1"], [], "average-same"),
        (["downsample=max", "conv.kernel_size=5"], [], "max-kernel_size=5"),
        (["model.filters=[8,16]"], [], "filters=8x16"),
        (["conv.kernel_size=[3,2]", "downsample=max"], [], "kernel_size=3x2-max"),
        (["+x='a b'", "optimizer.learning_rate=1e-3"], [], "x=a-b-learning_rate=1e-3"),
        (
            ["downsample=none", "trainer.deterministic=true"],
            [],
            "downsample=none-deterministic=true",
        ),
        (["scale=full"], [], "full"),
        (["optimizer.learning_rate=1e+30"], ["optimizer.learning_rate"], "learning_rate=1e30"),
        # Hydra writes a swept truth value with a capital.
        (["data=kmnist", "data.rotated=True"], ["data", "data.rotated"], "kmnist-rotated=True"),
        (["downsample=max", "conv.padding=same", "data.train_size=9"], ["conv.padding"], "same"),
    ],
)
def test_a_configuration_without_a_name_gets_one_from_its_overrides(
    overrides: list[str], swept: list[str], name: str
) -> None:
    assert derived_name(overrides, swept) == name


def test_a_sweep_is_called_by_what_is_swept() -> None:
    assert sweep_name(["downsample", "conv.padding", "seed"]) == "downsample-padding"
    assert sweep_name(["seed"]) == sweep_name([]) == "seed"
    assert sweep_name(["arm"]) == "arm"


def test_what_is_swept_is_what_has_more_than_one_value() -> None:
    arguments = ["-m", "downsample=max,average", "model.filters=[4,4]", "seed=range(3)", "arm=max"]
    assert swept_keys(arguments) == ["downsample", "seed"]
    with pytest.raises(ConfigurationError, match="command line = 'nonsense'"):
        swept_keys(["nonsense"])


def test_a_named_arm_keeps_its_name_and_in_a_sweep_is_told_from_its_siblings() -> None:
    composed = compose_values(["arm=max", "conv.padding=same"], "test")
    given = ["arm=max", "conv.padding=same", "seed=3"]
    assert run_config(composed, given).arm == "max"
    assert run_config(composed, given, ["conv.padding", "seed"]).arm == "max-same"
    assert run_config(compose_values([], "test"), []).arm == "default"


def test_a_run_of_another_configuration_is_never_replaced(tmp_path: Path) -> None:
    there = make_run(tmp_path, "mine", 0)
    same = config_from_mapping({"arm": "mine", "trainer": {"max_epochs": 1}})
    refuse_to_replace(same, there)
    other = replace(same, conv=replace(same.conv, kernel_size=5))
    with pytest.raises(
        ConfigurationError, match=r"differs in conv\.kernel_size \(3 there, 5 here\)"
    ):
        refuse_to_replace(other, there)
    refuse_to_replace(other, tmp_path / "mine" / "seed-1")


def test_a_number_of_seeds_is_the_pipelines() -> None:
    with pytest.raises(ConfigurationError, match="-m seed=0,1,2"):
        run_config(compose_values(["seeds=3"], "test"), ["seeds=3"])


def test_a_name_that_begins_with_a_known_one_is_a_variant() -> None:
    offer_new_names(["arm=average_same,max-5x5", "conv.padding=same"])


def test_a_slip_of_the_pen_is_never_taken_for_a_new_name() -> None:
    with pytest.raises(ConfigurationError, match="Did you mean average"):
        offer_new_names(["arm=averge", "conv.padding=same"])
    with pytest.raises(ConfigurationError, match="give a configuration of your own a new name"):
        offer_new_names(["arm=mine", "seed=1"])
    with pytest.raises(ConfigurationError, match="a name is 1 to 100 letters"):
        offer_new_names(["arm=../mine", "conv.padding=same"])
