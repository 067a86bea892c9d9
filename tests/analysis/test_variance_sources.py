"""Variance components, by hand."""

import numpy as np
import pytest

from convchoice.analysis.variance_sources import REST, components, decompositions, ranges


def test_components_by_hand() -> None:
    # A 2 × 2 table: effects of rows ±2, of columns ±1, of the rest ±0.5; mean squares 16, 4 and 1.
    values = np.array([[3.5, 0.5], [-1.5, -2.5]])
    found = components(values, ["rows", "columns"])
    assert found == pytest.approx({"rows": (16 - 1) / 2, "columns": (4 - 1) / 2, REST: 1.0})


def test_a_source_without_effect_is_0_and_not_below() -> None:
    values = np.array([[1.0, -1.0], [-1.0, 1.0]])
    assert components(values, ["rows", "columns"]) == {"rows": 0.0, "columns": 0.0, REST: 4.0}


def test_components_are_found_on_average() -> None:
    random, found = np.random.default_rng(0), []
    for _ in range(300):
        a, b, c = (random.normal(0, s, n) for s, n in ((3.0, 4), (1.0, 4), (2.0, 3)))
        noise = random.normal(0, 0.5, (4, 4, 3))
        values = a[:, None, None] + b[None, :, None] + c[None, None, :] + noise
        found.append(list(components(values, ["a", "b", "c"]).values()))
    assert np.mean(found, axis=0) == pytest.approx([9.0, 1.0, 4.0, 0.25], rel=0.2)


def test_ranges_hold_the_shares_of_95_percent_of_designs() -> None:
    """Shares of designs drawn here, from other numbers, lie in the ranges."""
    random, inside = np.random.default_rng(2), []
    parts = {"a": 9.0, "b": 1.0, REST: 4.0}
    low, high = np.transpose(list(ranges(parts, (4, 5)).values()))
    for _ in range(400):
        a, b = random.normal(0, 3.0, (4, 1)), random.normal(0, 1.0, (1, 5))
        found = components(a + b + random.normal(0, 2.0, (4, 5)), ["a", "b"])
        shares = np.array(list(found.values())) / sum(found.values())
        inside.append((low <= shares) & (shares <= high))
    assert np.mean(inside, axis=0) == pytest.approx([0.95] * 3, abs=0.03)


def test_arms_then_contrasts() -> None:
    random = np.random.default_rng(1)
    shared = random.normal(0, 1, (3, 1, 1))
    values = {arm: shared + random.normal(0, 0.1, (3, 3, 3)) for arm in ("max", "average")}
    first, second, difference = decompositions(values, [("average", "max")], ["a", "b", "c"])
    assert (first.arm, second.arm, difference.reference) == ("max", "average", "max")
    assert first.shares["a"] > 0.9
    assert difference.shares["a"] < 0.5  # what both arms share cancels
    assert sum(difference.shares.values()) == pytest.approx(1.0)
