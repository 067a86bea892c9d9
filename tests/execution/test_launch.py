"""What `convchoice train` starts, with real data, processes and reports; and its launchers."""

import json
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from convchoice import CONF_DIR
from convchoice.commands.train import main
from convchoice.config.options import options
from convchoice.config.schema import Config, TrackingConfig, TrainerConfig
from convchoice.errors import ConfigurationError, exit_codes
from convchoice.execution import launch
from convchoice.execution.executors import LocalExecutor
from convchoice.execution.launch import LAUNCH, offer_new_names, pipeline_executor
from convchoice.runs.run import read_run
from small_runs import OVERRIDES
from stages import Stage

SMALL = [*OVERRIDES, "trainer.max_epochs=1", "tracking=none"]
RATES = [
    "optimizer.learning_rate=0.001,1000", "optimizer=sgd", "optimizer.weight_decay=1000",
    "data.batch_size=4",
]  # fmt: skip
"""Two learning rates; with the second one the loss becomes NaN."""
DRY = "--dry-run"
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def train(
    tmp_path: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Command:  # fmt: skip
    """A function from arguments to the exit status and the output of `convchoice train`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("sys.argv", ["train"])
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def run(*arguments: str) -> tuple[int, str, str]:
        status = 0
        try:
            with exit_codes():
                main([f"data.root={data_root}", *SMALL, *arguments])
        except SystemExit as error:
            status = int(error.code or 0)
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
        return (status, *capfd.readouterr())

    return run


def test_a_sweep_keeps_what_is_complete_and_one_failing_job_fails_alone(tmp_path, train):
    sweep = ["downsample=max,average", *RATES, "run_root='my runs'", "-m"]  # the flag last
    status, output, errors = train(*sweep)
    assert status == 1
    assert "sweep downsample-learning_rate: 4 runs, 0 kept, 4 to do" in output
    assert "error: 2 of 4 jobs failed; the others are complete.\n" in errors
    assert "  average-learning_rate=1000/seed-0: the loss is nan" in errors
    runs = tmp_path / "my runs"
    folder = runs / "sweeps" / "downsample-learning_rate"
    assert yaml.safe_load((folder / "multirun.yaml").read_text())["hydra"]
    text = (folder / "report" / "downsample-learning_rate" / "comparison.json").read_text("utf-8")
    arms = ["max-learning_rate=0.001", "average-learning_rate=0.001"]
    assert list(json.loads(text)["arms"]) == arms
    for name, arm in zip(("max", "average"), arms, strict=True):
        assert read_run(runs / arm / "seed-0").config["downsample"]["operator"] == name
    assert str(folder / "report" / "index.html") in output.replace("\n", "")
    before = {path: path.stat().st_mtime_ns for path in runs.glob("*/seed-0/*")}
    only = "hydra.sweeper.only='max-learning_rate=1000/seed-0'"
    status, output, errors = train(*sweep, only)
    assert status == 1
    assert "sweep downsample-learning_rate: 1 run, 0 kept, 1 to do" in output
    assert "error: 1 of 4 jobs failed" in errors
    assert before == {path: path.stat().st_mtime_ns for path in before}


@pytest.mark.parametrize("launcher", ["local", "joblib"])
def test_a_sweep_trains_the_seeds_of_an_arm_together(tmp_path, train, launcher):
    chosen = [] if launcher == "local" else [f"launch={launcher}"]
    status, output, _ = train("-m", "arm=max", "seed=0,1,2", "trainer.seeds_together=2", *chosen)
    assert status == 0
    assert "sweep seed: 3 runs, 0 kept, 3 to do" in output
    runs = [read_run(tmp_path / "runs" / "max" / f"seed-{seed}") for seed in range(3)]
    assert [run.environment["seeds_together"] for run in runs] == [2, 2, 1]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("launcher", ["local", "joblib"])
def test_a_sweep_on_a_gpu_trains_all_seeds_of_an_arm_together(tmp_path, train, launcher):
    gpu = ["trainer.accelerator=gpu", *([] if launcher == "local" else [f"launch={launcher}"])]
    status, output, errors = train("-m", "downsample=max,average", "seed=0,1,2", *gpu)
    assert status == 0, output + errors
    for arm in ("max", "average"):
        runs = [read_run(tmp_path / "runs" / arm / f"seed-{seed}") for seed in range(3)]
        assert [run.environment["seeds_together"] for run in runs] == [3, 3, 3]
        assert all(run.evaluated for run in runs)


def test_params_of_the_sweeper_are_swept_like_the_command_line_and_runs_are_published(
    tmp_path, train, monkeypatch
):
    published: list[tuple[str, str | None]] = []

    def publish(folder: Path, settings: TrackingConfig) -> None:
        published.append((str(folder.relative_to("runs")), settings.experiment))

    monkeypatch.setattr("convchoice.commands.train.publish", publish)
    params = "hydra.sweeper.params={optimizer.learning_rate: '0.001,1000'}"
    rest = [*RATES[1:], "launch=joblib", "tracking.experiment=mine"]
    status, output, errors = train("-m", params, "arm=max", *rest)
    assert status == 1
    assert "sweep learning_rate: 2 runs, 0 kept, 2 to do" in output
    assert "error: 1 of 2 jobs failed" in errors
    names = [f"max-learning_rate={rate}/seed-0" for rate in ("0.001", "1000")]
    assert sorted(published) == [(name, "mine") for name in names]


def test_a_single_run_is_kept_and_evaluated_again_without_training(tmp_path, train):
    status, output, _ = train("arm=mine", "conv.padding=same", "run_root=~/runs")
    assert status == 0
    assert "mine seed 0: test accuracy " in output
    folder = tmp_path / "runs" / "mine" / "seed-0"
    trained = read_run(folder)
    assert trained.config["conv"]["padding"] == "same"
    status, output, _ = train("-m", "seed=0,1", "arm=mine", "conv.padding=same", DRY)
    assert status == 0
    plan = ["2 runs, 1 kept, 1 to do", "kept  mine/seed-0", "to do mine/seed-1", "minutes of train"]
    assert [line for part in plan for line in output.splitlines() if part in line] == [
        *output.splitlines()
    ]
    assert not (tmp_path / "runs" / "mine" / "seed-1").exists()
    assert not (tmp_path / "outputs").exists()
    curves = ["evaluation=curves", "evaluation.curves=[scale]", "evaluation.images=50"]
    status, output, _ = train("arm=mine", "conv.padding=same", *curves)
    assert status == 0
    assert "epoch" not in output
    measured = read_run(folder)
    assert {point.images for point in measured.curves()} == {50}
    assert measured.environment == trained.environment
    status, _, errors = train("arm=mine", "conv.padding=full")
    assert status == 2
    assert "holds a run that differs in conv.padding (same there, full here)" in errors
    assert read_run(folder).metrics == measured.metrics


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["arm=averge"], "error: arm = 'averge': there is no such arm. Did you mean average?"),
        (["conv.kernel_size=29"], "error: block1.convolution: a 29×29 window does not fit"),
        (["optimizer.learning_rate=-1"], "error: optimizer.learning_rate = -1.0: must be a"),
        (
            ["-m", "hydra/launcher=dask", "seed=0,1"],
            "Legal: basic, joblib, ray, slurm, submitit_local",
        ),
        (["-m", "hydra.launcher.n_job=2", "launch=joblib", "seed=0,1"], "n_job"),
        (["-m", "arm=max,average", "seed=0,0"], "Name each value of a key once."),
        (["-m", "arm=choice(max,average)", "conv.kernel_size=29,3"], "2 of 4 jobs are not legal"),
        (["-m", "arm=glob(unpooled*)", "hydra.sweeper.only=x"], "It has unpooled/seed-0, unpoo"),
        (["-m", "seed=0,1", "hydra.sweeper.baseline=x"], "'x': this sweep has no such arm."),
        (["hydra.launcher=1"], "hydra.launcher = 1: is a group of settings"),
        (["seeds=3"], "-m seed=0,1,2"),
        (["nonsense"], "nonsense"),
        (["downsample=max,average", "seed=0,1"], "sweep: convchoice train -m downsample=max,aver"),
        (["--config-name", "nope"], "error: command line = 'nope': there is no such file in conf."),
        (["run_root='s3://me:secretpw@bucket/x'"], "no URL"),
        (["-m", "seed=0,1", "hydra.sweeper.zip=[seed,arm]"], "{'seed': 2, 'arm': 0}"),
        (["-m", "seed=0,1", "hydra.sweeper.zip=seed"], "zip = 'seed': must be a list of keys."),
        (["-m", "hydra.sweeper.params=3"], "hydra.sweeper.params = 3: must map keys to their"),
        (["-m", "seed=0,1", "hydra.sweeper.only=3"], "hydra.sweeper.only = 3: must be ARM/seed-N"),
        (["-m", "arm=glob(z*)"], "error: arm = 'glob(z*)': there is no such value."),
        (["-m", "seed=range(3,1)"], "error: seed = 'range(3,1)': there is no such value."),
        (["-m", "seed=range(1000000000000)"], "': must be at most 100,000 values."),
        (["-m", "seed=range(2000)", "data.order_seed=range(2000)"], "sweep = 4000000: must be at"),
        (
            ["-m", "seed=interval(0,9)"],
            "seed = 'interval(0,9)': an interval is no list of values. To search",
        ),
        (["optimizer.learning_rate=???", "tracking.uri=//me:secretpw@host"], "needs a value."),
        (
            ["run_root=/tmp/é"],
            "special characters needs two pairs of quotes: 'run_root=\"/tmp/é\"'",
        ),
        (
            ["-m", "sed=0,1", "arm=max,average"],
            "sed=1 arm=average\n    sweep: sed = '0,1': there is no such key. Did you mean seed?\n",
        ),
        (["arm=max", "-m", "--mine", "tracking.uri=http://me:secretpw@host"], "http://***@host"),
    ],
)
def test_an_illegal_command_line_is_refused_before_anything_is_written(
    tmp_path, train, arguments, message
):
    status, output, errors = train(*arguments)
    assert (status, output) == (2, "")
    assert message in errors
    assert "Traceback" not in errors
    assert "secretpw" not in errors
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--cfg", "job", "arm=max"], "arm: max"),
        (["arm=max", "--info", "defaults"], "| hydra/launcher/basic"),
        (["--config-dir", "{conf}", "arm=theirs", "--cfg", "job"], "kernel_size: 2"),
        (["--config-dir", "{conf}", "-m", "arm=glob(the*)", DRY], "to do theirs/seed-0"),
        (["--help"], "convchoice train -m downsample=max,average"),
    ],
)
def test_flags_of_hydra_work_as_its_users_know_them(tmp_path, train, arguments, expected):
    (tmp_path / "conf" / "arm").mkdir(parents=True)
    overlay = "# @package _global_\narm: theirs\nconv:\n  kernel_size: 2\n"
    (tmp_path / "conf" / "arm" / "theirs.yaml").write_text(overlay)
    status, output, _ = train(*(part.format(conf=tmp_path / "conf") for part in arguments))
    assert status == 0
    assert expected in output


@pytest.mark.parametrize("flags", [[DRY], [DRY, "-m"]])
def test_environment_variables_of_hydra_are_set_while_runs_are_trained(train, monkeypatch, flags):
    monkeypatch.setattr(launch, "print_plan", lambda *_: print(os.environ["OF_A_TEST"]))
    monkeypatch.setenv("OF_A_TEST", "before")
    assert train("arm=max", "+hydra.job.env_set.OF_A_TEST=here", *flags) == (0, "here\n", "")


def test_a_sweep_that_is_stopped_tells_how_to_continue(tmp_path, data_root):
    sweep = ["-m", "arm=max,average", *OVERRIDES, "trainer.max_epochs=5000", "tracking=none"]
    sweep.append(f"data.root={data_root}")
    stage = Stage("-m", "convchoice.train", *sweep, folder=tmp_path)
    stage.wait_for("epoch 2/5000")
    stage.send(signal.SIGTERM, group=False)
    assert stage.end() == 143, stage.output
    assert "sweep arm: stopped. To continue:\n  convchoice train arm=max,average" in stage.output
    assert "Traceback" not in stage.output


def test_zipped_values_go_together(train: Command):
    swept = ["downsample=max,average,max", "conv.kernel_size=3,5,5", "seed=range(2)"]
    status, output, _ = train("-m", *swept, "hydra.sweeper.zip=[downsample,conv.kernel_size]", DRY)
    assert status == 0
    arms = ["max-kernel_size=3", "average-kernel_size=5", "max-kernel_size=5"]
    assert output.splitlines()[1:] == [f"  to do {a}/seed-{seed}" for a in arms for seed in (0, 1)]


def test_new_names_are_offered_but_never_for_a_misspelt_one(capsys):
    offer_new_names(["arm=average_same,max-5x5", "conv.padding=same", "seed=0,1"])
    said = "average_same, max-5x5: a new name for the default network with conv.padding=same\n"
    assert capsys.readouterr() == ("", said)
    offer_new_names(["arm=null"])
    offer_new_names(["arm=max", "conv.padding=same"])
    assert capsys.readouterr() == ("", "")
    for arguments, message in (
        (["arm=averge", "conv.padding=same"], "Did you mean average"),
        (["arm=mine", "seed=1"], "give a configuration of your own a new name"),
        (["arm=../mine", "conv.padding=same"], "a name is 1 to 100 letters"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            offer_new_names(arguments)


def test_an_arm_of_a_folder_that_is_not_in_use_is_not_a_new_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("conf", "arm").mkdir(parents=True)
    Path("conf", "arm", "mine.yaml").write_text("arm: mine")
    arguments = ["arm=mine", "conv.padding=same"]
    message = f"{tmp_path}/conf/arm/mine.yaml is not in use: the arms are those in {CONF_DIR}/arm."
    with pytest.raises(ConfigurationError, match=f"'mine': {re.escape(message)} Add --config-dir"):
        offer_new_names(arguments)
    offer_new_names(arguments, Path("conf"))


def test_every_launcher_gives_an_executor_whose_jobs_have_the_threads_of_a_run(tmp_path):
    pytest.importorskip("submitit")
    ray = pytest.importorskip("ray")
    config = Config(trainer=TrainerConfig(threads=3))
    found: dict[str, Any] = {
        name: pipeline_executor(name, config, tmp_path) for name in options("launch")
    }
    assert found["basic"] == LocalExecutor()
    assert found["joblib"].n_jobs is None
    assert found["slurm"].settings["cpus_per_task"] == 3
    assert found["ray"].num_cpus == 3
    assert not ray.is_initialized()
    assert set(launch.PACKAGES) == {"basic", *options("hydra/launcher")}
    settings = "  joblib hydra.launcher.n_jobs=3 'hydra.launcher.verbose=1' "
    chosen: Any = pipeline_executor(settings, config, tmp_path)
    assert (chosen.n_jobs, chosen.options["verbose"]) == (3, 1)


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("slrum", r"'slrum': there is no such launcher\. Did you mean slurm\? Legal: basic, jobl"),
        ("", "there is no such launcher"),
        ("basic seed=3", "only settings of the launcher may follow its name"),
        ("slurm hydra.launcher.partitoin=cpu", "hydra.launcher.partitoin.*no such key"),
        ("slurm 'partition", "cannot be read: No closing quotation"),
    ],
)
def test_an_unknown_launcher_or_setting_is_refused(text, refusal):
    with pytest.raises(ConfigurationError, match=f"{LAUNCH}.*{refusal}"):
        pipeline_executor(text, Config(), Path())


def test_a_launcher_that_is_not_installed_is_refused_with_the_extra_to_install(monkeypatch):
    monkeypatch.setitem(launch.PACKAGES, "slurm", "not_installed_anywhere")
    with pytest.raises(ConfigurationError, match=r"not installed.*pip install .*\[launchers\]"):
        pipeline_executor("slurm", Config(), Path())
