"""The figure of which classes an arm answers better or worse than its partner."""

from collections.abc import Mapping
from typing import Any

from matplotlib.ticker import MaxNLocator

from convchoice.analysis import old_text as wording
from convchoice.reporting.confusion_figures import class_names
from convchoice.reporting.drawing import SERIES, Ink, quiet_frame
from convchoice.reporting.panels import panels
from convchoice.reporting.svg import RenderedFigure, rendered

ROW_INCHES = 0.24


def class_errors_finding(comparison: Mapping[str, Any]) -> str:
    """The class whose errors differ most between an arm and its partner."""
    names = class_names(comparison)
    arm, partner, index, difference = max(
        (
            (item["arm"], item["partner"], index, difference)
            for item in comparison["contrasts"]
            for index, difference in enumerate(item["errors_by_digit"]["difference_errors"])
        ),
        key=lambda found: abs(found[3]),
    )
    if difference == 0:
        return "Every arm makes as many errors as its partner in each class"
    more = "more" if difference > 0 else "fewer"
    return (
        f"The class that differs most is {names[index]}: {arm} makes"
        f" {wording.number(abs(difference), 1)} errors a seed {more} than {partner}"
    )


def class_errors_figure(comparison: Mapping[str, Any]) -> RenderedFigure | None:
    """Each contrast's difference in errors by true class; None where not recorded."""
    contrasts = comparison["contrasts"]
    if not contrasts or any(item["errors_by_digit"] is None for item in contrasts):
        return None
    names = class_names(comparison)
    figure, every = panels(len(contrasts), 0.85 + ROW_INCHES * len(names), share=True)
    said = []
    for axes, contrast in zip(every, contrasts, strict=True):
        errors = contrast["errors_by_digit"]
        axes.axvline(0, color=Ink.muted.stand_in, linewidth=1, zorder=1)
        for row, bounds in enumerate(errors["interval_95"]):
            if bounds:
                axes.plot(bounds, [row, row], color=SERIES[0], linewidth=1.6)
        axes.plot(
            errors["difference_errors"],
            range(len(names)),
            "o",
            markersize=5,
            markerfacecolor=Ink.paper.stand_in,
            markeredgecolor=SERIES[0],
            markeredgewidth=1.5,
        )
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_title(f"{contrast['arm']} − {contrast['partner']}", fontsize=9)
        axes.set_xlabel("errors a seed, difference", fontsize=9)
        axes.xaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))
        axes.tick_params(labelbottom=True)
        quiet_frame(axes, grid="x")
        values = zip(names, errors["difference_errors"], strict=True)
        listed = ", ".join(f"{name} {wording.signed(value, 1)}" for name, value in values)
        said.append(f"{contrast['arm']} minus {contrast['partner']}: {listed}")
    return rendered(
        figure,
        f"{comparison['study']['name']}-errors-by-class",
        class_errors_finding(comparison),
        "Wrong answers by true class, arm minus partner: mean over common seeds with its 95 %"
        " interval. The intervals are not adjusted for their number, and no verdict is read from"
        f" them. {wording.seed_counts(item['n'] for item in contrasts)}, paired.",
        f"Points with intervals for each class. {'; '.join(said)}.",
    )
