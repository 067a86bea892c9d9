"""What would fit, when something does not: it must really fit, and be the nearest."""

from typing import Any

import pytest

from convchoice.configuration import config_from_mapping, config_to_mapping
from convchoice.fitting import fitting_plan, what_fits
from convchoice.geometry import GeometryError, plan


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
            ["conv.kernel_size=4", "conv.padding=same", "model.downsample_after=[]"],
        ),
        ({"conv": {"kernel_size": 28}}, ["conv.kernel_size=4", "conv.padding=same"]),
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
    with pytest.raises(GeometryError, match=f"What fits: {fits[0]}"):
        fitting_plan(config)


def test_what_fits_needs_no_mend() -> None:
    config = config_from_mapping({})
    assert fitting_plan(config) == plan(config)
