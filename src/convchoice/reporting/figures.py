"""All figures of a study's result, in the order of the report."""

from convchoice.analysis.result import Comparison
from convchoice.reporting import (
    curve_figures,
    difference_figures,
    equivariance_figure,
    introspection_figures,
    prediction_figures,
    score_figures,
)
from convchoice.reporting.drawing import style
from convchoice.reporting.svg import RenderedFigure


def figures_of(comparison: Comparison) -> list[RenderedFigure]:
    """Every figure for which a result has the numbers."""
    with style():
        made = [
            difference_figures.differences_figure(comparison),
            score_figures.seeds_figure(comparison),
            score_figures.macs_figure(comparison),
            curve_figures.learning_curves_figure(comparison),
            *curve_figures.robustness_figures(comparison),
            curve_figures.consistency_figure(comparison),
            curve_figures.input_size_figure(comparison),
            equivariance_figure.equivariance_figure(comparison),
            introspection_figures.edge_figure(comparison),
            introspection_figures.field_figure(comparison),
            introspection_figures.filter_figure(comparison),
            introspection_figures.response_figure(comparison),
            difference_figures.class_errors_figure(comparison),
            prediction_figures.confusion_figure(comparison),
            *prediction_figures.flip_figures(comparison),
        ]
    return [figure for figure in made if figure is not None]
