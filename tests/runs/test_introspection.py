"""A network's inside in a run folder: there and back, what is absent, and what is refused."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convchoice.errors import RunFolderError
from convchoice.runs import introspection as inside
from convchoice.runs.checksums import write_checksums
from convchoice.runs.run import read_run
from convchoice.runs.run_folder import INSIDE
from made_up_inside import made_up_inside
from making import make_run


def as_lists(value: Any) -> Any:
    if isinstance(value, dict):
        return [(key, as_lists(item)) for key, item in value.items()]
    if isinstance(value, tuple):
        return [as_lists(item) for item in value]
    return value.tolist() if isinstance(value, np.ndarray) else value


def test_a_run_folder_gives_back_what_it_was_given(tmp_path: Path) -> None:
    given = made_up_inside()
    found = read_run(make_run(tmp_path, "max", 0, inside=given)).inside()
    assert found is not None
    for item in fields(given):
        ours, theirs = getattr(given, item.name), getattr(found, item.name)
        if item.name in {"filters", "maps"}:  # kept in half precision
            continue
        assert as_lists(ours) == as_lists(theirs), item.name
    np.testing.assert_allclose(found.filters, given.filters, rtol=1e-3)
    assert list(found.maps) == list(given.maps)
    for layer, values in given.maps.items():
        np.testing.assert_allclose(found.maps[layer], values, rtol=1e-3)


def test_a_run_from_before_has_none(tmp_path: Path) -> None:
    assert read_run(make_run(tmp_path, "old", 0)).inside() is None


def test_a_network_whose_cells_see_no_place_has_no_fields(tmp_path: Path) -> None:
    dense = replace(made_up_inside(), reads={}, fields={}, middle_gradient=None)
    found = read_run(make_run(tmp_path, "dense", 0, inside=dense)).inside()
    assert found is not None
    assert found.middle_gradient is None
    assert (found.reads, found.fields) == ({}, {})


def test_responses_beyond_half_precision_stay_finite(tmp_path: Path) -> None:
    huge = replace(made_up_inside(), filters=np.full((1, 1, 1, 1), 1e9, dtype=np.float32))
    found = read_run(make_run(tmp_path, "max", 0, inside=huge)).inside()
    assert found is not None
    assert found.filters[0, 0, 0, 0] == np.finfo(np.float16).max


DAMAGES: dict[str, dict[str, Any]] = {
    "pickle": {"labels": np.array([{}, {}, {}])},
    "missing": {"gradient": None},
    "text": {"labels": np.array(["a", "b", "c"])},
    "nan": {"filters": np.full((1, 1, 2, 2), np.nan)},
    "size": {"gradient": np.zeros((8, 7))},
    "counts": {"reads_of_rows/block1.convolution": np.zeros(3)},
    "half": {"reads_of_columns/block1.convolution": None},
    "maps": {"map/block1.detector": np.zeros((2, 4, 6, 6))},
    "field": {"field/block1.convolution": np.zeros(4)},
    "floats": {"images": np.zeros((3, 8, 8))},
    "none": {"gradient_images": np.array(0)},
}


@pytest.mark.parametrize("damage", [*DAMAGES, "no arrays"])
def test_damaged_insides_are_refused(tmp_path: Path, damage: str) -> None:
    path = make_run(tmp_path, "max", 0) / INSIDE
    if damage == "no arrays":
        path.write_text("no arrays", encoding="utf-8")
    else:
        inside.write(path, made_up_inside())
        with np.load(path) as stored:
            arrays = {name: stored[name] for name in stored.files}
        arrays |= DAMAGES[damage]
        np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    write_checksums(path.parent)
    with pytest.raises(RunFolderError, match=r"inside\.npz: cannot be read .*Evaluate the run"):
        read_run(path.parent).inside()
