"""The Hydra application, as a person starts it: real data files, real processes, a real sweep."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from convchoice.errors import ConfigurationError
from convchoice.execution.sweep import (
    derived_name,
    offer_new_names,
    refuse_to_replace,
    run_config,
    swept_keys,
)
from convchoice.records.run_folder import read_run
from convchoice.settings.configuration import PROJECT_ROOT, config_from_mapping
from convchoice.studies.composition import compose_values
from making import make_run
from small_data import store_digits

TINY = [
    "model.filters=[4,4]", "model.hidden_units=8", "data.train_size=100", "trainer.max_epochs=1",
    "trainer.accelerator=cpu", "tracking=none",
]  # fmt: skip


def train(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "convchoice.train", *arguments, f"data.root={folder}/raw"]
    environment = os.environ | {"PYTHONPATH": str(PROJECT_ROOT / "src")}
    environment.pop("CONVCHOICE_TRACEBACK", None)
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_a_sweep_leaves_a_run_folder_a_job_and_a_second_one_keeps_them(tmp_path: Path) -> None:
    store_digits(tmp_path / "raw")
    sweep = ["-m", "arm=max,average", "seed=0,1", "run_root=swept runs", *TINY]
    done = train(tmp_path, *[part.replace("swept runs", "'swept runs'") for part in sweep])
    assert done.returncode == 0, done.stderr
    runs = [
        read_run(tmp_path / "swept runs" / arm / f"seed-{seed}")
        for arm in ("max", "average")
        for seed in (0, 1)
    ]
    assert all(run.evaluated for run in runs)
    assert [run.config["downsample"]["operator"] for run in runs] == ["max"] * 2 + ["average"] * 2
    assert "max seed 0: test accuracy" in done.stdout
    assert (tmp_path / "swept runs" / "multirun.yaml").is_file()
    again = train(tmp_path, *[part.replace("swept runs", "'swept runs'") for part in sweep])
    assert again.stdout.count("kept swept runs/") == 4


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
        (["model.filters=[8,16]"], [], "filters=-8-16-"),
        (
            ["downsample=none", "trainer.deterministic=true"],
            [],
            "downsample=none-deterministic=true",
        ),
        (["scale=full"], [], "full"),
        # Hydra writes a swept truth value with a capital.
        (["data=kmnist", "data.rotated=True"], ["data", "data.rotated"], "kmnist-rotated=True"),
        (["downsample=max", "conv.padding=same", "data.train_size=9"], ["conv.padding"], "same"),
    ],
)
def test_a_configuration_without_a_name_gets_one_from_its_overrides(
    overrides: list[str], swept: list[str], name: str
) -> None:
    assert derived_name(overrides, swept) == name


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
