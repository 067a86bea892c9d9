"""A metric as people read it: label, unit, direction, decimals."""

from collections.abc import Sequence

from pydantic import Field

from convchoice.analysis.model import Model


class Measure(Model):
    """How differences of one metric are counted and shown."""

    metric: str
    """The metric's key in run folders, such as `test/accuracy`, or its name in a table."""
    label: str
    """The metric's name in text and figures."""
    unit: str
    """Unit of differences and of the margin: `percentage points`, `nats`, or empty."""
    short_unit: str
    """The same, abbreviated."""
    scale: float = Field(gt=0)
    """Factor from a difference of metric values to `unit`."""
    higher_is_better: bool
    """Whether larger values are better."""
    decimals: int = Field(ge=0, le=20)
    """Digits after the point with which a difference is shown."""

    @property
    def shown_unit(self) -> str:
        """Unit of a value, not of a difference: accuracies are shown in percent."""
        return "%" if self.unit == "percentage points" else self.unit

    @property
    def axis_label(self) -> str:
        """Label and unit, for an axis or a heading."""
        return f"{self.label}, {self.shown_unit}" if self.shown_unit else self.label

    def shown(self, values: Sequence[float]) -> list[float]:
        """Values in the unit in which they are shown."""
        return [self.scale * value for value in values]


def _part_and_quantity(metric: str) -> tuple[str, str]:
    """``test`` and ``accuracy`` of ``test/accuracy``; a name without a slash has no part."""
    part, slash, quantity = metric.partition("/")
    return (part, quantity) if slash else ("", part)


def known_direction(metric: str) -> bool | None:
    """Whether larger values of a metric are better; None if its name does not tell."""
    _, quantity = _part_and_quantity(metric)
    if "accuracy" in quantity or "consistency" in quantity:
        return True
    return False if quantity in {"nll", "loss"} else None


def measure_of(metric: str) -> Measure:
    """The measure of a metric key.

    Accuracies and consistencies are fractions of 1 for which larger is better; their differences
    are in percentage points. For every other metric smaller is better, in the metric's own unit.
    """
    part, quantity = _part_and_quantity(metric)
    part = {"train": "training", "val": "validation"}.get(part, part)
    label = f"{part} {quantity}".replace("_", " ").strip()
    higher = known_direction(metric) is True
    unit, short_unit, scale, decimals = "", "", 1.0, 4
    if higher:
        unit, short_unit, scale, decimals = "percentage points", "pp", 100.0, 2
    elif quantity in {"nll", "loss"}:
        unit = short_unit = "nats"
        if quantity == "nll":
            label = f"{part} negative log-likelihood".strip()
    return Measure(
        metric=metric,
        label=label,
        unit=unit,
        short_unit=short_unit,
        scale=scale,
        higher_is_better=higher,
        decimals=decimals,
    )
