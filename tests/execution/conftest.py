"""Fixtures of the tests of execution."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from convchoice.config.schema import Config
from convchoice.config.validation import config_from_mapping
from small_runs import SMALL

Configs = Callable[..., list[Config]]


@pytest.fixture
def configs(data_root: Path) -> Configs:
    """A function from a number of seeds and changes to configurations of small runs."""

    def make(count: int, **changes: Any) -> list[Config]:
        data = {"train_size": 100, "root": str(data_root)}
        trainer = {"max_epochs": 1, "accelerator": "cpu"}
        one = config_from_mapping(SMALL | {"data": data, "trainer": trainer} | changes)
        return [replace(one, seed=seed) for seed in range(count)]

    return make
