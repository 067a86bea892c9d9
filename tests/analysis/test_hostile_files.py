"""Hostile results and tables: read as what they are or refused in one printable message."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from convchoice.analysis import comparison_files
from convchoice.analysis.comparison_files import COMPARISON, comparison_text, read_comparison
from convchoice.analysis.results_table import read_tables
from convchoice.errors import UserError
from convchoice.summary import study_table
from made_up_results import made_up_comparison

TEXT = comparison_text(made_up_comparison({"a": ("base", "better")}, {"a": 0.9}))
HOSTILE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(),
    st.sampled_from(
        [
            '"><svg onload=alert(1)>',
            "\x1b]0;x\x07",
            "a\nb",
            "${oc.env:HOME}",
            "../..",
            "\ud800",
            "[red]",
            "]]>",
            "a" * 100_000,
            [],
            {},
            [[]],
            {"": 1},
            [None] * 3,
        ]
    ),
    st.text(max_size=20),
)
FUZZ = settings(
    max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) of nested values."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items if isinstance(value, dict | list) else ():
        yield value, key
        if isinstance(item, dict | list):
            yield from places(item)


def check_message(error: UserError) -> None:
    assert str(error).replace("\n", "").isprintable()
    assert len(str(error)) < 2_000


@FUZZ
@given(st.data(), HOSTILE)
def test_hostile_values_of_a_result(tmp_path: Path, data: st.DataObject, value: Any):
    content = json.loads(TEXT)
    container, key = data.draw(st.sampled_from(list(places(content))))
    as_key = data.draw(st.booleans()) and isinstance(container, dict) and isinstance(value, str)
    if as_key:
        container[value] = container.pop(key)
    else:
        container[key] = value
    if data.draw(st.booleans()):  # as somebody would who recomputes the digest
        content["sha256"] = comparison_files._digest(content)
    path = tmp_path / COMPARISON
    path.write_text(json.dumps(content), encoding="utf-8")
    try:
        result = read_comparison(path)
    except UserError as error:
        check_message(error)
    else:
        assert "<" not in "".join([result.study.name, *result.arms])
        study_table(result)


CELL = st.one_of(
    st.sampled_from(
        [
            "a",
            "b",
            "0",
            "1",
            "0.5",
            "1e308",
            "nan",
            "-1",
            "9" * 5_000,
            "<svg>",
            "\x1b[2J",
            '"',
            "",
            "arm",
            "seed",
            "value",
            "metric",
            "\ufeff",
            "a,b",
            "\r",
            "x" * 200_000,
        ]
    ),
    st.text(max_size=8),
)


@FUZZ
@given(st.lists(st.lists(CELL, max_size=5), max_size=5), st.booleans())
def test_hostile_tables(tmp_path: Path, rows: list[list[str]], header: bool):
    lines = [",".join(row) for row in rows]
    text = "\n".join(["arm,seed,value", *lines] if header else lines)
    path = tmp_path / "results.csv"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        table = read_tables([path])
    except UserError as error:
        check_message(error)
    else:
        assert all("<" not in arm for values in table.metrics.values() for arm in values)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"\x00" * 100, b"arm,seed,value\n\x00,0,1\n"])
def test_bytes_that_are_not_text(tmp_path: Path, content: bytes):
    path = tmp_path / "results.csv"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        read_tables([path])
    check_message(caught.value)
