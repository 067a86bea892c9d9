"""A two-sided interval: what the statistics return and the result stores."""

from typing import NamedTuple


class Interval(NamedTuple):
    """A two-sided interval, in the unit of the values that it was computed from."""

    low: float
    high: float
