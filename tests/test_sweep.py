"""The Hydra application, as a person starts it: real data files, real processes, a real sweep."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from convchoice.configuration import PROJECT_ROOT
from convchoice.errors import ConfigurationError
from convchoice.run_folder import read_run
from convchoice.sweep import derived_name, offer_new_names
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
    again = train(tmp_path, *[part.replace("swept runs", "'swept runs'") for part in sweep])
    assert again.stdout.count("kept swept runs/") == 4


def test_a_run_of_ones_own_gets_the_name_that_it_is_given(tmp_path: Path) -> None:
    store_digits(tmp_path / "raw")
    done = train(tmp_path, "arm=mine", "conv.padding=same", *TINY)
    assert done.returncode == 0, done.stderr
    assert read_run(tmp_path / "runs" / "mine" / "seed-0").config["conv"]["padding"] == "same"
    assert not (tmp_path / "outputs").exists()


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
    ("overrides", "name"),
    [
        ([], "default"),
        (["seed=3", "run_root=x", "tracking=none"], "default"),
        (["downsample=average", "conv.padding=same", "seed=1"], "average-same"),
        (["downsample=max", "conv.kernel_size=5"], "max-kernel_size=5"),
        (["model.filters=[8,16]"], "filters=-8-16-"),
        (["optimizer.learning_rate=1e-3"], "learning_rate=1e-3"),
    ],
)
def test_a_configuration_without_a_name_gets_one_from_its_overrides(
    overrides: list[str], name: str
) -> None:
    assert derived_name(overrides) == name


def test_a_slip_of_the_pen_is_never_taken_for_a_new_name() -> None:
    with pytest.raises(ConfigurationError, match="Did you mean average"):
        offer_new_names(["arm=averge", "conv.padding=same"])
    with pytest.raises(ConfigurationError, match="give a configuration of your own a new name"):
        offer_new_names(["arm=mine", "seed=1"])
    with pytest.raises(ConfigurationError, match="a name is 1 to 100 letters"):
        offer_new_names(["arm=../mine", "conv.padding=same"])
