"""Introspection: packing, rings and halves by hand, seeds, refusals."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from convchoice.analysis.introspection import (
    Estimate,
    ReceptiveField,
    arm_introspection,
    half_pixels,
    ring_means,
)
from convchoice.analysis.result_types import PackedArray
from convchoice.errors import RunFolderError
from convchoice.runs.evaluation_files import Introspection
from made_up_reports import introspected
from made_up_runs import Compare, make_run, runs_of_arm


@given(
    arrays(np.float64, array_shapes(max_dims=4, max_side=5), elements=st.floats(-1e6, 1e6))
)  # fmt: skip
def test_packing_keeps_each_value_within_half_a_step(values: Any) -> None:
    block = PackedArray.model_validate_json(PackedArray.of(values).model_dump_json())
    found = block.unpacked()
    assert found.shape == values.shape
    assert np.abs(found - values).max() <= block.largest / 127 / 2 + 1e-9
    assert np.abs(found).max() == pytest.approx(block.largest)


def test_rings_and_halves_by_hand() -> None:
    use = np.array([[1.0, 1, 1], [1, 10, 1], [1, 1, 1]])
    assert ring_means(use) == [0.5, 5.0]  # the mean pixel is 2
    assert ring_means(np.zeros((3, 4))) == [0.0, 0.0]
    # A window of 3 on 4×4: corners 1, edges 2, centre 4; the outer ring's mean is 20/12.
    counts = np.outer([1, 2, 2, 1], [1, 2, 2, 1]).astype(float)
    assert ring_means(counts) == pytest.approx([20 / 12 / 2.25, 4 / 2.25])
    assert half_pixels(np.array([[4.0, 1], [3, 2]])) == 2
    assert half_pixels(np.array([[5.0, 1], [2, 2]])) == 1
    assert half_pixels(np.ones((4, 4))) == 8


def recorded(root: Path, *kept: Introspection | None, arm: str = "max") -> Any:
    for seed, inside in enumerate(kept):
        make_run(root, arm, seed, inside=inside)
    return arm_introspection(runs_of_arm(root, arm))


def test_lowest_seed_is_shown_and_without_intervals(tmp_path: Path) -> None:
    shown = introspected(5)
    found = recorded(tmp_path, None, shown)
    assert found.seed == 1
    np.testing.assert_allclose(found.filters.unpacked(), shown.filters, atol=0.02)
    assert [item.layer for item in found.maps] == list(shown.maps)
    place = shown.labels.tolist().index(2)
    maps = shown.maps["block1.detector"][place]
    np.testing.assert_allclose(found.maps[0].unpacked(), maps, atol=0.01)
    assert (found.image.index, found.image.label, found.image.shape) == (1, 2, [8, 8])
    assert np.array_equal(found.image.pixels(), shown.images[place])
    field = ReceptiveField(layer="block2.convolution", rows=(-1, 8), columns=(0, 7))
    assert found.fields[-1] == field
    assert found.gradient.rings.low == [None] * 4
    assert found.middle_gradient.half_pixels == Estimate(mean=8.0, low=None, high=None)
    assert found.middle_gradient.unpacked().sum() == pytest.approx(1)
    assert recorded(tmp_path / "none", None, None) is None


def test_gradients_are_relative_and_averaged_over_seeds(tmp_path: Path) -> None:
    # The outermost of 8×8 are 28 pixels, the others 36.
    found = recorded(tmp_path, introspected(edge=0.0), introspected(edge=1.0)).gradient
    assert found.n == 2
    assert found.images == 100
    assert found.rings.mean == pytest.approx([0.5, *[(64 / 36 + 1) / 2] * 3])
    assert found.rings.low[0] < 0.5 < found.rings.high[0]
    assert found.unpacked()[0, 0] == pytest.approx(0.5, abs=0.01)


def test_a_dense_network_has_no_reads_and_fields(tmp_path: Path) -> None:
    dense = replace(introspected(), reads={}, fields={}, middle_gradient=None)
    found = recorded(tmp_path, dense)
    assert (found.reads, found.fields, found.middle_gradient) == ([], [], None)


@pytest.mark.parametrize(
    "changes",
    [
        {"indices": np.array([9, 2, 1])},
        {"fields": {}},
        {"filters": np.ones((4, 1, 3, 3), dtype=np.float32)},
    ],
)
def test_different_recordings_are_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(RunFolderError, match=r"seed-1: its introspection has other images"):
        recorded(tmp_path, introspected(), replace(introspected(1), **changes))


def test_arms_with_different_images_are_refused(comparison_of: Compare) -> None:
    other = replace(introspected(), indices=np.array([3, 2, 7]))
    options = {"max": {"inside": introspected()}, "average": {"inside": other}}
    with pytest.raises(RunFolderError, match="arm average: shows test image 7, and"):
        comparison_of({"max": [1], "average": [2]}, options=options)
