"""The smallest and the largest of the arms' numbers, with their arms, as text."""

from collections.abc import Mapping, Sequence

from convchoice.analysis import text

NAMED_ARMS = 2
"""Up to this many arms with the same number are named."""


def span(numbers: Mapping[str, float], decimals: int, unit: str = "") -> str:
    """Smallest and largest number with their arms: ``1.2 % (a) to 3.4 % (b and c)``.

    Numbers that are written alike count as equal.
    """
    written = {arm: text.number(value, decimals) for arm, value in numbers.items()}
    least, most = (written[choose(numbers, key=lambda arm: numbers[arm])] for choose in (min, max))
    if least == most:
        return f"{least}{unit}" if len(numbers) == 1 else f"{least}{unit} (every arm)"
    return " to ".join(
        f"{end}{unit} ({named([arm for arm, words in written.items() if words == end])})"
        for end in (least, most)
    )


def named(arms: Sequence[str]) -> str:
    """Arms by name, or their number if there are too many for a title."""
    return text.listed(arms) if len(arms) <= NAMED_ARMS else f"{len(arms)} arms"
