"""The figures' style: colours and markers of arms, labels, legends."""

import re

import pytest

from convchoice import PROJECT_ROOT
from convchoice.reporting.drawing import (
    ARM_INKS,
    INKS,
    MARKERS,
    SERIES,
    legend,
    looks,
    new_figure,
    style,
    wrapped,
)

CSS = PROJECT_ROOT / "src" / "convchoice" / "reporting" / "templates" / "report.css"


def test_colours_and_markers_do_not_repeat():
    assert len(set(SERIES)) == len(SERIES) == 15
    assert len(set(MARKERS)) == len(MARKERS) == 16
    styles = looks([f"arm{number}" for number in range(240)])
    assert len(set(styles.values())) == 240
    assert len({each.in_file for each in ARM_INKS}) == 15


def test_the_page_defines_every_colour_in_light_and_dark():
    light, dark = CSS.read_text(encoding="utf-8").split("prefers-color-scheme: dark", 1)
    for ink in INKS:
        if variable := re.fullmatch(r"var\((--[\w-]+)\)", ink.in_page):
            assert f"{variable[1]}: {ink.in_file}" in light, ink
            assert re.search(rf"{variable[1]}: #\w{{6}}", dark), ink


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("max", ["max"]),
        ("gap_same_replicate − gap_same", ["gap_same_replicate −", "gap_same"]),
        ("a_name_as_long_as_a_sweep=0.001", ["a_name_as_long_as_a_", "sweep=0.001"]),
        ("x" * 50, ["x" * 24, "x" * 24, "xx"]),
    ],
)  # fmt: skip
def test_long_names_are_wrapped(name: str, lines: list[str]):
    assert wrapped(name).split("\n") == lines


@pytest.mark.parametrize("count", [1, 4, 16])
def test_a_legend_fits_its_figure(count: int):
    names = [f"a_name_as_long_as_a_sweep_makes_it={number}" for number in range(count)]
    with style():
        figure = new_figure(6.0)
        axes = figure.subplots()
        axes.plot([0, 1])
        legend(figure, looks(names))
        figure.draw_without_rendering()
        [shown] = figure.legends
        box = shown.get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.x1
    assert {label.get_text().replace("\n", "") for label in shown.get_texts()} == set(names)
