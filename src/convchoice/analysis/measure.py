"""A metric as people read it: label, unit, direction, decimals; its values over seeds."""

import math
from collections.abc import Iterable, Sequence

import numpy as np
from pydantic import Field

from convchoice.analysis.result_types import Interval, Model, Scale
from convchoice.analysis.statistics import mean_interval
from convchoice.errors import UserError

MOST_DECIMALS = 12
FRACTIONS = ("accuracy", "consistency", "ink_lost")
"""Parts of the names of metrics between 0 and 1."""
AT_LEAST_0 = {"nll", "loss", "seconds", "error_interior", "error_whole", "half_pixels", "gradient"}
"""Names of quantities that are never below 0."""
EDGE_USE = "use/edge_pixels"
"""Mean absolute gradient in the outermost ring of pixels, relative to the mean pixel's."""
OTHERS = {
    "cost/parameters": ("parameters", "", False, 0),
    "cost/macs": ("multiply-accumulates", "", False, 0),
    "cost/activation_bytes": ("memory of the activations", "bytes", False, 0),
    EDGE_USE: ("use of edge pixels", "", True, 2),
}
"""Metrics of claims besides scores: label, unit, whether higher is better, decimals."""


class Measure(Model):
    """How differences of one metric are counted and shown."""

    metric: str = Field(description="Key in run folders, such as `test/accuracy`, or in a table.")
    label: str = Field(description="The metric's name in text and figures.")
    unit: str = Field(description="Of differences: `percentage points`, `nats`, or empty.")
    short_unit: str = Field(description="The same, abbreviated.")
    scale: float = Field(gt=0, description="Factor from a difference of values to `unit`.")
    higher_is_better: bool = Field(description="Whether larger values are better.")
    decimals: int = Field(ge=0, le=20, description="Digits after the point of a difference.")

    @property
    def shown_unit(self) -> str:
        """Unit of a value, not of a difference: accuracies are shown in percent."""
        return "%" if self.unit == "percentage points" else self.unit

    @property
    def axis_label(self) -> str:
        """Label and unit, for an axis or a heading."""
        return f"{self.label}, {self.shown_unit}" if self.shown_unit else self.label

    @property
    def is_exact(self) -> bool:
        """Whether its values follow from the network alone and are the same with every seed."""
        return self.metric in OTHERS and self.metric.startswith("cost/")

    def bounded(self, interval: Interval | None) -> Interval | None:
        """An interval of a difference, within ±100 percentage points if it is one of fractions."""
        if interval is None or self.unit != "percentage points":
            return interval
        return Interval(max(interval[0], -100.0), min(interval[1], 100.0))

    def shown(self, values: Sequence[float]) -> list[float]:
        """Values in the unit in which they are shown."""
        return [self.scale * value for value in values]


def scale_of(metric: str, values: Iterable[float]) -> Scale:
    """The scale of intervals of a metric's mean: no accuracy above 1, no loss below 0."""
    quantity, found = metric.rpartition("/")[2], list(values)
    if any(part in quantity for part in FRACTIONS) and all(0 <= each <= 1 for each in found):
        return Scale.logit
    if quantity in AT_LEAST_0 and all(each >= 0 for each in found):
        return Scale.log
    return Scale.natural


def known_direction(metric: str) -> bool | None:
    """Whether larger values of a metric are better; None if its name does not imply it."""
    quantity = metric.rpartition("/")[2]
    if "accuracy" in quantity or "consistency" in quantity:
        return True
    return False if quantity in {"nll", "loss"} else None


def is_score(metric: str) -> bool:
    """Whether run folders have a metric, and its name implies which direction is better."""
    part, _, quantity = metric.partition("/")
    return part in {"train", "val", "test"} and known_direction(quantity) is not None


def measure_of(metric: str) -> Measure:
    """The measure of a metric key.

    Accuracies and consistencies are fractions of 1 for which larger is better; their differences
    are in percentage points. For every other metric smaller is better, in the metric's own unit.
    """
    if metric in OTHERS:
        label, unit, higher, decimals = OTHERS[metric]
        return Measure(
            metric=metric, label=label, unit=unit, short_unit=unit, scale=1.0,
            higher_is_better=higher, decimals=decimals,
        )  # fmt: skip
    part, _, quantity = metric.rpartition("/")
    part = {"train": "training", "val": "validation"}.get(part, part)
    name = "negative log-likelihood" if quantity == "nll" else quantity
    higher = known_direction(metric) is True
    unit = "nats" if quantity in {"nll", "loss"} else ""
    return Measure(
        metric=metric,
        label=f"{part} {name}".replace("_", " ").strip(),
        unit="percentage points" if higher else unit,
        short_unit="pp" if higher else unit,
        scale=100.0 if higher else 1.0,
        higher_is_better=higher,
        decimals=2 if higher else 4,
    )


def own_measure(
    metric: str, values: Iterable[float], *, higher_is_better: bool | None, margin: float
) -> Measure:
    """How the values of a table are counted: in their own unit, an accuracy of 0.99 as 0.99.

    Args:
        metric: its name.
        values: are shown with three significant digits of the largest, or those of the margin.
        higher_is_better: None if the name implies it.
        margin: δ, in the values' unit.

    Raises:
        UserError: if neither the name nor the caller gives the better direction.
    """
    direction = known_direction(metric) if higher_is_better is None else higher_is_better
    if direction is None:
        raise UserError(
            f"{metric}: the name does not imply which direction is better."
            " Add --higher-is-better or --lower-is-better."
        )
    largest = max(map(abs, values), default=0.0) or 1.0
    wanted = max(1 - math.floor(math.log10(margin)), 2 - math.floor(math.log10(largest)))
    return Measure(
        metric=metric, label=metric, unit="", short_unit="", scale=1.0,
        higher_is_better=direction, decimals=min(MOST_DECIMALS, max(0, wanted)),
    )  # fmt: skip


class Sample(Model):
    """One metric over the seeds of an arm, in the metric's own unit (accuracy: fraction of 1)."""

    mean: float = Field(description="Mean over seeds.")
    interval_95: Interval | None = Field(
        description="t interval, on the logit or log scale where values have bounds; null for a"
        " single seed."
    )
    values: list[float] = Field(min_length=1, description="One a seed, in their order.")


def sample(values: Sequence[float], metric: str) -> Sample:
    """Values of a metric over seeds with their mean and its 95 % t interval."""
    interval = mean_interval(values, scale=scale_of(metric, values))
    return Sample(mean=float(np.mean(values)), interval_95=interval, values=list(values))
