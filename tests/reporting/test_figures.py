"""Figures: the finding in words, deterministic bytes, what a page and a file need of an SVG."""

import re
from typing import Any
from xml.etree import ElementTree as ET

import matplotlib as mpl
import pytest

from convchoice.analysis.measure import measure_of
from convchoice.reporting.difference_figures import differences_finding
from convchoice.reporting.drawing import Ink, stacked
from convchoice.reporting.figures import figures_of, seeds_finding
from convchoice.reporting.learning_curves import finding as curves_finding
from convchoice.reporting.svg import RenderedFigure
from making import DIGITS, LECTURE, Compared, study_values

ACCURACY = measure_of("test/accuracy")
ERRORS = {"max": [10, 11, 12], "average": [15, 16, 17], "strided": [10, 12, 11]}
STUDY = study_values(arms=["average", "strided"])
USUAL: dict[str, Any] = {"epochs": 2, "picture_shape": (28, 28)}
CHEAP = {"strided": {"metrics": {"cost/macs": 698_560}, **USUAL}}
OPTIONS: dict[str, dict[str, Any]] = {"max": USUAL, "average": USUAL, **CHEAP}


@pytest.fixture
def pictures(compared: Compared) -> list[RenderedFigure]:
    return figures_of(compared(ERRORS, STUDY, OPTIONS))


def names(pictures: list[RenderedFigure]) -> list[str]:
    return [picture.name for picture in pictures]


def test_every_figure_of_a_study_with_curves_and_costs(pictures: list[RenderedFigure]):
    assert names(pictures) == [
        "pooling-differences",
        "pooling-nll",
        "pooling-seeds",
        "pooling-accuracy-against-macs",
        "pooling-learning-curves",
        "pooling-errors-by-class",
        "pooling-confusion",
        "pooling-confusion-difference",
        "pooling-flips-average",
        "pooling-flips-strided",
    ]


def test_figures_without_numbers_are_left_out(compared: Compared):
    # One epoch is no curve; equal costs are no axis; no contrast is no difference.
    assert names(figures_of(compared({"max": [10], "average": [12]}))) == [
        "pooling-differences",
        "pooling-nll",
        "pooling-seeds",
        "pooling-errors-by-class",
        "pooling-confusion",
        "pooling-confusion-difference",
    ]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"epochs": 5}, ["printed", "seeds", "learning-curves", "confusion"]),
        ({"epochs": 1}, ["printed", "seeds", "confusion"]),
        ({"epochs": 1, "dataset": DIGITS}, ["seeds", "confusion"]),
    ],
)
def test_figures_of_a_printed_study(
    compared: Compared, options: dict[str, Any], expected: list[str]
):
    comparison = compared({"lecture": [5, 9]}, LECTURE, {"lecture": options})
    assert names(figures_of(comparison)) == [f"lecture-{name}" for name in expected]


def test_titles_are_findings_from_the_numbers(compared: Compared):
    comparison = compared(ERRORS, STUDY, OPTIONS)
    assert differences_finding(comparison) == (
        "Against max, average is worse and strided is inconclusive"
    )
    # Means 98.9, 98.4 and 98.9 %; each arm's seeds span two errors of 1,000.
    assert seeds_finding(comparison, ACCURACY) == (
        "Arm means lie 0.50 pp apart; the seeds of one arm spread over up to 0.20 pp"
    )
    assert curves_finding(comparison, "val/accuracy") == (
        "After epoch 2 max has the highest mean validation accuracy (97.58 %) and average the"
        " lowest (97.48 %)"
    )


@pytest.mark.parametrize(
    ("errors", "title"),
    [
        ([5, 9, 10], "2 of our 3 runs lie below the printed 99.21 %, 1 above"),
        ([9, 10], "Both our runs lie below the printed 99.21 %"),
        ([5], "Our one run lies above the printed 99.21 %"),
        ([5, 5, 5], "All our 3 runs lie above the printed 99.21 %"),
    ],
)
def test_the_printed_runs_title(compared: Compared, errors: list[int], title: str):
    comparison = compared({"lecture": errors}, LECTURE, {"lecture": {"epochs": 5}})
    assert figures_of(comparison)[0].title == title


def test_a_single_seed_is_drawn_without_intervals(compared: Compared):
    pictures = figures_of(compared({"max": [10], "average": [12]}))
    assert "inconclusive" in pictures[0].title
    assert "n = 1 seed" in pictures[0].caption


def test_the_same_comparison_gives_the_same_bytes(compared: Compared):
    comparison = compared(ERRORS, STUDY, OPTIONS)
    first = figures_of(comparison)
    with mpl.rc_context({"font.size": 30, "svg.hashsalt": "another", "xtick.major.pad": 40}):
        second = figures_of(comparison)  # whatever a person's own settings are
    assert first == second
    assert mpl.rcParams["svg.fonttype"] == mpl.rcParamsDefault["svg.fonttype"]


def test_a_file_is_xml_on_white_with_title_and_description(pictures: list[RenderedFigure]):
    for picture in pictures:
        root = ET.fromstring(picture.file)  # noqa: S314 - made by this test
        space = "{http://www.w3.org/2000/svg}"
        assert root.tag == f"{space}svg"
        assert root.find(f"{space}title").text == picture.title  # type: ignore[union-attr]
        assert root.find(f"{space}desc").text == picture.alt  # type: ignore[union-attr]
        assert root.find(f"{space}rect").get("fill") == "#ffffff"  # type: ignore[union-attr]
        assert "var(" not in picture.file
        assert "currentColor" not in picture.file


def test_inline_figures_follow_the_page_and_never_share_an_id(pictures: list[RenderedFigure]):
    ids: list[str] = []
    for picture in pictures:
        found = re.findall(r'\bid="([^"]+)"', picture.inline)
        assert all(identifier.startswith(f"{picture.name}-") for identifier in found)
        used = re.findall(r'(?:url\(#|href="#)([^")]+)', picture.inline)
        assert set(used) <= set(found)
        ids += found
        assert 'role="img"' in picture.inline
        assert "currentColor" in picture.inline
        assert "http" not in re.sub(r"base64,[^\"]+", "", picture.inline)
        assert not re.search(r"\d{4}-\d\d-\d\d", picture.inline)
    assert len(ids) == len(set(ids))


def test_no_stand_in_colour_is_left(pictures: list[RenderedFigure]):
    for picture in pictures:
        for ink in Ink:
            assert ink.stand_in not in picture.inline
            assert ink.stand_in not in picture.file
        assert "#000000" not in picture.inline  # matplotlib's black would vanish in the dark


def test_text_of_a_study_is_text_in_a_figure(compared: Compared):
    metric = "test/<b>$x_1$</b>"
    measured = {arm: {"metrics": {metric: 0.5}} for arm in ("max", "average")}
    comparison = compared({"max": [10], "average": [12]}, study_values(metric=metric), measured)
    for picture in figures_of(comparison):
        assert "<b>" not in picture.inline
        ET.fromstring(picture.file)  # noqa: S314 - made by this test
        if picture.name.endswith(("differences", "seeds")):
            assert "$x 1$" in picture.file


def test_points_of_one_place_are_piled_to_both_sides():
    assert stacked([1.0, 1.0, 1.0, 2.0], 0.1) == [0, 1, -1, 0]
    assert stacked([1.0, 1.0], 0.0) == [0, 1]
