"""One number for both axes, or [height, width]: the canonical form of a size.

Equal sizes have one form: a number where both axes agree, else a list of two. So equal
configurations compare equal and write the same bytes.
"""

from typing import Any

Pair = tuple[int, int]
"""(along the height, along the width)."""
PairValue = int | list[int]
"""The canonical form in a configuration: one number for both axes, or [height, width]."""


def pair_of(value: PairValue) -> Pair:
    """Both axes' numbers of a canonical value."""
    if isinstance(value, list):
        height, width = value
        return height, width
    return value, value


def once(pair: Pair) -> PairValue:
    """The canonical value of a pair: one number where both agree."""
    height, width = pair
    return height if height == width else [height, width]


def shown(pair: Pair) -> str:
    """A pair for messages, once where both agree: ``3``, or ``3×5``."""
    height, width = pair
    return f"{height:,}" if height == width else f"{height:,}×{width:,}"


def canonical(value: Any, least: int, most: int) -> PairValue:
    """The canonical form of one number or two from `least` to `most`; ValueError for all else."""
    numbers = value if isinstance(value, list | tuple) and len(value) == 2 else (value, value)  # noqa: PLR2004
    if all(type(number) is int and least <= number <= most for number in numbers):
        return once((numbers[0], numbers[1]))
    rule = f"must be a whole number from {least} to {most}, or [height, width] of two such numbers."
    raise ValueError(rule)
