"""A margin: the smallest difference that matters, as a number or as a share of errors."""

import re
from typing import Annotated, Any

from pydantic import BeforeValidator

DEFAULT_MARGIN = 0.10
SMALLEST_MARGIN, LARGEST_MARGIN = 1e-9, 1e9
ERROR_SHARE = re.compile(r"(\d{1,3}(?:\.\d{1,6})?) ?% of errors")
MARGIN_RULE = (
    f"must be a number from {SMALLEST_MARGIN:g} to {LARGEST_MARGIN:g}, or a share of the"
    " reference's errors from 0.1 to 100, such as `10% of errors`."
)


def _margin(value: Any) -> float | str:
    """A margin as a number, or as text that is a share of errors."""
    if isinstance(value, str) and (share := ERROR_SHARE.fullmatch(value.strip())):
        legal = 0.1 <= float(share[1]) <= 100  # noqa: PLR2004 - as the rule says
        value = f"{share[1]}% of errors"
    else:
        legal = isinstance(value, float | int) and not isinstance(value, bool)
        legal = legal and SMALLEST_MARGIN <= value <= LARGEST_MARGIN
    if not legal:
        raise ValueError(MARGIN_RULE)
    return value if isinstance(value, str) else float(value)


Margin = Annotated[float | str, BeforeValidator(_margin)]
"""δ: in percentage points for an accuracy, in the metric's own unit otherwise; or a share of the
reference's errors, ``10% of errors``."""


def margin_points(margin: float | str, reference_accuracy: float) -> float:
    """A margin as a number, in the unit of the differences.

    Args:
        margin: of a study.
        reference_accuracy: mean of the reference's seeds, a fraction of 1; a margin that is a
            share of errors is that share of its complement, in percentage points.
    """
    if not isinstance(margin, str):
        return margin
    return float(margin.partition("%")[0]) * (1 - reference_accuracy)
