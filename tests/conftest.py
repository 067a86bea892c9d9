"""Fixtures that more than one test module uses."""

import logging
import os
import platform
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings

from convchoice.analysis.comparison import compare
from convchoice.analysis.result import Comparison
from convchoice.config.study import study_from_mapping
from convchoice.errors import exit_codes
from convchoice.training.environment_variables import AVX2
from made_up_runs import Compare, make_run, runs_of_arm, study_values
from small_data import store_digits
from stages import end_all

if platform.machine() in {"x86_64", "AMD64"}:
    os.environ.update(AVX2)  # before torch computes: some tests train in this process

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"  # read when something imports Triton

settings.register_profile("no deadline", deadline=None)  # the machine may be busy
settings.load_profile("no deadline")


@pytest.fixture(scope="module")
def data_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with scikit-learn's digits in the place of MNIST; tests only read it."""
    root = tmp_path_factory.mktemp("data") / "raw"
    store_digits(root)
    return root


@pytest.fixture(autouse=True)
def kill_stages() -> Iterator[None]:
    """Kill the project's processes that a failed test leaves."""
    yield
    end_all()


@pytest.fixture(autouse=True)
def remove_log_handlers() -> Iterator[None]:
    """Remove the handlers that Hydra adds, which write to the captured output of the test."""
    before = logging.root.handlers[:]
    yield
    for handler in logging.root.handlers[:]:
        if type(handler) is logging.StreamHandler and handler not in before:
            logging.root.removeHandler(handler)


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """A function that calls a command that must exit with status 2; its error in one line."""

    def error(command: Callable[..., object], *arguments: object) -> str:
        with pytest.raises(SystemExit, match="2"), exit_codes():
            command(*arguments)
        return " ".join(capsys.readouterr().err.split())

    return error


@pytest.fixture(scope="session")
def comparison_of(tmp_path_factory: pytest.TempPathFactory) -> Compare:
    """A function from errors an arm (a list, one a seed) to the study's result."""

    def run_and_compare(
        errors: dict[str, list[int]],
        study: dict[str, Any] | None = None,
        options: dict[str, dict[str, Any]] | None = None,
    ) -> Comparison:
        root = tmp_path_factory.mktemp("runs")
        for arm, counts in errors.items():
            for seed, count in enumerate(counts):
                make_run(root, arm, seed, count, **(options or {}).get(arm, {}))
        runs = {arm: runs_of_arm(root, arm) for arm in errors}
        return compare(study_from_mapping(study or study_values(), "test"), runs)

    return run_and_compare
