"""The table of curve points: what is written is read, and nothing else."""

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convchoice.config.schema import Curve
from convchoice.runs.curve_points import (
    COLUMNS,
    CurvePoint,
    points_of_table,
    summary_metrics,
    table_text,
)

SHIFT = CurvePoint(
    Curve.shift, "horizontal", "", "pixels", -3.0, None, 50, accuracy=0.5, nll=1.25, ink_lost=0.1
)
ERROR = CurvePoint(
    Curve.equivariance, "translation", "block1.convolution", "pixels", 4.0, 2, 9,
    error_interior=0.0, error_whole=1.5,
)  # fmt: skip
REFUSED = CurvePoint(Curve.input_size, "", "", "pixels", 18.0, None, 50, accepted=False)
POINTS = [SHIFT, ERROR, REFUSED]

shares = st.none() | st.floats(0, 1)
sizes = st.none() | st.floats(0, 1e300)
points = st.builds(
    CurvePoint,
    curve=st.sampled_from(Curve),
    kind=st.sampled_from(["", "horizontal"]),
    layer=st.sampled_from(["", "block1.convolution"]),
    unit=st.sampled_from(["pixels", "degrees", "factor"]),
    value=st.floats(allow_nan=False, allow_infinity=False),
    jump_pixels=st.none() | st.integers(1, 99),
    images=st.integers(1, 10_000),
    accepted=st.booleans(),
    accuracy=shares,
    nll=sizes,
    ink_lost=shares,
    consistency=shares,
    error_interior=sizes,
    error_whole=sizes,
)


def read(text: str) -> list[CurvePoint]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "curves.csv"
        path.write_text(text, encoding="utf-8")
        return points_of_table(path)


@given(st.lists(points))
def test_what_is_written_is_read_to_the_last_digit(given_points: list[CurvePoint]) -> None:
    assert read(table_text(given_points)) == given_points


def test_the_table_by_hand() -> None:
    lines = table_text(POINTS).splitlines()
    assert lines[0] == ",".join(COLUMNS)
    assert lines[1:] == [
        "shift,horizontal,,pixels,-3.0,,50,1,0.5,1.25,0.1,,,",
        "equivariance,translation,block1.convolution,pixels,4.0,2,9,1,,,,,0.0,1.5",
        "input_size,,,pixels,18.0,,50,0,,,,,,",
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("kind", "kinds"),
        ("shift,", "shfit,"),
        (",0.5,", ",1.5,"),
        (",1.25,", ",-1.25,"),
        (",0.5,", ",nan,"),
        (",0.5,", ",much,"),
        (",50,1,", ",0,1,"),
        (",50,1,", ",50,7,"),
        ("pixels,-3.0", "miles,-3.0"),
        (",0.0,1.5\n", ",0.0,1.5,2\n"),
    ],
)
def test_illegal_cells_are_refused(old: str, new: str) -> None:
    text = table_text(POINTS)
    assert old in text
    with pytest.raises((ValueError, KeyError)):
        read(text.replace(old, new, 1))


def test_the_summary_by_hand() -> None:
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
