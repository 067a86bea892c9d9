"""A metric as a person reads it: its label, its unit, which way it gets better.

The unit is part of every key in a comparison's JSON (`difference_percentage_points`), so that no
reader has to guess whether 0.1 is a tenth of the digits or a tenth of a percent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any


class Direction(Enum):
    """Which way a metric gets better."""

    higher = "higher"
    lower = "lower"


@dataclass(frozen=True)
class Measure:
    """How differences of one metric are counted and written."""

    metric: str
    """Key in a run folder's metrics, such as ``test/accuracy``."""
    label: str
    unit: str
    """Of differences and of the margin: ``percentage points``, ``nats``, or ``""``."""
    short_unit: str
    scale: float
    """What a difference in the metric's own unit is multiplied by to be in `unit`."""
    direction: Direction
    decimals: int
    """Digits after the point that a difference is shown with."""

    def key(self, name: str) -> str:
        """A JSON key that carries the unit, such as ``difference_percentage_points``."""
        return f"{name}_{self.unit.replace(' ', '_')}" if self.unit else name

    @property
    def shown_unit(self) -> str:
        """Unit of a value, not of a difference: accuracies are shown in percent."""
        return "%" if self.unit == "percentage points" else self.unit

    @property
    def axis_label(self) -> str:
        """Label and unit, as beside an axis."""
        return f"{self.label}, {self.shown_unit}" if self.shown_unit else self.label

    @property
    def block(self) -> dict[str, Any]:
        """The measure as a comparison's JSON has it; `measure_in` reads it."""
        return {
            "metric": self.metric,
            "label": self.label,
            "unit": self.unit,
            "short_unit": self.short_unit,
            "scale": self.scale,
            "higher_is_better": self.direction is Direction.higher,
            "decimals": self.decimals,
        }

    def shown(self, values: Sequence[float]) -> list[float]:
        """Values in the unit they are shown in."""
        return [self.scale * value for value in values]


def _part_and_quantity(metric: str) -> tuple[str, str]:
    """``test`` and ``accuracy`` of ``test/accuracy``; a name without a part is a quantity."""
    part, slash, quantity = metric.partition("/")
    return (part, quantity) if slash else ("", part)


def known_direction(metric: str) -> Direction | None:
    """Which way a metric gets better, where its name says so."""
    _, quantity = _part_and_quantity(metric)
    if "accuracy" in quantity or "consistency" in quantity:
        return Direction.higher
    return Direction.lower if quantity in {"nll", "loss"} else None


def measure_of(metric: str) -> Measure:
    """The measure of a metric's key.

    Accuracies and consistencies are fractions in run folders and get better upwards; their
    differences are counted in percentage points. Everything else (losses, errors) gets better
    downwards in its own unit.
    """
    part, quantity = _part_and_quantity(metric)
    part = {"train": "training", "val": "validation"}.get(part, part)
    label = f"{part} {quantity}".replace("_", " ").strip()
    if "accuracy" in quantity or "consistency" in quantity:
        return Measure(metric, label, "percentage points", "pp", 100.0, Direction.higher, 2)
    if quantity in {"nll", "loss"}:
        label = f"{part} negative log-likelihood".strip() if quantity == "nll" else label
        return Measure(metric, label, "nats", "nats", 1.0, Direction.lower, 4)
    return Measure(metric, label, "", "", 1.0, Direction.lower, 4)


def measure_in(comparison: Mapping[str, Any]) -> Measure:
    """The measure that a comparison was made with, as its `measure` says."""
    block = comparison["measure"]
    return Measure(
        metric=block["metric"],
        label=block["label"],
        unit=block["unit"],
        short_unit=block["short_unit"],
        scale=block["scale"],
        direction=Direction.higher if block["higher_is_better"] else Direction.lower,
        decimals=block["decimals"],
    )
