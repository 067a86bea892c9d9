"""The figures of which class is taken for which: by each arm, and beside its partner."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from numpy.typing import NDArray

from convchoice.analysis import old_text as wording
from convchoice.reporting.drawing import SERIES, Ink
from convchoice.reporting.panels import panels
from convchoice.reporting.svg import RenderedFigure, rendered

SHADES = 8
"""Steps of a cell's colour; more cannot be told apart."""
PANEL_INCHES = 2.75
SHORT_NAME = 3
"""Characters of a class's name that fit beside a cell."""

Matrix = NDArray[np.float64]


def _a_seed(counts: Sequence[Sequence[int]], seeds: int) -> Matrix:
    """Errors a seed, (true, answered): the counts without the right answers, over the seeds."""
    matrix = np.array(counts, dtype=np.float64) / seeds
    np.fill_diagonal(matrix, 0.0)
    return matrix


def class_names(comparison: Mapping[str, Any]) -> list[str]:
    """What the labels mean; the labels themselves where the runs did not record it."""
    images = next(iter(comparison["arms"].values()))["errors_by_digit"]["images"]
    names = comparison["made"]["dataset"].get("class_names")
    return list(names or map(str, range(len(images))))


def _largest(matrix: Matrix) -> tuple[int, int]:
    row, column = np.unravel_index(np.abs(matrix).argmax(), matrix.shape)
    return int(row), int(column)


def _cells(places: Iterator[tuple[int, int]]) -> Path:
    """Unit squares about (row, column), with the column along the horizontal axis."""
    corners = [(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5), (-0.5, -0.5)]
    squares = [
        Path([(column + x, row + y) for x, y in corners], closed=True) for row, column in places
    ]
    return Path.make_compound_path(*squares)


def _draw(axes: Axes, matrix: Matrix, largest: float, title: str, names: Sequence[str]) -> None:
    """One matrix: the stronger, the more; if signed, blue below 0 and orange above."""
    signed = bool((matrix < 0).any())
    for sign, color in ((1, SERIES[1] if signed else SERIES[0]), (-1, SERIES[0])):
        steps = np.rint(SHADES * np.clip(sign * matrix, 0, None) / largest).astype(int)
        for step in range(1, SHADES + 1):
            places = [(int(row), int(column)) for row, column in np.argwhere(steps == step)]
            if places:
                patch = PathPatch(
                    _cells(iter(places)), facecolor=color, alpha=step / SHADES, linewidth=0
                )
                axes.add_patch(patch)
    classes = range(len(matrix))
    axes.plot(classes, classes, ".", color=Ink.line.stand_in, markersize=3)
    axes.set_xlim(-0.5, len(matrix) - 0.5)
    axes.set_ylim(len(matrix) - 0.5, -0.5)
    axes.set_aspect("equal")
    axes.set_xticks(classes, names, fontsize=8)
    axes.set_yticks(classes, names, fontsize=8)
    axes.tick_params(length=0, pad=2)
    axes.set_title(title, fontsize=9)


def _short(names: Sequence[str]) -> tuple[list[str], str]:
    """Names that fit beside cells, and what a caption must say of them."""
    if max(map(len, names)) <= SHORT_NAME:
        return list(names), ""
    numbers = [str(number) for number in range(len(names))]
    pairs = zip(numbers, names, strict=True)
    return numbers, f" Classes: {', '.join(f'{number} {name}' for number, name in pairs)}."


def _cell_text(matrix: Matrix, names: Sequence[str], *, with_sign: bool) -> str:
    row, column = _largest(matrix)
    write = wording.signed if with_sign else wording.number
    return f"{names[row]} taken for {names[column]} {write(float(matrix[row, column]), 1)}"


def _all(
    matrices: Mapping[str, Matrix], comparison: Mapping[str, Any], *, signed: bool
) -> tuple[Any, list[str], str]:
    """The figure of several matrices on one scale; what each shows most; a word on the classes."""
    names = class_names(comparison)
    short, note = _short(names)
    largest = max(float(np.abs(matrix).max()) for matrix in matrices.values())
    figure, every = panels(len(matrices), PANEL_INCHES if len(matrices) > 1 else 4.4)
    said = []
    for axes, (title, matrix) in zip(every, matrices.items(), strict=True):
        _draw(axes, matrix, largest or 1.0, title, short)
        axes.set_xlabel("answered", fontsize=9)
        axes.set_ylabel("true class", fontsize=9)
        said.append(f"{title}: {_cell_text(matrix, names, with_sign=signed)}")
    return (
        figure,
        said,
        (
            f" The strongest colour: {wording.number(largest, 1)} a seed; below a sixteenth of it a"
            f" cell stays empty.{note}"
        ),
    )


def confusion_finding(matrices: Mapping[str, Matrix], names: Sequence[str]) -> str:
    """The commonest confusion over all arms, and which arms make it most and least."""
    total = np.sum(list(matrices.values()), axis=0)
    if not total.any():
        return "No test image was answered wrongly"
    row, column = _largest(total)
    rates = {arm: float(matrix[row, column]) for arm, matrix in matrices.items()}
    most, least = max(rates, key=lambda arm: rates[arm]), min(rates, key=lambda arm: rates[arm])
    said = f"The commonest confusion is {names[row]} taken for {names[column]}:"
    if most == least:
        return f"{said} {wording.number(rates[most], 1)} times a seed with {most}"
    return (
        f"{said} {wording.number(rates[most], 1)} times a seed with {most},"
        f" {wording.number(rates[least], 1)} with {least}"
    )


def confusion_figure(comparison: Mapping[str, Any]) -> RenderedFigure | None:
    """Each arm's wrong answers by true class and answer, a seed; None where not recorded."""
    arms = comparison["arms"]
    if any(item["confusion"] is None for item in arms.values()):
        return None
    matrices = {arm: _a_seed(item["confusion"], item["n"]) for arm, item in arms.items()}
    figure, said, scale = _all(matrices, comparison, signed=False)
    images = wording.whole(sum(next(iter(arms.values()))["errors_by_digit"]["images"]))
    return rendered(
        figure,
        f"{comparison['study']['name']}-confusion",
        confusion_finding(matrices, class_names(comparison)),
        f"Wrong answers among {images} test images, mean over seeds, on one scale for all arms;"
        f" dots mark right answers, which are not counted.{scale}"
        f" {wording.seed_counts(item['n'] for item in arms.values())} an arm.",
        f"A grid of true class by answer for each arm. Most often, a seed: {'; '.join(said)}.",
    )


def confusion_difference_finding(
    matrices: Mapping[tuple[str, str], Matrix], names: Sequence[str]
) -> str:
    """The one confusion that differs most between an arm and its partner."""
    (arm, partner), matrix = max(matrices.items(), key=lambda item: float(np.abs(item[1]).max()))
    row, column = _largest(matrix)
    rate = float(matrix[row, column])
    if math.isclose(rate, 0.0):
        return "Arms and partners confuse the same classes equally often"
    more = "more" if rate > 0 else "less"
    return (
        f"The confusion that differs most: {arm} takes {names[row]} for {names[column]}"
        f" {more} often than {partner}, by {wording.number(abs(rate), 1)} a seed"
    )


def confusion_difference_figure(comparison: Mapping[str, Any]) -> RenderedFigure | None:
    """Each contrast's difference of wrong answers by true class and answer, a seed."""
    contrasts = comparison["contrasts"]
    if not contrasts or any(item["confusion_difference"] is None for item in contrasts):
        return None
    matrices = {
        (item["arm"], item["partner"]): _a_seed(item["confusion_difference"], item["n"])
        for item in contrasts
    }
    titled = {f"{arm} − {partner}": matrix for (arm, partner), matrix in matrices.items()}
    figure, said, scale = _all(titled, comparison, signed=True)
    return rendered(
        figure,
        f"{comparison['study']['name']}-confusion-difference",
        confusion_difference_finding(matrices, class_names(comparison)),
        "Arm minus partner, mean over common seeds: orange where the arm makes the error more"
        f" often, blue where less.{scale}"
        f" {wording.seed_counts(item['n'] for item in contrasts)}, paired."
        " Single cells are noisy, and no verdict is read from them.",
        "A grid of true class by answer for each contrast. The largest difference, a seed:"
        f" {'; '.join(said)}.",
    )
