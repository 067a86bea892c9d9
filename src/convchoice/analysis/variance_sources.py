"""Sources of variance: how much of the spread between runs comes from which seed."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, JsonValue

from convchoice.analysis.measure import Measure
from convchoice.analysis.provenance import Provenance
from convchoice.analysis.result_types import Count, Interval, Model, Name

VARIANCE = "variance.json"
"""The result's file, in the folder `variance` of a study's report."""
SOURCES = {
    "model.weights_seed": "initial weights",
    "data.order_seed": "order of images",
    "data.subset_seed": "training subset",
}
"""The keys that fix one source of randomness each, and its name."""
REST = "interactions"
DRAWS = 1_000
"""Designs that the ranges of shares are taken from."""
Floats = NDArray[np.float64]


class Decomposition(Model):
    """The variance of one arm's metric, or of a contrast's difference, by source."""

    arm: Name = Field(description="The arm.")
    reference: Name | None = Field(description="Null for the arm's own metric.")
    standard_deviation: float = Field(description="Over all runs, in the measure's unit.")
    components: dict[str, float] = Field(description="Variance by source, in the unit squared.")
    ranges: dict[str, Interval] = Field(
        description="The share of each source in 95 % of designs that have these components."
    )

    @property
    def shares(self) -> dict[str, float]:
        """Each source's share of the sum of the components; all 0 without any variance."""
        return _shares(self.components)


class VarianceSources(Model):
    """The content of `variance.json`."""

    schema_version: Literal[2] = 2
    study: Name = Field(description="The study's name.")
    measure: Measure = Field(description="How values are counted.")
    levels: dict[str, Count] = Field(description="Number of seeds of each source.")
    values: dict[Name, JsonValue] = Field(
        description="The value of each run by arm, in nested lists: a depth for each source."
    )
    decompositions: list[Decomposition] = Field(description="Of arms, then of contrasts.")
    provenance: Provenance = Field(description="How the values were made.")


def _shares(parts: Mapping[str, float]) -> dict[str, float]:
    total = sum(parts.values())
    return {name: value / total if total else 0.0 for name, value in parts.items()}


def components(values: Floats, names: Sequence[str]) -> dict[str, float]:
    """Variance components of a balanced crossed design with one value a cell.

    Every axis is a random factor. Its component is (its mean square − that of the rest) divided by
    the number of values at each of its levels, at least 0; what the factors' sums do not explain
    is `REST`. For balanced data and positive components this is the REML estimate of the mixed
    model. Source: Searle, Casella and McCulloch (1992), Variance Components, chapter 4.

    Args:
        values: an axis of at least 2 levels a factor.
        names: of the factors.
    """
    mean = values.mean()
    squares, rest = {}, values - mean
    for axis, name in enumerate(names):
        others = tuple(other for other in range(values.ndim) if other != axis)
        effects = values.mean(axis=others, keepdims=True) - mean
        count = values.size // values.shape[axis]
        squares[name] = (count * float(np.square(effects).sum()) / (values.shape[axis] - 1), count)
        rest = rest - effects
    freedom = values.size - 1 - sum(size - 1 for size in values.shape)
    left = float(np.square(rest).sum()) / freedom
    found = {name: max(0.0, (square - left) / count) for name, (square, count) in squares.items()}
    return {**found, REST: left}


def ranges(parts: Mapping[str, float], shape: Sequence[int]) -> dict[str, Interval]:
    """How far shares scatter in designs of this size: a parametric bootstrap.

    Args:
        parts: the components of the sources, in the order of the axes, and `REST`.
        shape: the number of levels of each source.

    Returns:
        From the 2.5th to the 97.5th percentile of each share in `DRAWS` designs of normal values.
    """
    random, drawn = np.random.default_rng(0), []
    *deviations, rest = np.sqrt(list(parts.values()))
    sizes = np.where(np.eye(len(shape), dtype=bool), shape, 1)  # an axis for each source's effects
    for _ in range(DRAWS):
        values = random.normal(0, rest, shape)
        for deviation, size in zip(deviations, sizes, strict=True):
            values = values + random.normal(0, deviation, size)
        drawn.append(list(_shares(components(values, list(parts)[:-1])).values()))
    ends = np.percentile(drawn, [2.5, 97.5], axis=0)
    return {name: Interval(*map(float, both)) for name, both in zip(parts, ends.T, strict=True)}


def decompositions(
    found: Mapping[str, Floats], pairs: Sequence[tuple[str, str]], names: Sequence[str]
) -> list[Decomposition]:
    """The decompositions of every arm, then of every contrast.

    Args:
        found: values by arm, (levels of each source), in the unit of the report.
        pairs: the study's contrasts.
        names: of the sources, in the order of the axes.
    """
    differences = {pair: found[pair[0]] - found[pair[1]] for pair in pairs}
    decomposed = []
    for (arm, reference), values in [
        *(((arm, None), values) for arm, values in found.items()),
        *differences.items(),
    ]:
        parts = components(values, names)
        decomposed.append(
            Decomposition(
                arm=arm,
                reference=reference,
                standard_deviation=float(values.std(ddof=1)),
                components=parts,
                ranges=ranges(parts, values.shape),
            )
        )
    return decomposed
