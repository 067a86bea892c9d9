"""Rules of the blocks' keys: sizes of one number or two, padding, and what has an effect."""

from typing import Any

import pytest
import yaml

from convchoice.config.arm import arm_from_mapping
from convchoice.config.composition import compose_arm, compose_values
from convchoice.config.identity import numeric_identity
from convchoice.config.schema import Operator, Padding
from convchoice.config.validation import (
    config_from_mapping,
    config_to_mapping,
)
from convchoice.errors import ConfigurationError


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"kernel_size": 5}, {"kernel_size": [5, 5]}),
        ({"stride": 2}, {"stride": [2, 2]}),
        ({"padding": 1}, {"padding": [1, 1]}),
        ({"padding": "valid"}, {"padding": 0}),
        ({"padding": "valid"}, {"padding": [0, 0]}),
        ({"padding": "same"}, {"padding": Padding.same}),
    ],
)
def test_equal_configurations_are_equal_however_they_were_given(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    both = [
        {"arm": "a", "model": {"downsample_after": []}, "conv": values} for values in (one, other)
    ]
    first, second = (config_from_mapping(values) for values in both)
    assert first == second
    assert numeric_identity(first) == numeric_identity(second)
    assert len({arm_from_mapping(values, "test").to_yaml() for values in both}) == 1


def test_the_command_line_takes_a_number_a_pair_or_a_word() -> None:
    overrides = ["conv.kernel_size=[3,5]", "conv.padding=[1,2]", "conv.stride=[1,1]"]
    arm = compose_arm("max", "quick", overrides)
    assert arm.config.conv.kernel_size == [3, 5]
    assert arm.config.conv.padding == [1, 2]
    assert arm.config.conv.stride == 1
    written = yaml.safe_load(arm.to_yaml())
    assert written["conv"]["kernel_size"] == [3, 5]
    assert config_from_mapping(written).conv == arm.config.conv
    values = config_from_mapping(compose_values(["conv.padding=same"], "test"))
    assert values.conv.padding is Padding.same


def test_a_composed_file_of_plain_numbers_stays_as_it_was() -> None:
    text = compose_arm("max", "quick").to_yaml()
    assert "conv:\n  kernel_size: 3\n  padding: valid\n  padding_mode: zeros\n  stride: 1\n" in text


@pytest.mark.parametrize("operator", list(Operator))
def test_values_come_back_the_same(operator: Operator) -> None:
    values = {
        "conv": {"kernel_size": [2, 3], "padding": [1, 0], "stride": [2, 1]},
        "downsample": {"operator": operator.name, "window": 3},
        "model": {"first_layer": "locally_connected"},
    }
    config = config_from_mapping(values)
    assert config_from_mapping(config_to_mapping(config)) == config


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"conv": {"kernel_size": [3]}},
            r"kernel_size = \[3\]: must be a whole number .* or \[heig",
        ),
        ({"conv": {"kernel_size": True}}, r"kernel_size = True: must be"),
        ({"conv": {"stride": [1, 0]}}, r"conv\.stride = \[1, 0\]: must be"),
        ({"conv": {"padding": "smae"}}, r"one of \[valid, same, full\], .* Did you mean same\?"),
        ({"conv": {"padding": -1}}, r"conv\.padding = -1: expected one of"),
        (
            {"conv": {"padding": 3}},
            r"at most the kernel size less 1 \(2 for a kernel of 3\), or an",
        ),
        (
            {"conv": {"kernel_size": [1, 5], "padding": 1}},
            r"conv\.padding = 1: .* \(0×4 for a kernel of 1×5\).* Use conv\.padding=full",
        ),
        (
            {"downsample": {"operator": "max_blur", "kernel_size": 1}},
            r"kernel_size = 1: a blur of one pixel is none.* Use downsample=max",
        ),
        (
            {"downsample": {"operator": "maxout", "pieces": 1}},
            r"pieces = 1: the largest of one .* exactly max pooling\. Use downsample=max",
        ),
        ({"downsample": {"pieces": 2}}, r"pieces = 2: has an effect with maxout only"),
        (
            {"downsample": {"operator": "maxout", "pieces": 0}},
            r"downsample\.pieces = 0: must be a whole number of at least 1",
        ),
        (
            {"downsample": {"operator": "l2", "kernel_size": 5}},
            r"kernel_size = 5: has an effect with all_conv, conv_pool and max_blur only",
        ),
        (
            {"downsample": {"operator": "depthwise", "sigma": 2.0}},
            r"sigma = 2\.0: has an effect with weighted pooling only",
        ),
        ({"downsample": {"operator": "all_conv", "padding": 1}}, r"all_conv has no pooling window"),
        (
            {"conv": {"padding": 0, "padding_mode": "circular"}},
            r"padding_mode = 'circular': has an",
        ),
        (
            {"conv": {"kernel_size": 1, "padding": "same", "padding_mode": "circular"}},
            r"padding_mode = 'circular': has an effect with",
        ),
        (
            {
                "conv": {"padding": "same", "padding_mode": "circular"},
                "model": {"filters": [4], "downsample_after": [], "first_layer": "dense"},
            },
            r"padding_mode = 'circular': has an effect with",
        ),
        (
            {"model": {"first_layer": "local"}},
            r"must be one of convolution, locally_connected, dense",
        ),
    ],
)
def test_what_is_not_legal_is_refused_by_name(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        config_from_mapping(values)


@pytest.mark.parametrize(
    "values",
    [
        {"conv": {"padding": 1, "padding_mode": "reflect"}},
        {"conv": {"padding_mode": "reflect"}, "downsample": {"operator": "conv_pool"}},
        {
            "conv": {"padding_mode": "reflect"},
            "downsample": {"operator": "depthwise", "padding": 1},
        },
        {"downsample": {"operator": "max_blur", "kernel_size": 5}},
        {"downsample": {"operator": "maxout", "pieces": 2}},
        {"conv": {"kernel_size": [7, 1], "padding": [6, 0]}},
    ],
)
def test_what_has_an_effect_is_taken(values: dict[str, Any]) -> None:
    assert config_from_mapping(values)
