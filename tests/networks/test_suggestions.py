"""Suggestions fit, are legal, and are the nearest values."""

import re
from typing import Any

import pytest
import yaml

from convchoice.config.validation import config_from_mapping, config_to_mapping
from convchoice.networks.conv_arithmetic import GeometryError
from convchoice.networks.plan import plan
from convchoice.networks.suggestions import fitting_plan, what_fits


def overridden(values: dict[str, Any], override: str) -> dict[str, Any]:
    path, _, text = override.partition("=")
    group, _, key = path.partition(".")
    return {**values, group: values[group] | {key: yaml.safe_load(text)}}


@pytest.mark.parametrize(
    ("values", "fits"),
    [
        (
            "conv: {kernel_size: 7}",
            "conv.kernel_size=4 conv.padding=same downsample.stride=1 model.downsample_after=[]",
        ),
        ("conv: {kernel_size: [3, 12]}", "conv.kernel_size=[3,4] conv.padding=same"),
        (
            "conv: {stride: [1, 3]}",
            "conv.kernel_size=1 conv.padding=same conv.stride=1 model.downsample_after=[]",
        ),
        (
            "downsample: {operator: weighted, window: 20, padding: 1}",
            "downsample.window=7 model.downsample_after=[1]",
        ),
        # A kernel of 2 or less fits, but would be smaller than the padding; so would a window of 2,
        # which is not weighted pooling. Weighting has no effect without downsampling.
        (
            "{conv: {padding: 2}, downsample: {operator: weighted, window: 40}}",
            "downsample.window=12",
        ),
        # The largest sizes that a configuration may have.
        ("conv: {kernel_size: 256}", "conv.kernel_size=4 conv.padding=same"),
        ("downsample: {window: 256}", "downsample.window=5"),
        ("conv: {stride: 256}", "conv.stride=1"),
        ("conv: {kernel_size: [256, 256], padding: [248, 3]}", "conv.padding=same"),
    ],
)
def test_suggestions_are_the_nearest_values_that_fit(values: str, fits: str) -> None:
    config = config_from_mapping(yaml.safe_load(values))
    overrides = fits.split()
    assert what_fits(config) == overrides
    for override in overrides:
        plan(config_from_mapping(overridden(config_to_mapping(config), override)))
    with pytest.raises(GeometryError, match=re.escape(f"What fits: {overrides[0]}")):
        fitting_plan(config)


def test_suggestion_for_padding_that_the_mode_cannot_supply() -> None:
    """The map of block 1 has one pixel: circular padding cannot add two."""
    conv = {"padding": "full", "padding_mode": "circular"}
    downsample, model = {"window": 16, "stride": 16}, {"downsample_after": [1]}
    config = config_from_mapping({"conv": conv, "downsample": downsample, "model": model})
    expected = (
        "block2.convolution: padding_mode=circular can add at most 1 pixels to an axis of 1, but a"
        " 3×3 kernel on a 1×1 input needs 2. What fits: conv.kernel_size=2, downsample.window=14,"
        " conv.padding=same, conv.padding_mode=zeros, "
    )
    with pytest.raises(GeometryError, match=re.escape(expected)):
        fitting_plan(config)
