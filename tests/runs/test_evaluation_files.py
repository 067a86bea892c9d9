"""The files of an evaluation: what is written is read, and nothing else."""

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from convchoice.config.schema import Curve
from convchoice.runs.evaluation_files import (
    CurvePoint,
    curves_table,
    kept_pictures,
    read_curves,
    summary_metrics,
)
from convchoice.runs.run import read_run
from made_up_reports import introspected
from made_up_runs import MNIST, made_up_images, make_run

SHIFT = CurvePoint(
    curve=Curve.shift, kind="horizontal", unit="pixels", value=-3.0, images=50,
    accuracy=0.5, nll=1.25, ink_lost=0.1,
)  # fmt: skip
ERROR = CurvePoint(
    curve=Curve.equivariance, kind="translation", layer="block1.convolution", unit="pixels",
    value=4.0, jump_pixels=2, images=9, error_interior=0.0, error_whole=1.5,
)  # fmt: skip
REFUSED = CurvePoint(curve=Curve.input_size, unit="pixels", value=18.0, images=50, accepted=False)
POINTS = [SHIFT, ERROR, REFUSED]
SHARES = st.none() | st.floats(0, 1)
SIZES = st.none() | st.floats(0, 1e300)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(
    st.lists(
        st.builds(
            CurvePoint,
            kind=st.sampled_from(["", "horizontal"]),
            layer=st.sampled_from(["", "block1.convolution"]),
            value=st.floats(allow_nan=False, allow_infinity=False),
            jump_pixels=st.none() | st.integers(1, 99),
            images=st.integers(1, 10_000),
            accepted=st.booleans(),
            accuracy=SHARES,
            nll=SIZES,
            ink_lost=SHARES,
            consistency=SHARES,
            error_interior=SIZES,
            error_whole=SIZES,
        )
    )
)
def test_curves_are_read_to_the_last_digit(tmp_path, points):
    path = tmp_path / "curves.csv"
    path.write_text(curves_table(points))
    assert read_curves(path) == points


def test_the_table_of_curves_by_hand():
    assert curves_table(POINTS).splitlines() == [
        ",".join(item.name for item in fields(CurvePoint)),
        "shift,horizontal,,pixels,-3.0,,50,1,0.5,1.25,0.1,,,",
        "equivariance,translation,block1.convolution,pixels,4.0,2,9,1,,,,,0.0,1.5",
        "input_size,,,pixels,18.0,,50,0,,,,,,",
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("kind", "kinds"), ("shift,", "shfit,"), (",0.5,", ",1.5,"), (",1.25,", ",-1.25,"),
        (",0.5,", ",nan,"), (",0.5,", ",much,"), (",50,1,", ",0,1,"), (",50,1,", ",50,7,"),
        ("pixels,-3.0", "miles,-3.0"), (",0.0,1.5\n", ",0.0,1.5,2\n"),
    ],
)  # fmt: skip
def test_illegal_cells_are_refused(tmp_path, old, new):
    text, path = curves_table(POINTS), tmp_path / "curves.csv"
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(ValueError, match="validation error"):
        read_curves(path)


def test_the_summary_of_curves_by_hand():
    made = [
        SHIFT,
        replace(SHIFT, value=3.0, accuracy=0.7),
        replace(SHIFT, curve=Curve.consistency, kind="", consistency=0.75),
        REFUSED,
        replace(REFUSED, value=28.0, accepted=True, accuracy=0.9, nll=0.1),
        ERROR,
        replace(ERROR, value=2.0, error_whole=None),
        replace(ERROR, kind="rotation", unit="degrees", value=90.0, error_whole=0.25),
    ]
    assert summary_metrics(made) == {
        "test/shift_accuracy": pytest.approx(0.6),
        "test/shift_consistency": 0.75,
        "test/input_sizes_accepted": 1.0,
        "test/translation_error": 1.5,
        "test/rotation_error": 0.25,
    }
    assert summary_metrics([]) == {}


def test_pictures_are_those_with_the_narrowest_margins_and_are_read_as_written(tmp_path):
    labels = np.array([0, 1, 0, 1], dtype=np.uint8)
    logits = np.array([[0, 3], [0, 1], [2, 3], [4, 2]], dtype=np.float32)
    # Wrong by 3, correct, wrong by 1, wrong by 2.
    for most, indices in ((5, [0, 2, 3]), (2, [2, 3]), (1, [2])):
        assert kept_pictures(logits, labels, most).tolist() == indices
    run = read_run(make_run(tmp_path, "max", 0, errors=900, picture_shape=(28, 28)))
    images, kept = made_up_images(MNIST["test_images"], (28, 28)), run.pictures()
    assert len(kept) == 637  # half a megabyte
    logits, labels = run.predictions()
    for index, pixels in kept.items():
        assert logits[index].argmax() != labels[index]
        assert np.array_equal(pixels, images[index])
    assert read_run(make_run(tmp_path, "max", 1, errors=0, picture_shape=(4, 4))).pictures() == {}


def as_lists(value: Any) -> Any:
    if isinstance(value, dict):
        return [(key, as_lists(item)) for key, item in value.items()]
    if isinstance(value, tuple):
        return [as_lists(item) for item in value]
    return value.tolist() if isinstance(value, np.ndarray) else value


def test_an_introspection_is_read_as_it_was_written(tmp_path):
    huge = np.full((1, 1, 1, 1), 1e9, dtype=np.float32)
    without_maps = replace(introspected(), reads={}, fields={}, middle_gradient=None, filters=huge)
    for seed, expected in enumerate((introspected(), without_maps)):
        found = read_run(make_run(tmp_path, "max", seed, inside=expected)).inside()
        assert found is not None
        for name in {item.name for item in fields(expected)} - {"filters", "maps"}:
            assert as_lists(getattr(found, name)) == as_lists(getattr(expected, name)), name
        assert list(found.maps) == list(expected.maps)
        half = np.finfo(np.float16).max
        np.testing.assert_allclose(found.filters, np.clip(expected.filters, -half, half), rtol=1e-3)
        for layer, values in expected.maps.items():
            np.testing.assert_allclose(found.maps[layer], values, rtol=1e-3)
