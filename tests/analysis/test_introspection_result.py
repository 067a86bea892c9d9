"""Insides as a comparison has them: packing, rings and halves by hand, seeds, refusals."""

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from convchoice.analysis.introspection_result import (
    border_distances,
    half_pixels,
    inside_of_arm,
    packed,
    ring_means,
    unpacked,
)
from convchoice.errors import RunFolderError
from convchoice.runs.introspection import Inside
from convchoice.runs.run import runs_of_arm
from made_up_inside import made_up_inside
from making import Compared, make_run


@given(
    arrays(np.float64, array_shapes(max_dims=4, max_side=5), elements=st.floats(-1e6, 1e6))
)  # fmt: skip
def test_packing_keeps_each_value_within_half_a_step(values: Any) -> None:
    block = json.loads(json.dumps(packed(values)))
    found = unpacked(block)
    assert found.shape == values.shape
    assert np.abs(found - values).max() <= block["largest"] / 127 / 2 + 1e-9
    assert np.abs(found).max() == pytest.approx(block["largest"])


def test_distances_from_the_border_by_hand() -> None:
    assert border_distances(3, 4).tolist() == [[0, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
    assert np.bincount(border_distances(28, 28).ravel()).tolist() == [
        108, 100, 92, 84, 76, 68, 60, 52, 44, 36, 28, 20, 12, 4,
    ]  # fmt: skip


def test_rings_by_hand() -> None:
    use = np.array([[1.0, 1, 1], [1, 10, 1], [1, 1, 1]])
    assert ring_means(use) == [0.5, 5.0]  # the mean pixel is 2
    assert ring_means(np.zeros((3, 3))) == [0.0, 0.0]
    # A window of 3 on 4×4: corners 1, edges 2, centre 4; the outer ring's mean is 20/12.
    counts = np.outer([1, 2, 2, 1], [1, 2, 2, 1]).astype(float)
    assert ring_means(counts) == pytest.approx([20 / 12 / 2.25, 4 / 2.25])


def test_the_pixels_that_hold_half_by_hand() -> None:
    assert half_pixels(np.array([[4.0, 1], [3, 2]])) == 2
    assert half_pixels(np.array([[5.0, 1], [2, 2]])) == 1
    assert half_pixels(np.ones((4, 4))) == 8


def insides(root: Path, *kept: Inside | None, arm: str = "max") -> Any:
    for seed, inside in enumerate(kept):
        make_run(root, arm, seed, inside=inside)
    return inside_of_arm(runs_of_arm(root, arm))


def test_runs_that_kept_nothing_have_none(tmp_path: Path) -> None:
    assert insides(tmp_path, None, None) is None


def test_the_lowest_seed_that_kept_it_is_shown(tmp_path: Path) -> None:
    shown = made_up_inside(5)
    found = insides(tmp_path, None, shown, made_up_inside(6))
    assert found["seed"] == 1
    np.testing.assert_allclose(unpacked(found["filters"]), shown.filters, atol=0.02)
    assert [item["layer"] for item in found["maps"]] == list(shown.maps)
    place = shown.labels.tolist().index(2)
    np.testing.assert_allclose(
        unpacked(found["maps"][0]), shown.maps["block1.detector"][place], atol=0.01
    )
    image = found["image"]
    assert (image["index"], image["label"], image["shape"]) == (1, 2, [8, 8])
    assert base64.b64decode(image["pixels_base64"]) == shown.images[place].tobytes()
    assert found["fields"][-1] == {
        "layer": "block2.convolution", "rows": [-1, 8], "columns": [0, 7],
    }  # fmt: skip


def test_gradients_are_means_over_seeds_of_relative_ones(tmp_path: Path) -> None:
    # The outermost of 8×8 are 28 pixels, the others 36.
    found = insides(tmp_path, made_up_inside(edge=0.0), made_up_inside(edge=1.0))["gradient"]
    assert found["n"] == 2
    assert found["images"] == 100
    assert found["rings"]["mean"] == pytest.approx([0.5, *[(64 / 36 + 1) / 2] * 3])
    assert found["rings"]["low"][0] < 0.5 < found["rings"]["high"][0]
    assert unpacked(found)[0, 0] == pytest.approx(0.5, abs=0.01)


def test_one_seed_has_no_interval(tmp_path: Path) -> None:
    found = insides(tmp_path, made_up_inside())
    assert found["gradient"]["rings"]["low"] == [None] * 4
    assert found["middle_gradient"]["half_pixels"] == {"mean": 8.0, "low": None, "high": None}
    assert unpacked(found["middle_gradient"]).sum() == pytest.approx(1)


def test_behind_a_dense_first_layer_nothing_sees_a_place(tmp_path: Path) -> None:
    dense = replace(made_up_inside(), reads={}, fields={}, middle_gradient=None)
    found = insides(tmp_path, dense)
    assert (found["reads"], found["fields"], found["middle_gradient"]) == ([], [], None)


def test_an_image_of_another_class_is_shown_where_the_usual_is_absent(tmp_path: Path) -> None:
    found = insides(tmp_path, replace(made_up_inside(), labels=np.array([7, 8, 9])))
    assert found["image"]["label"] == 7


@pytest.mark.parametrize(
    "changes",
    [
        {"indices": np.array([9, 2, 1])},
        {"images": np.zeros((3, 8, 8), dtype=np.uint8)},
        {"gradient_images": 50},
        {"fields": {}},
        {"filters": np.ones((4, 1, 3, 3), dtype=np.float32)},
    ],
)
def test_runs_that_were_not_measured_alike_are_refused(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    with pytest.raises(RunFolderError, match=r"seed-1: its network's inside was not measured as"):
        insides(tmp_path, made_up_inside(), replace(made_up_inside(1), **changes))


def test_arms_that_show_different_images_are_refused(compared: Compared) -> None:
    other = replace(made_up_inside(), indices=np.array([3, 2, 7]))
    options = {"max": {"inside": made_up_inside()}, "average": {"inside": other}}
    with pytest.raises(RunFolderError, match="arm average: shows its inside at test image 7, and"):
        compared({"max": [1], "average": [2]}, options=options)


def test_one_arm_alone_may_have_it(compared: Compared) -> None:
    comparison = compared(
        {"max": [1], "average": [2]}, options={"average": {"inside": made_up_inside()}}
    )
    assert comparison["arms"]["max"]["inside"] is None
    assert comparison["arms"]["average"]["inside"]["seed"] == 0
