"""Keys, types, ranges and combinations, and the text of each refusal."""

import math
from typing import Any

import pytest

from convchoice.config.identity import numeric_identity
from convchoice.config.schema import Config, Operator
from convchoice.config.validation import (
    config_from_mapping,
    config_to_mapping,
)
from convchoice.errors import ConfigurationError, nearest


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"learning_rate": 1}, r"configuration: learning_rate = 1: there is no such key"),
        (
            {"conv": {"kernal_size": 3}},
            r"conv\.kernal_size = 3: there is no such key\. Did you mean kernel_size\? Legal: ker",
        ),
        ({"conv": {"kernel_size": "large"}}, r"conv\.kernel_size = 'large': must be a whole"),
        ({"conv": {"padding": "vlid"}}, r"expected one of \[valid, same, full\]"),
        ({"conv": {"kernel_size": 0}}, r"conv\.kernel_size = 0: must be a whole number of at l"),
        ({"conv": {"stride": -1}}, r"conv\.stride = -1: must be"),
        (
            {"conv": {"padding_mode": "reflect"}},
            r"has an effect with conv\.padding=same, full or pixels, or another",
        ),
        ({"seed": -1}, r"seed = -1: must be a whole number of at least 0"),
        ({"seed": 2**31}, r"must be below 2\^31"),
        ({"model": {"filters": []}}, r"model\.filters = \[\]: needs at least one block"),
        ({"model": {"filters": [0]}}, r"each block needs at least 1 filter"),
        ({"model": {"downsample_after": [4]}}, r"blocks are numbered 1 to 3"),
        ({"model": {"downsample_after": [1, 1]}}, r"names a block twice"),
        ({"optimizer": {"learning_rate": math.nan}}, r"learning_rate = nan: must be a finite"),
        ({"optimizer": {"learning_rate": math.inf}}, r"learning_rate = inf: must be a finite"),
        ({"optimizer": {"rho": 1.0}}, r"rho = 1\.0: must be at least 0 and below 1"),
        ({"optimizer": {"weight_decay": -1.0}}, r"weight_decay = -1\.0"),
        ({"trainer": {"precision": "int8"}}, r"must be one of 32-true, bf16-mixed"),
        ({"trainer": {"max_epochs": 0}}, r"trainer\.max_epochs = 0"),
        ({"data": {"train_size": 0}}, r"data\.train_size = 0"),
        (
            {"data": {"canvas": 28}},
            r"data\.canvas = 28: must be larger than the 28 pixels of MNIST",
        ),
        ({"data": {"canvas": 257}}, r"data\.canvas = 257: must be .* at most 256"),
        (
            {"data": {"name": "cifar10", "fallback": None, "canvas": 30}},
            r"data\.canvas = 30: must be larger than the 32 pixels of CIFAR-10's images",
        ),
        ({"data": {"permutation_seed": -1}}, r"data\.permutation_seed = -1: must be a whole"),
        ({"data": {"name": "letters"}}, r"data\.name = 'letters'"),
        ({"arm": "../elsewhere"}, r"arm = '\.\./elsewhere': a name is 1 to 100 letters"),
        ({"arm": "two words"}, r"a name is 1 to 100 letters"),
        (
            {"downsample": {"operator": "weighted", "window": 2}},
            r"downsample\.window = 2: all pixels .* exactly average pooling.* Use downsample=aver",
        ),
        ({"downsample": {"sigma": 2.0}}, r"sigma = 2\.0: has an effect with weighted pooling only"),
        ({"downsample": {"kernel_size": 5}}, r"kernel_size = 5: has an effect with all_conv, conv"),
        ({"optimizer": {"name": "adam", "momentum": 0.9}}, r"momentum = 0\.9: has an effect with"),
        ({"evaluation": {"curves": ["shfit"]}}, r"evaluation\.curves.*shfit"),
        ({"evaluation": {"curves": ["shift", "shift"]}}, r"names a curve twice"),
        ({"evaluation": {"curves": ["shift"], "images": 0}}, r"evaluation\.images = 0: must be"),
        ({"evaluation": {"images": 9}}, r"images = 9: has an effect with evaluation\.curves only"),
        ({"downsample": {"padding": 2}}, r"may be at most half the window \(1 for a window of 2\)"),
        ({"downsample": {"operator": "strided", "padding": 1}}, r"strided has no pooling window"),
    ],
)
def test_what_is_not_legal_is_refused_by_name(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        config_from_mapping(values)


def test_plain_values_come_back_the_same() -> None:
    config = config_from_mapping(
        {
            "arm": "a",
            "downsample": {"operator": "average"},
            "evaluation": {"curves": ["shift", "scale"]},
        }
    )
    assert config_to_mapping(config)["evaluation"]["curves"] == ["shift", "scale"]
    again = config_from_mapping(config_to_mapping(config))
    assert again == config
    assert again.downsample.operator is Operator.average


def test_a_runs_values_have_a_seed_and_an_arms_have_seeds() -> None:
    run, arm = config_to_mapping(Config()), config_to_mapping(Config(), run=False)
    assert "seed" in run
    assert "seeds" not in run
    assert "seeds" in arm
    assert "seed" not in arm
    assert "scale" not in run | arm


def test_numbers_do_not_depend_on_names_and_places() -> None:
    here = config_from_mapping({"arm": "a", "run_root": "x", "tracking": {"store": "none"}})
    there = config_from_mapping(
        {
            "arm": "b",
            "trainer": {"workers": 2},
            "data": {"root": "y"},
            "evaluation": {"curves": ["rotation"], "images": 100},
        }
    )
    assert numeric_identity(here) == numeric_identity(there)


@pytest.mark.parametrize(
    "values",
    [
        {"seed": 1},
        {"conv": {"kernel_size": 5}},
        {"optimizer": {"learning_rate": 0.01}},
        {"trainer": {"threads": 2}},
        {"data": {"train_size": 100}},
        {"data": {"name": "kmnist", "fallback": None}},
        {"data": {"canvas": 30}},
        {"data": {"rotated": True}},
        {"data": {"permutation_seed": 0}},
    ],
)
def test_numbers_depend_on_everything_else(values: dict[str, Any]) -> None:
    assert numeric_identity(config_from_mapping(values)) != numeric_identity(Config())


def test_a_slip_of_the_pen_is_answered_with_the_nearest_name() -> None:
    assert nearest("averge", ["max", "average"]) == "Did you mean average? Legal: average, max."
    assert nearest("zzz", ["max", "average"]) == "Legal: average, max."
