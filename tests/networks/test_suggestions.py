"""What would fit, when something does not: it must really fit, and be the nearest."""

import re
from typing import Any

import pytest

from convchoice.config.validation import config_from_mapping, config_to_mapping
from convchoice.networks.plan import GeometryError, plan
from convchoice.networks.suggestions import fitting_plan, what_fits


def overridden(values: dict[str, Any], override: str) -> dict[str, Any]:
    (group, key), text = override.partition("=")[0].split("."), override.partition("=")[2]
    value: Any = text
    if text.startswith("["):
        value = [int(part) for part in text.strip("[]").split(",") if part]
    elif text.isdigit():
        value = int(text)
    values[group] = values[group] | {key: value}
    return values


@pytest.mark.parametrize(
    ("values", "fits"),
    [
        (
            {"conv": {"kernel_size": 7}},
            [
                "conv.kernel_size=4",
                "conv.padding=same",
                "downsample.stride=1",
                "model.downsample_after=[]",
            ],
        ),
        ({"conv": {"kernel_size": 28}}, ["conv.kernel_size=4", "conv.padding=same"]),
        (
            {"conv": {"kernel_size": [3, 12]}},
            ["conv.kernel_size=[3,4]", "conv.padding=same"],
        ),
        (
            {"conv": {"stride": [1, 3]}},
            [
                "conv.kernel_size=1",
                "conv.padding=same",
                "conv.stride=1",
                "model.downsample_after=[]",
            ],
        ),
        (
            {"downsample": {"operator": "weighted", "window": 20, "padding": 1}},
            ["downsample.window=7", "model.downsample_after=[1]"],
        ),
    ],
)
def test_the_mend_really_fits(values: dict[str, Any], fits: list[str]) -> None:
    config = config_from_mapping(values)
    assert what_fits(config) == fits
    for override in fits:
        plan(config_from_mapping(overridden(config_to_mapping(config), override)))
    with pytest.raises(GeometryError, match=re.escape(f"What fits: {fits[0]}")):
        fitting_plan(config)


def test_a_padding_that_there_are_no_pixels_for_can_be_zeros() -> None:
    """The first block's map is pooled down to one pixel, and two cannot be taken from round it."""
    config = config_from_mapping(
        {
            "conv": {"padding": "full", "padding_mode": "circular"},
            "downsample": {"window": 16, "stride": 16},
            "model": {"downsample_after": [1]},
        }
    )
    with pytest.raises(GeometryError) as refused:
        fitting_plan(config)
    assert str(refused.value).startswith(
        "block2.convolution: padding_mode=circular can add at most 1 pixels to an axis of 1, but a"
        " 3×3 kernel on a 1×1 input asks for 2. What fits: conv.kernel_size=2, or "
    )
    assert "conv.padding_mode=zeros" in what_fits(config)


def test_every_mend_is_a_legal_configuration() -> None:
    """A smaller window than 3 would fit, but would not be weighted pooling."""
    config = config_from_mapping(
        {"conv": {"padding": 2}, "downsample": {"operator": "weighted", "window": 40}}
    )
    fits = what_fits(config)
    assert not [text for text in fits if "kernel_size" in text]  # too small for the padding
    for override in fits:
        config_from_mapping(overridden(config_to_mapping(config), override))


def test_what_fits_needs_no_mend() -> None:
    config = config_from_mapping({})
    assert fitting_plan(config) == plan(config)
