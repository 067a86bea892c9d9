"""Figures of receptive fields: what cells can see by geometry, and what the last one uses."""

from math import prod

from convchoice.analysis import text
from convchoice.analysis.result import Comparison
from convchoice.analysis.result_introspection import Introspection, ReceptiveField
from convchoice.reporting.drawing import SERIES, TEXT
from convchoice.reporting.introspection_figures import (
    LAYER_KEYS,
    Arms,
    arms_of,
    first_arms,
    image_words,
)
from convchoice.reporting.rasters import (
    Frame,
    Panel,
    Section,
    channels_last,
    image_grid,
    shades,
)
from convchoice.reporting.spans import span
from convchoice.reporting.svg import RenderedFigure, rendered

PANELS_A_ROW = 4


def size_of(field: ReceptiveField) -> tuple[int, int]:
    """Height and width of a receptive field, padding included."""
    return field.rows[1] - field.rows[0] + 1, field.columns[1] - field.columns[0] + 1


def _size_words(field: ReceptiveField) -> str:
    return "×".join(map(str, size_of(field)))


def field_groups(arms: Arms) -> list[tuple[list[str], list[ReceptiveField]]]:
    """Arms with receptive fields of the same sizes together, in the order of the arms."""
    groups: list[tuple[list[str], list[ReceptiveField]]] = []
    for arm, item in arms.items():
        sizes = [size_of(field) for field in item.fields]
        same = next((names for names, found in groups if [*map(size_of, found)] == sizes), None)
        if same is None:
            groups.append(([arm], item.fields))
        else:
            same.append(arm)
    return groups


def field_finding(arms: Arms) -> str:
    """What the middle cell of the last map sees."""
    sides = {arm: prod(size_of(item.fields[-1])) for arm, item in arms.items()}
    return f"Pixels that the middle cell of the last map sees: {span(sides, 0)}"


def field_figure(comparison: Comparison) -> RenderedFigure | None:
    """Each layer's receptive field on a test image; None if all arms have the same fields."""
    every = {arm: item for arm, item in arms_of(comparison, ("",)).items() if item.fields}
    arms, left_out = first_arms(every)
    groups = field_groups(arms)
    if not groups or (len(groups) == 1 and len(comparison.arms) > 1):
        return None
    layers = list(dict.fromkeys(field.layer for _, fields in groups for field in fields))
    colour = {layer: SERIES[index % len(SERIES)] for index, layer in enumerate(layers)}
    shown, words = [], []
    for names, fields in groups:
        pixels = channels_last(arms[names[0]].image)
        height, width = pixels.shape[:2]
        beyond = [
            max(-first, last - size + 1)
            for field in fields
            for (first, last), size in ((field.rows, height), (field.columns, width))
        ]
        labels = [f"{field.layer.replace('.', ' ')} {_size_words(field)}" for field in fields]
        frames = [Frame(field.rows, field.columns, colour[field.layer]) for field in fields]
        below = [(label, frame.colour) for label, frame in zip(labels, frames, strict=True)]
        shown.append(Panel(text.listed(names), pixels, below, frames, max(0, *beyond)))
        words.append(f"{text.listed(names)}: {', '.join(labels)}")
    return rendered(
        image_grid([Section(shown)], 2),
        f"{comparison.study.name}-receptive-fields",
        field_finding(arms),
        "The pixels that the middle cell of each layer's map sees, by sizes, strides and padding"
        " alone. A frame that leaves the image includes padding; arms with fields of the same sizes"
        f" share an image. n = 1 image: {image_words(comparison, arms)}.{left_out}",
        f"Nested frames on a test image. {'; '.join(words)}.",
    )


def _visible(item: Introspection) -> tuple[tuple[int, int], tuple[int, int]]:
    """Rows and columns of the image that the middle cell of the last map sees."""
    field = item.fields[-1]
    height, width = item.gradient.shape
    return (
        (max(0, field.rows[0]), min(height - 1, field.rows[1])),
        (max(0, field.columns[0]), min(width - 1, field.columns[1])),
    )


def effective_field_figure(comparison: Comparison) -> RenderedFigure | None:
    """The pixels that the middle cell of the last map uses after training."""
    found = arms_of(comparison, LAYER_KEYS)
    arms, left_out = first_arms({arm: item for arm, item in found.items() if item.fields})
    gradients = {
        arm: (item, item.middle_gradient)
        for arm, item in arms.items()
        if item.middle_gradient is not None
    }
    if not gradients:
        return None
    shown, words, halves, visible = [], [], {}, {}
    for arm, (item, gradient) in gradients.items():
        rows, columns = _visible(item)
        values = gradient.unpacked()
        frame = Frame(rows, columns, TEXT.stand_in)
        shown.append(Panel(arm, shades(values, float(values.max())), (), [frame]))
        halves[arm] = gradient.half_pixels.mean
        visible[arm] = prod(last - first + 1 for first, last in (rows, columns))
        low, high = gradient.half_pixels.low, gradient.half_pixels.high
        bounds = None if low is None or high is None else (low, high)
        words.append(
            f"{arm}: half of it from {text.number(halves[arm], 1)} {text.interval(bounds, 1)} of"
            f" {visible[arm]} pixels"
        )
    n = [gradient.n for _, gradient in gradients.values()]
    images = next(iter(gradients.values()))[1].images
    return rendered(
        image_grid([Section(shown)], PANELS_A_ROW),
        f"{comparison.study.name}-effective-fields",
        f"Of {span(visible, 0)} pixels that the middle cell of the last map sees, {span(halves, 0)}"
        " hold half of its gradient",
        "|∂ middle cell of the last map / ∂ pixel|, summed over channels: the effective receptive"
        " field. Full orange is each arm's strongest pixel; the frame holds all pixels that the"
        f" cell sees. Mean over seeds. {text.seed_counts(n)} per arm, {text.whole(images)} test"
        f" images.{left_out}",
        f"A map of the image's pixels for each arm. {'; '.join(words)}.",
    )
