"""What would fit, when a configuration's layers do not: the mend beside the refusal."""

from collections.abc import Iterator
from dataclasses import replace
from enum import Enum
from typing import Any

from convchoice.config.pairs import PairValue, once, pair_of
from convchoice.config.schema import Config, Padding, PaddingMode
from convchoice.config.validation import validated
from convchoice.errors import UserError
from convchoice.networks.plan import GeometryError, Plan, plan

Candidate = tuple[str, Config]
"""A change of one key as an override, and the configuration that it makes."""


def _fits(config: Config, input_shape: tuple[int, int, int] | None) -> bool:
    try:
        plan(validated(config), input_shape)
    except UserError:
        return False
    return True


def _changed(config: Config, group: str, key: str, value: Any) -> Candidate:
    """`config` with one key changed, and the override that says so."""
    changed = replace(config, **{group: replace(getattr(config, group), **{key: value})})
    word = value.name if isinstance(value, Enum) else str(value).replace(" ", "")
    return f"{group}.{key}={word}", changed


def _smaller(value: PairValue) -> Iterator[PairValue]:
    """A size with the larger side cut down pixel by pixel, then both."""
    height, width = pair_of(value)
    for size in range(max(height, width) - 1, 0, -1):
        yield once((min(height, size), min(width, size)))


def _candidates(config: Config) -> Iterator[Iterator[Candidate]]:
    """Changes of one key, the smallest change first."""
    conv, downsample, steps = config.conv, config.downsample, config.model.downsample_after
    for group, key, values in (
        ("conv", "kernel_size", _smaller(conv.kernel_size)),
        ("downsample", "window", _smaller(downsample.window)),
        ("conv", "padding", [Padding.same]),
        ("conv", "padding_mode", [PaddingMode.zeros]),
        ("conv", "stride", _smaller(conv.stride)),
        ("downsample", "stride", _smaller(downsample.stride)),
        ("model", "downsample_after", [steps[:n] for n in range(len(steps) - 1, -1, -1)]),
    ):
        yield (_changed(config, group, key, value) for value in values)


def what_fits(config: Config, input_shape: tuple[int, int, int] | None = None) -> list[str]:
    """The smallest changes of one key each that make a configuration fit, as overrides.

    Args:
        config: a configuration whose layers do not fit.
        input_shape: (C, H, W) of one image; None takes that of the configuration's data.

    Returns:
        Of each key that can mend it the nearest value: a smaller kernel, a smaller window, "same"
        padding, zeros in it, smaller strides, fewer downsampling steps.
    """
    found = (
        next((text for text, changed in tried if _fits(changed, input_shape)), None)
        for tried in _candidates(config)
    )
    return [text for text in found if text is not None]


def fitting_plan(config: Config, input_shape: tuple[int, int, int] | None = None) -> Plan:
    """The plan of a configuration, or a refusal that says what would fit.

    Raises:
        GeometryError: naming the first layer that does not fit, its sizes, the rule, and the
            nearest changes that would fit.
    """
    try:
        return plan(config, input_shape)
    except GeometryError as error:
        fits = what_fits(config, input_shape)
        mend = f"What fits: {', or '.join(fits)}." if fits else "No change of one key makes it fit."
        raise GeometryError(f"{error} {mend}") from None
