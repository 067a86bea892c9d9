"""Suggestions for a configuration whose layers do not fit: the nearest values that fit."""

from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import replace
from enum import Enum

from convchoice.config.pairs import PairValue, once, pair_of
from convchoice.config.schema import Config, Padding, PaddingMode
from convchoice.config.validation import validated
from convchoice.errors import UserError
from convchoice.networks.conv_arithmetic import GeometryError
from convchoice.networks.plan import Plan, plan

Shape = tuple[int, int, int]
Values = tuple[int, Callable[[int], object]]
"""A count, and the candidate value of each number from 1 to it, in ascending order."""


def _smaller(value: PairValue) -> Values:
    """Sizes below the larger side; the smaller side is reduced only where it must be."""
    height, width = pair_of(value)
    return max(height, width) - 1, lambda size: once((min(height, size), min(width, size)))


def _candidates(config: Config) -> Iterator[tuple[str, Values]]:
    """The keys that may make a configuration fit, with the values to try."""
    conv, downsample, steps = config.conv, config.downsample, config.model.downsample_after
    yield "conv.kernel_size", _smaller(conv.kernel_size)
    yield "downsample.window", _smaller(downsample.window)
    yield "conv.padding", (1, lambda _: Padding.same)
    yield "conv.padding_mode", (1, lambda _: PaddingMode.zeros)
    yield "conv.stride", _smaller(conv.stride)
    yield "downsample.stride", _smaller(downsample.stride)
    yield "model.downsample_after", (len(steps), lambda number: steps[: number - 1])


def _nearest(config: Config, shape: Shape | None, key: str, values: Values) -> str | None:
    """The override of `key` with the largest value that fits; None if there is none.

    Bisection, because a value may be any number that a user typed: values that are illegal are too
    small for another key (a kernel must exceed the padding), values that do not fit are too large.
    """
    (count, value_of), (group, _, name) = values, key.partition(".")

    def error(number: int) -> UserError | None:
        part = replace(getattr(config, group), **{name: value_of(number)})
        try:
            plan(validated(replace(config, **{group: part})), shape)
        except UserError as refusal:
            return refusal
        return None

    number = bisect_left(
        range(1, count + 1), True, key=lambda each: isinstance(error(each), GeometryError)
    )
    if number == 0 or error(number):
        return None
    value = value_of(number)
    return f"{key}={value.name if isinstance(value, Enum) else str(value).replace(' ', '')}"


def what_fits(config: Config, input_shape: Shape | None = None) -> list[str]:
    """The smallest changes of one key that make a configuration fit, as overrides.

    Args:
        config: a configuration whose layers do not fit.
        input_shape: (C, H, W) of an image; None takes the shape of the configuration's data.

    Returns:
        For each key that helps, its nearest value: a smaller kernel or window, "same" padding,
        zero padding, smaller strides, fewer downsampling steps.
    """
    found = (_nearest(config, input_shape, key, values) for key, values in _candidates(config))
    return [override for override in found if override is not None]


def fitting_plan(config: Config, input_shape: Shape | None = None) -> Plan:
    """The plan of a configuration, or an error that suggests what would fit.

    Raises:
        GeometryError: with the first layer that does not fit, its sizes, the rule, and the nearest
            changes that fit.
    """
    try:
        return plan(config, input_shape)
    except GeometryError as error:
        fits = what_fits(config, input_shape)
        fix = f"What fits: {', '.join(fits)}." if fits else "No change of one key makes it fit."
        raise GeometryError(f"{error} {fix}") from None
