"""The introspection of a network is read as it was written."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from convchoice.runs.run import read_run
from made_up_introspection import introspected
from made_up_runs import make_run


def as_lists(value: Any) -> Any:
    if isinstance(value, dict):
        return [(key, as_lists(item)) for key, item in value.items()]
    if isinstance(value, tuple):
        return [as_lists(item) for item in value]
    return value.tolist() if isinstance(value, np.ndarray) else value


def test_what_is_written_is_read(tmp_path: Path) -> None:
    given = introspected()
    found = read_run(make_run(tmp_path, "max", 0, inside=given)).inside()
    assert found is not None
    for item in fields(given):
        ours, theirs = getattr(given, item.name), getattr(found, item.name)
        if item.name in {"filters", "maps"}:  # stored in half precision
            continue
        assert as_lists(ours) == as_lists(theirs), item.name
    np.testing.assert_allclose(found.filters, given.filters, rtol=1e-3)
    assert list(found.maps) == list(given.maps)
    for layer, values in given.maps.items():
        np.testing.assert_allclose(found.maps[layer], values, rtol=1e-3)


def test_a_network_without_maps_and_responses_beyond_half_precision(tmp_path: Path) -> None:
    huge = np.full((1, 1, 1, 1), 1e9, dtype=np.float32)
    given = replace(introspected(), reads={}, fields={}, middle_gradient=None, filters=huge)
    found = read_run(make_run(tmp_path, "dense", 0, inside=given)).inside()
    assert found is not None
    assert (found.reads, found.fields, found.middle_gradient) == ({}, {}, None)
    assert found.filters[0, 0, 0, 0] == np.finfo(np.float16).max
