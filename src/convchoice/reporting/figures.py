"""All figures of a study's result, in the order of the report.

The title of every figure is its finding, computed from the same numbers as its marks.
"""

from collections.abc import Callable
from functools import partial

from convchoice.analysis.result import Comparison
from convchoice.reporting.curve_figures import (
    ROBUSTNESS,
    consistency_figure,
    input_size_figure,
    robustness_figure,
)
from convchoice.reporting.difference_figures import differences_figure, nll_figure
from convchoice.reporting.drawing import style
from convchoice.reporting.equivariance_figure import equivariance_figure
from convchoice.reporting.introspection_figures import edge_figure, filter_figure, response_figure
from convchoice.reporting.learning_curves import learning_curves_figure
from convchoice.reporting.prediction_figures import (
    class_errors_figure,
    confusion_figure,
    flip_figures,
)
from convchoice.reporting.receptive_field_figures import effective_field_figure, field_figure
from convchoice.reporting.score_figures import macs_figure, published_figure, seeds_figure
from convchoice.reporting.svg import RenderedFigure

FIGURES: tuple[Callable[[Comparison], RenderedFigure | None], ...] = (
    differences_figure,
    nll_figure,
    published_figure,
    seeds_figure,
    macs_figure,
    learning_curves_figure,
    *(partial(robustness_figure, transform=transform) for transform in ROBUSTNESS),
    consistency_figure,
    input_size_figure,
    equivariance_figure,
    edge_figure,
    field_figure,
    effective_field_figure,
    filter_figure,
    response_figure,
    class_errors_figure,
    confusion_figure,
)


def figures_of(comparison: Comparison) -> list[RenderedFigure]:
    """Every figure for which a result has the numbers."""
    with style():
        made = [figure(comparison) for figure in FIGURES] + flip_figures(comparison)
    return [figure for figure in made if figure is not None]
