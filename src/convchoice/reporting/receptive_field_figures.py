"""The figures of receptive fields: what cells can see by layer, and what the last one looks at."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from convchoice.analysis import old_text as wording
from convchoice.analysis.old_text import unpacked
from convchoice.reporting.drawing import SERIES, WIDTH_INCHES, Ink
from convchoice.reporting.inside_view import Inside, first_arms, image_said, insides_of, named, span
from convchoice.reporting.sheet import frame, pixels_of, place, shades, sheet, write
from convchoice.reporting.svg import RenderedFigure, rendered

MOST_GROUPS = 8
MOST_ARMS = 12
MARGIN_INCHES = 0.08
GAP_INCHES = 0.1
LABEL_INCHES = 0.2
GROUPS_A_ROW = 2
SIZES_INCHES = 0.62
"""Beside a digit, for the fields' sizes."""
LINE_INCHES = 0.17
LABEL_CHARACTERS = 32
ARMS_A_ROW = 4
ARM_CHARACTERS = 19

Field = Mapping[str, Any]


def size_of(field: Field) -> str:
    """Height and width of a field, padding included: ``18×18``."""
    (top, bottom), (left, right) = field["rows"], field["columns"]
    return f"{bottom - top + 1}×{right - left + 1}"


def _area(field: Field) -> int:
    (top, bottom), (left, right) = field["rows"], field["columns"]
    area: int = (bottom - top + 1) * (right - left + 1)
    return area


def groups_of(insides: Mapping[str, Inside]) -> list[tuple[list[str], Sequence[Field]]]:
    """Arms whose fields are the same, together, in the order of the arms."""
    groups: list[tuple[list[str], Sequence[Field]]] = []
    for arm, inside in insides.items():
        for arms, fields in groups:
            if fields == inside["fields"]:
                arms.append(arm)
                break
        else:
            groups.append(([arm], inside["fields"]))
    return groups


def field_finding(groups: Sequence[tuple[Sequence[str], Sequence[Field]]]) -> str:
    """What the middle cell of the last map sees, in the arms where it is least and most."""
    what = "The middle cell of the last map sees"
    ordered = sorted(groups, key=lambda group: _area(group[1][-1]))
    least, most = (size_of(fields[-1]) for _, fields in (ordered[0], ordered[-1]))
    if least == most:
        everywhere = " in every arm" if sum(len(arms) for arms, _ in groups) > 1 else ""
        return f"{what} {least} pixels{everywhere}"
    names = [
        named([arm for arms, fields in groups if size_of(fields[-1]) == size for arm in arms])
        for size in (least, most)
    ]
    return f"{what} {least} ({names[0]}) to {most} pixels ({names[1]})"


def _windows(fields: Sequence[Sequence[Field]], height: int, width: int) -> int:
    """How far the fields of any group reach beyond the image, in pixels."""
    every = [field for each in fields for field in each]
    before = [-field[side][0] for field in every for side in ("rows", "columns")]
    after = [field["rows"][1] - height + 1 for field in every]
    after += [field["columns"][1] - width + 1 for field in every]
    return int(max(0, *before, *after))


def _layer_words(layer: str) -> str:
    return layer.replace(".", " ").replace("_", " ")


def _colour(layers: Sequence[str], layer: str) -> str:
    return SERIES[layers.index(layer) % len(SERIES)]


def _legend(axes: Axes, layers: Sequence[str]) -> float:
    """The layers' names in their colours, three a row; where it ends."""
    columns = 3
    for number, layer in enumerate(layers):
        left = MARGIN_INCHES + number % columns * (WIDTH_INCHES - 2 * MARGIN_INCHES) / columns
        top = MARGIN_INCHES / 2 + number // columns * LINE_INCHES
        axes.plot(
            [left, left + 0.16], [top + 0.08] * 2, color=_colour(layers, layer), linewidth=1.6
        )
        write(axes, _layer_words(layer), left + 0.2, top, fontsize=8)
    return MARGIN_INCHES / 2 + LINE_INCHES * -(-len(layers) // columns)


def field_figure(comparison: Mapping[str, Any]) -> RenderedFigure | None:
    """Each layer's field on a real image, arms with the same fields together; None without any."""
    insides = {arm: item for arm, item in insides_of(comparison).items() if item["fields"]}
    if not insides:
        return None
    groups = groups_of(insides)
    shown, rest = groups[:MOST_GROUPS], groups[MOST_GROUPS:]
    layers = list(dict.fromkeys(field["layer"] for _, fields in shown for field in fields))
    pixels = pixels_of(next(iter(insides.values()))["image"])
    height, width = pixels.shape[:2]
    beyond = _windows([fields for _, fields in shown], height, width)
    columns = min(GROUPS_A_ROW, len(shown))
    room = (WIDTH_INCHES - 2 * MARGIN_INCHES) / GROUPS_A_ROW
    side = room - SIZES_INCHES - GAP_INCHES
    inch = side / (max(height, width) + 2 * beyond)
    labels = [textwrap.wrap(wording.listed(arms), LABEL_CHARACTERS) for arms, _ in shown]
    rows = -(-len(shown) // columns)
    label_height = LABEL_INCHES * max(map(len, labels))
    row_height = label_height + side + GAP_INCHES
    head = LINE_INCHES * -(-len(layers) // 3) + MARGIN_INCHES
    figure, axes = sheet(head + rows * row_height)
    _legend(axes, layers)
    for number, ((arms, fields), label) in enumerate(zip(shown, labels, strict=True)):
        left = MARGIN_INCHES + number % columns * room
        top = head + number // columns * row_height
        write(axes, "\n".join(label), left, top)
        top += label_height
        image_left, image_top = left + beyond * inch, top + beyond * inch
        picture = pixels_of(insides[arms[0]]["image"])
        place(axes, picture, image_left, image_top, width * inch, height * inch)
        frame(axes, image_left, image_top, width * inch, height * inch)
        for line, field in enumerate(fields):
            colour = _colour(layers, field["layer"])
            (first_row, last_row), (first_column, last_column) = field["rows"], field["columns"]
            frame(
                axes, image_left + first_column * inch, image_top + first_row * inch,
                (last_column - first_column + 1) * inch, (last_row - first_row + 1) * inch,
                edgecolor=colour, linewidth=1.6,
            )  # fmt: skip
            at = left + side + GAP_INCHES
            write(axes, size_of(field), at + 0.16, top + line * LINE_INCHES, fontsize=8)
            axes.plot(
                [at, at + 0.11], [top + line * LINE_INCHES + 0.08] * 2, color=colour, linewidth=1.6
            )
    said = [
        f"{wording.listed(arms)}: "
        + ", ".join(f"{_layer_words(field['layer'])} {size_of(field)}" for field in fields)
        for arms, fields in groups
    ]
    left_out = [arm for arms, _ in rest for arm in arms]
    return rendered(
        figure,
        f"{comparison['study']['name']}-receptive-fields",
        field_finding(groups),
        "What the cell in the middle of each layer’s map can see of the image, in pixels, by sizes,"
        " strides and padding alone. A frame that leaves the image reaches into padding; arms with"
        f" the same frames share a picture. n = 1 image: {image_said(comparison, insides)}."
        + (f" Not shown: {wording.listed(left_out)}." if left_out else ""),
        f"Nested frames on a test image. {'; '.join(said)}.",
    )


def _visible(inside: Inside) -> int:
    """Pixels of the image that the middle cell of the last map can see."""
    height, width = inside["gradient"]["shape"]
    field = inside["fields"][-1]
    rows, columns = (
        max(0, min(last, size - 1) - max(first, 0) + 1)
        for (first, last), size in ((field["rows"], height), (field["columns"], width))
    )
    return int(rows * columns)


def middle_finding(insides: Mapping[str, Inside]) -> str:
    """How few pixels hold half of the gradient, in the arms with the fewest and the most."""
    counts = {arm: item["middle_gradient"]["half_pixels"]["mean"] for arm, item in insides.items()}
    visible = sorted({_visible(item) for item in insides.values()})
    of = f"{visible[0]} to {visible[-1]}" if len(visible) > 1 else str(visible[0])
    return (
        f"Of the {of} pixels that the middle cell of the last map can see, so many hold half of its"
        f" gradient: {span(counts, 0)}"
    )


def middle_figure(comparison: Mapping[str, Any]) -> RenderedFigure | None:
    """What the middle cell of the last map looks at after training; None where not measured."""
    insides, left_out = first_arms(
        {arm: item for arm, item in insides_of(comparison).items() if item["middle_gradient"]},
        MOST_ARMS,
    )
    if not insides:
        return None
    columns = min(ARMS_A_ROW, len(insides))
    side = (WIDTH_INCHES - 2 * MARGIN_INCHES - (ARMS_A_ROW - 1) * GAP_INCHES) / ARMS_A_ROW
    labels = {arm: textwrap.wrap(arm, ARM_CHARACTERS) for arm in insides}
    label_height = LABEL_INCHES * max(len(label) for label in labels.values())
    row_height = label_height + side + GAP_INCHES
    rows = -(-len(insides) // columns)
    figure, axes = sheet(MARGIN_INCHES + rows * row_height)
    said = []
    for number, (arm, inside) in enumerate(insides.items()):
        gradient = unpacked(inside["middle_gradient"])
        height, width = gradient.shape
        left = MARGIN_INCHES + number % columns * (side + GAP_INCHES)
        top = MARGIN_INCHES / 2 + number // columns * row_height
        write(axes, "\n".join(labels[arm]), left, top, fontsize=7.5)
        top += label_height
        place(axes, shades(gradient, float(gradient.max())), left, top, side, side)
        frame(axes, left, top, side, side)
        inch = side / max(height, width)
        (first_row, last_row), (first_column, last_column) = (
            [max(0, field[0]), min(size - 1, field[1])]
            for field, size in (
                (inside["fields"][-1]["rows"], height), (inside["fields"][-1]["columns"], width),
            )
        )  # fmt: skip
        frame(
            axes, left + first_column * inch, top + first_row * inch,
            (last_column - first_column + 1) * inch, (last_row - first_row + 1) * inch,
            edgecolor=Ink.text.stand_in, linewidth=1,
        )  # fmt: skip
        half = inside["middle_gradient"]["half_pixels"]
        bounds = None if half["low"] is None else [half["low"], half["high"]]
        said.append(
            f"{arm}: half of it from {wording.number(half['mean'], 1)}"
            f" {wording.interval(bounds, 1)} of {_visible(inside)} pixels"
        )
    first = next(iter(insides.values()))["middle_gradient"]
    return rendered(
        figure,
        f"{comparison['study']['name']}-effective-fields",
        middle_finding(insides),
        "|∂ middle cell of the last map / ∂ pixel|, its channels added up: the effective receptive"
        " field. Full blue is each arm’s strongest pixel; the frame holds what the cell can see at"
        " all. Mean over seeds."
        f" {wording.seed_counts(item['middle_gradient']['n'] for item in insides.values())} an arm,"
        f" {wording.whole(first['images'])} test images.{left_out}",
        f"A map of the image’s pixels for each arm. {'; '.join(said)}.",
    )
