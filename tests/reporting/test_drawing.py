"""The figures' style: colours and markers of arms, labels, legends."""

import re
from importlib.resources import files

import pytest

from convchoice import reporting
from convchoice.reporting.drawing import INKS, legend, looks, panels, style, wrapped

CSS = files(reporting) / "templates" / "report.css"


@pytest.mark.parametrize("place", [0, 1])
def test_no_two_of_15_arms_share_a_colour_or_a_marker(place: int) -> None:
    styles = looks([f"arm{number}" for number in range(240)]).values()
    assert len({look[place] for look in list(styles)[:15]}) == 15
    assert len(set(styles)) == 240


def test_the_page_defines_every_colour_in_light_and_dark() -> None:
    light, dark = CSS.read_text(encoding="utf-8").split("prefers-color-scheme: dark", 1)
    variables = {ink.in_page[4:-1]: ink.in_file for ink in INKS if ink.in_page.startswith("var(")}
    assert len(set(variables.values())) == len(variables) == 20
    for variable, colour in variables.items():
        assert f"{variable}: {colour}" in light
        assert re.search(rf"{variable}: #\w{{6}}", dark)


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("gap_same_replicate − gap_same", ["gap_same_replicate −", "gap_same"]),
        ("a_name_as_long_as_a_sweep=0.001", ["a_name_as_long_as_a_", "sweep=0.001"]),
        ("x" * 50, ["x" * 24, "x" * 24, "xx"]),
    ],
)  # fmt: skip
def test_long_names_are_wrapped(name: str, lines: list[str]) -> None:
    assert wrapped(name).split("\n") == lines


@pytest.mark.parametrize("count", [1, 16])
def test_a_legend_fits_its_figure(count: int) -> None:
    names = [f"a_name_as_long_as_a_sweep_makes_it={number}" for number in range(count)]
    with style():
        figure, _ = panels(1, 6.0)
        legend(figure, looks(names))
        figure.draw_without_rendering()
        [shown] = figure.legends
        box = shown.get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.x1
    assert {label.get_text().replace("\n", "") for label in shown.get_texts()} == set(names)
