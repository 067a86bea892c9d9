"""Which figures a study has, and in which order."""

from typing import Any

from convchoice.analysis.result import Comparison
from convchoice.reporting.figures import figures_of
from convchoice.reporting.svg import RenderedFigure


def test_a_study_with_everything_has_every_figure(figures: dict[str, RenderedFigure]):
    assert list(figures) == [
        "differences", "nll", "seeds", "accuracy-against-macs", "learning-curves", "shift",
        "rotation", "scale", "consistency", "input-size", "equivariance", "edge-pixels",
        "effective-fields", "filters", "responses", "errors-by-class", "confusion",
        "flips-average", "flips-strided",
    ]  # fmt: skip
    for figure in figures.values():
        assert len(figure.title) < 220
        assert figure.caption.endswith(".")
        assert "n = " in figure.caption
        assert figure.alt


def test_figures_without_numbers_are_left_out(made: Any, published: Comparison):
    bare = figures_of(made({"max": [10], "average": [12]}))
    assert [each.name for each in bare] == [
        f"pooling-{name}"
        for name in ("differences", "nll", "seeds", "errors-by-class", "confusion")
    ]
    names = [each.name.removeprefix("lecture-") for each in figures_of(published)]
    assert names == [
        "published", "seeds", "learning-curves", "edge-pixels", "receptive-fields",
        "effective-fields", "filters", "responses", "confusion",
    ]  # fmt: skip
