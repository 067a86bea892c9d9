"""Suggestions for a configuration whose layers do not fit: the nearest values that fit."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from enum import Enum

from convchoice.config.field_types import PairValue, once, pair_of
from convchoice.config.schema import Config, Padding, PaddingMode
from convchoice.config.validation import validated
from convchoice.errors import UserError
from convchoice.networks.conv_arithmetic import GeometryError
from convchoice.networks.plan import Plan, plan

Shape = tuple[int, int, int]


def _smaller(value: PairValue) -> Iterator[PairValue]:
    """Smaller sizes, the largest first; the smaller side is reduced only where it must be."""
    height, width = pair_of(value)
    for most in range(max(height, width) - 1, 0, -1):
        yield once((min(height, most), min(width, most)))


def _candidates(config: Config) -> Iterator[tuple[str, str, Iterable[object]]]:
    """Group and key that may make a configuration fit, with the values to try in order."""
    conv, downsample, blocks = config.conv, config.downsample, config.model.downsample_after
    yield "conv", "kernel_size", _smaller(conv.kernel_size)
    yield "downsample", "window", _smaller(downsample.window)
    yield "conv", "padding", [Padding.same]
    yield "conv", "padding_mode", [PaddingMode.zeros]
    yield "conv", "stride", _smaller(conv.stride)
    yield "downsample", "stride", _smaller(downsample.stride)
    yield "model", "downsample_after", [blocks[:count] for count in reversed(range(len(blocks)))]


def what_fits(config: Config, input_shape: Shape | None = None) -> list[str]:
    """The smallest changes of one key that make a configuration fit, as overrides.

    For each key that helps, its nearest value: a smaller kernel or window, "same" padding, zero
    padding, smaller strides, fewer downsampling steps. See `plan` for the arguments.
    """
    found = []
    for group, key, values in _candidates(config):
        for value in values:
            part = replace(getattr(config, group), **{key: value})
            try:
                plan(validated(replace(config, **{group: part})), input_shape)
            except UserError:
                continue
            text = value.name if isinstance(value, Enum) else str(value).replace(" ", "")
            found.append(f"{group}.{key}={text}")
            break
    return found


def fitting_plan(config: Config, input_shape: Shape | None = None) -> Plan:
    """The plan of a configuration, or an error that suggests what would fit.

    Raises:
        GeometryError: with the first layer that does not fit, its sizes, the rule, and the nearest
            changes that fit.
    """
    if config.network:
        from convchoice.networks.own_network import own_plan  # noqa: PLC0415 - torch takes long

        return own_plan(config)
    try:
        return plan(config, input_shape)
    except GeometryError as error:
        fits = what_fits(config, input_shape)
        fix = f"What fits: {', '.join(fits)}." if fits else "No change of one key makes it fit."
        raise GeometryError(f"{error} {fix}") from None
