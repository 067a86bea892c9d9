"""The same bits: alone or in a sweep, in one process or several, whatever ran before."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import torch

from convchoice import PROJECT_ROOT
from convchoice.config.schema import Config
from convchoice.config.validation import config_from_mapping
from convchoice.runs.run import Run, RunSpecification, read_run
from convchoice.runs.run_folder import run_path
from small_runs import OVERRIDES, evaluate_run, trained
from stages import bits


def alone(config: Config, root: Path) -> Run:
    """Train and evaluate one run in this process."""
    folders = [run_path(root / name, "max", config.seed) for name in ("trained", "runs")]
    first, last = (RunSpecification(config, Path(config.data.root), each, "f") for each in folders)
    evaluate_run(replace(last, trained=trained(first).path))
    return read_run(last.folder)


def test_a_run_of_a_sweep_has_the_bits_of_the_run_alone(tmp_path, data_root):
    overrides = [
        "arm=max", "seed=0,1", "trainer.max_epochs=2", "tracking=none", *OVERRIDES,
        f"data.root={data_root}",
    ]  # fmt: skip
    subprocess.run(
        [sys.executable, "-m", "convchoice.train", "-m", *overrides],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(PROJECT_ROOT / "src")},
        capture_output=True, check=True,
    )  # fmt: skip
    swept = [read_run(run_path(tmp_path / "runs", "max", seed)) for seed in (0, 1)]
    # Another precision, another number of threads, a used-up random state.
    other = {**swept[0].config, "seed": 7}
    other["trainer"] = {**other["trainer"], "precision": "64-true", "threads": 2}
    alone(config_from_mapping(other), tmp_path / "before")
    torch.rand(3)
    for run in swept:
        assert bits(alone(config_from_mapping(run.config), tmp_path / "alone")) == bits(run)
    assert bits(swept[0]) != bits(swept[1])
