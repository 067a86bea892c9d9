"""The rules between keys, canonical forms, and what decides numbers."""

from typing import Any

import pytest
import yaml

from convchoice.config.arm_keys import NOT_NUMERIC, numeric_identity
from convchoice.config.field_types import flattened, within
from convchoice.config.schema import Config, Operator, Padding
from convchoice.config.validation import (
    DEFAULTS,
    arm_from_mapping,
    arm_text,
    config_from_mapping,
    config_to_mapping,
)
from convchoice.errors import ConfigurationError


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"trainer": {"precision": "16-mixed", "seeds_together": 2}},
            r"seeds_together = 2: in 16-mixed each seed needs a loss scale of its own",
        ),
        ({"data": {"train_size": 5}}, r"data\.train_size = 5: must be at least 10: one image of"),
        ({"data": {"validation_size": 60_000}}, r"validation_size = 60000: a stratified choice"),
        ({"data": {"canvas": 28}}, r"canvas = 28: must be larger than the 28 pixels of MNIST"),
        (
            {"data": {"name": "cifar10", "fallback": None, "canvas": 30}},
            r"data\.canvas = 30: must be larger than the 32 pixels of CIFAR-10's images",
        ),
        ({"data": {"name": "kmnist"}}, r"data\.fallback = 'digits': .*set data\.fallback=null"),
        (
            {"conv": {"padding": 3}},
            r"at most the kernel size less 1 \(2 for a kernel of 3\), or",
        ),
        (
            {"conv": {"kernel_size": [1, 5], "padding": 1}},
            r"conv\.padding = 1: .* \(0×4 for a kernel of 1×5\).* Use conv\.padding=full",
        ),
        (
            {"downsample": {"operator": "weighted", "window": 2}},
            r"downsample\.window = 2: all pixels .* exactly average pooling.* Use downsample=aver",
        ),
        (
            {"downsample": {"operator": "max_blur", "kernel_size": 1}},
            r"kernel_size = 1: a blur of one pixel changes nothing.* Use downsample=max",
        ),
        ({"downsample": {"operator": "maxout", "pieces": 1}}, r"pieces = 1: .*exactly max pooling"),
        ({"downsample": {"padding": 2}}, r"may be at most half the window \(1 for a window of 2\)"),
        ({"downsample": {"operator": "strided", "padding": 1}}, r"strided has no pooling window"),
        ({"model": {"filters": []}}, r"model\.filters = \[\]: needs at least one block"),
        ({"model": {"downsample_after": [4]}}, r"blocks, which are numbered 1 to 3"),
        ({"model": {"downsample_after": [1, 1]}}, r"must name blocks, .* once each"),
        ({"evaluation": {"curves": ["shift", "shift"]}}, r"names a curve twice"),
        ({"evaluation": {"images": 9}}, r"images = 9: has an effect only with evaluation\.curves"),
        (
            {"data": {"permutation_seed": 0}, "evaluation": {"curves": ["shift", "equivariance"]}},
            r"equivariance and input_size need neighbouring pixels",
        ),
    ],
)
def test_a_value_that_does_not_fit_the_others_is_refused(
    values: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        config_from_mapping(values)


REFLECT = {"padding_mode": "reflect"}
AVERAGE = {"downsample": {"operator": "average"}}


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("downsample.operator", {**AVERAGE, "model": {"downsample_after": []}}),
        ("downsample.window", {"downsample": {"operator": "none", "window": 5}}),
        ("downsample.stride", {"downsample": {"operator": "none", "stride": 1}}),
        ("downsample.window", {"downsample": {"window": 5}, "model": {"downsample_after": []}}),
        (
            "model.downsample_after",
            {"downsample": {"operator": "none"}, "model": {"downsample_after": [1]}},
        ),
        ("downsample.sigma", {"downsample": {"sigma": 2.0}}),
        ("downsample.kernel_size", {"downsample": {"operator": "l2", "kernel_size": 5}}),
        ("downsample.pieces", {"downsample": {"pieces": 2}}),
        ("conv.padding_mode", {"conv": REFLECT}),
        ("conv.padding_mode", {"conv": {**REFLECT, "padding": 0}}),
        ("conv.padding_mode", {"conv": {**REFLECT, "kernel_size": 1, "padding": "same"}}),
        (
            "conv.padding_mode",
            {
                "conv": {**REFLECT, "padding": "same"},
                "model": {"filters": [4], "downsample_after": [], "first_layer": "dense"},
            },
        ),
        ("optimizer.rho", {"optimizer": {"name": "sgd", "rho": 0.5}}),
        ("optimizer.momentum", {"optimizer": {"name": "adam", "momentum": 0.9}}),
        ("optimizer.epsilon", {"optimizer": {"name": "sgd", "epsilon": 1e-3}}),
    ],
)
def test_a_value_without_effect_is_refused(key: str, values: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=rf"{key} = .*: has an effect only with"):
        config_from_mapping(values)


@pytest.mark.parametrize(
    "values",
    [
        {"conv": {**REFLECT, "padding": 1}},
        {"conv": REFLECT, "downsample": {"operator": "conv_pool"}},
        {"conv": REFLECT, "downsample": {"operator": "depthwise", "padding": 1}},
        {"downsample": {"operator": "max_blur", "kernel_size": 5}},
        {"downsample": {"operator": "maxout", "pieces": 2}},
        {"conv": {"kernel_size": [7, 1], "padding": [6, 0]}},
    ],
)
def test_a_value_with_an_effect_is_accepted(values: dict[str, Any]) -> None:
    assert config_from_mapping(values)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"conv": {"kernel_size": 5}}, {"conv": {"kernel_size": [5, 5]}}),
        ({"conv": {"stride": 2}}, {"conv": {"stride": [2, 2]}}),
        ({"conv": {"padding": 1}}, {"conv": {"padding": [1, 1]}}),
        ({"conv": {"padding": "valid"}}, {"conv": {"padding": 0}}),
        ({"conv": {"padding": "valid"}}, {"conv": {"padding": [0, 0]}}),
        ({"conv": {"padding": "same"}}, {"conv": {"padding": Padding.same}}),
        ({"model": {"downsample_after": [1, 2]}}, {"model": {"downsample_after": [2, 1]}}),
        ({"downsample": {"operator": "none"}}, {"model": {"downsample_after": []}}),
        (
            {"downsample": {"operator": "none"}, "model": {"filters": [4]}},
            {"downsample": {"operator": "none"}, "model": {"filters": [4], "downsample_after": []}},
        ),
    ],
)
def test_equal_configurations_have_one_form(one: dict[str, Any], other: dict[str, Any]) -> None:
    first, second = (arm_from_mapping({"arm": "a", **values}) for values in (one, other))
    assert first == second
    assert arm_text(first) == arm_text(second)


@pytest.mark.parametrize("operator", list(Operator))
def test_plain_values_come_back_the_same(operator: Operator) -> None:
    window = 2 if operator is Operator.none else 3
    config = config_from_mapping(
        {
            "conv": {"kernel_size": [2, 3], "padding": [1, 0], "stride": [2, 1]},
            "downsample": {"operator": operator.name, "window": window},
            "model": {"first_layer": "locally_connected"},
            "evaluation": {"curves": ["shift", "scale"]},
        }
    )
    values = yaml.safe_load(yaml.safe_dump(config_to_mapping(config)))
    assert config_from_mapping(values) == config


def test_a_run_has_a_seed_and_an_arm_has_seeds() -> None:
    run, arm = config_to_mapping(Config()), yaml.safe_load(arm_text(Config()))
    assert run.keys() - arm.keys() == {"seed"}
    assert arm.keys() - run.keys() == {"seeds"}
    assert "scale" not in run


def test_names_folders_and_evaluation_decide_no_number() -> None:
    here = config_from_mapping({"arm": "a", "run_root": "x", "tracking": {"store": "none"}})
    there = config_from_mapping(
        {
            "arm": "b",
            "trainer": {"workers": 2},
            "data": {"root": "y", "fallback": None},
            "evaluation": {"curves": ["rotation"], "images": 100},
        }
    )
    assert numeric_identity(here) == numeric_identity(there)


def test_every_other_key_is_in_the_identity() -> None:
    left_out = ("arm", "run_root", "tracking", "evaluation", "scale", "seeds", *NOT_NUMERIC)
    wanted = {key for key in DEFAULTS if not within(key, left_out)}
    assert set(flattened(numeric_identity(Config()))) == wanted
