"""One number for both axes, or [height, width]: the canonical form of such configuration values.

Equal values have one form: a plain number where both axes agree, else a list of two. So equal
configurations compare equal and write the same bytes, however they were given.
"""

from collections.abc import Sequence

from convchoice.errors import ConfigurationError

Pair = tuple[int, int]
"""(along the height, along the width)."""
PairValue = int | list[int]
"""The canonical form in a configuration: one number for both axes, or [height, width]."""

LARGEST = 2**31


def pair_of(value: PairValue) -> Pair:
    """Both axes' numbers of a canonical value."""
    if isinstance(value, list):
        height, width = value
        return height, width
    return value, value


def once(pair: Pair) -> PairValue:
    """The canonical value of both axes' numbers: one number where they agree."""
    height, width = pair
    return height if height == width else [height, width]


def shown(pair: Pair) -> str:
    """A pair as people read it, once where its numbers agree: ``3``, or ``3×5``."""
    height, width = pair
    return f"{height:,}" if height == width else f"{height:,}×{width:,}"


def is_pair_value(value: object, least: int) -> bool:
    """Whether a value is a whole number of at least `least`, or a sequence of two such numbers."""
    numbers = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    whole = all(
        isinstance(number, int) and not isinstance(number, bool) and least <= number < LARGEST
        for number in numbers
    )
    return whole and (numbers is not value or len(numbers) == 2)  # noqa: PLR2004 - height and width


def canonical_pair(name: str, value: object, least: int) -> PairValue:
    """The canonical form of what was given for key `name`.

    Raises:
        ConfigurationError: unless it is a whole number of at least `least`, or two of them.
    """
    if not is_pair_value(value, least):
        raise ConfigurationError(
            name,
            value,
            f"must be a whole number of at least {least}, or [height, width] of two such numbers.",
        )
    if isinstance(value, Sequence):
        height, width = value
        return once((height, width))
    assert isinstance(value, int)  # noqa: S101 - `is_pair_value` says so
    return value
