"""The figure of response maps: what each arm's blocks answer to one and the same digit."""

from collections.abc import Mapping, Sequence
from typing import Any

from convchoice.analysis import old_text as wording
from convchoice.analysis.old_text import unpacked
from convchoice.reporting.drawing import WIDTH_INCHES, Ink
from convchoice.reporting.inside_view import (
    LAYERS,
    Inside,
    first_arms,
    image_said,
    insides_of,
    moves,
    seed_said,
    span,
)
from convchoice.reporting.sheet import mosaic, pixels_of, place, shades, sheet, write
from convchoice.reporting.svg import RenderedFigure, rendered

MOST_ARMS = 8
MARGIN_INCHES = 0.06
HEAD_INCHES = 0.56
LABEL_INCHES = 0.2
GAP_INCHES = 0.09
HEADING_POINTS_AN_INCH = 10.5
"""A heading must not reach into the next column."""
COLUMNS = 2
"""Of the maps of one stage: the channels lie in a square."""

Stage = tuple[str, str]
"""A block and which of its stages: ``("block 1", "convolved")``."""


def stage_of(layer: str) -> Stage:
    """The stage that a layer ends, from its name."""
    block, _, part = layer.partition(".")
    return block.replace("block", "block "), (
        "downsampled" if part.startswith("downsample") else "convolved"
    )


def stages_of(insides: Mapping[str, Inside]) -> list[Stage]:
    """Every stage that any arm has, in the order in which an image passes them."""
    return sorted(
        {stage_of(item["layer"]) for inside in insides.values() for item in inside["maps"]}
    )


def strongest(insides: Mapping[str, Inside]) -> dict[Stage, float]:
    """By stage the strongest response of any arm: its colour is the full one."""
    found: dict[Stage, float] = {}
    for inside in insides.values():
        for item in inside["maps"]:
            stage = stage_of(item["layer"])
            found[stage] = max(found.get(stage, 0.0), item["largest"])
    return found


def _peaks(insides: Mapping[str, Inside]) -> dict[str, list[float]]:
    return {arm: [item["largest"] for item in inside["maps"]] for arm, inside in insides.items()}


def response_finding(insides: Mapping[str, Inside]) -> str:
    """How strongly the first and the last maps respond, in the arms that do least and most."""
    peaks = _peaks(insides)
    first = span({arm: each[0] for arm, each in peaks.items()}, 2)
    last = span({arm: each[-1] for arm, each in peaks.items()}, 2)
    return f"To the same image the first maps answer with up to {first}, the last with up to {last}"


def _heading(stage: Stage, largest: float) -> str:
    return "\n".join([*stage, f"0 to {wording.number(largest, 2)}"])


def _arm_said(arm: str, inside: Inside) -> str:
    parts: Sequence[str] = [
        f"{' '.join(stage_of(item['layer']))} {item['shape'][1]}×{item['shape'][2]}, at most"
        f" {wording.number(item['largest'], 2)}"
        for item in inside["maps"]
    ]
    return f"{arm}: {'; '.join(parts)}"


def response_figure(comparison: Mapping[str, Any]) -> RenderedFigure | None:
    """Maps of one digit by arm and stage; None where no arm kept any or none differs in layers."""
    insides, left_out = first_arms(insides_of(comparison), MOST_ARMS)
    insides = {arm: inside for arm, inside in insides.items() if inside["maps"]}
    if not insides or not moves(comparison, LAYERS):
        return None
    scale = strongest(insides)
    stages = stages_of(insides)
    side = (WIDTH_INCHES - 2 * MARGIN_INCHES) / (1 + len(stages)) - GAP_INCHES
    figure, axes = sheet(HEAD_INCHES + len(insides) * (LABEL_INCHES + side + GAP_INCHES))
    lefts = {
        stage: MARGIN_INCHES + (1 + number) * (side + GAP_INCHES)
        for number, stage in enumerate(stages)
    }
    size = min(8.0, HEADING_POINTS_AN_INCH * side)
    for stage, left in lefts.items():
        write(axes, _heading(stage, scale[stage]), left, MARGIN_INCHES / 2, fontsize=size)
    top = HEAD_INCHES
    for arm, inside in insides.items():
        write(axes, arm, MARGIN_INCHES, top)
        top += LABEL_INCHES
        place(axes, pixels_of(inside["image"]), MARGIN_INCHES, top, side, side)
        there = {stage_of(item["layer"]): item for item in inside["maps"]}
        for stage, left in lefts.items():
            if stage in there:
                maps = unpacked(there[stage])
                tiles = [shades(one, scale[stage]) for one in maps]
                place(axes, mosaic(tiles, COLUMNS), left, top, side, side)
            else:
                write(
                    axes, "no such\nstep", left + side / 2, top + side / 2, ha="center",
                    va="center", fontsize=8, color=Ink.muted.stand_in,
                )  # fmt: skip
        top += side + GAP_INCHES
    said = [_arm_said(arm, inside) for arm, inside in insides.items()]
    channels = max(item["shape"][0] for inside in insides.values() for item in inside["maps"])
    return rendered(
        figure,
        f"{comparison['study']['name']}-responses",
        response_finding(insides),
        f"The first {channels} channels of each block, after its convolution and detector and after"
        f" its downsampling, for {image_said(comparison, insides)}, left as the network gets it."
        " One scale a column for all arms, written above it: colourless is 0, full blue the"
        " strongest response shown, orange below 0."
        " With one seed, layers of one name and shape began from the same weights in every arm."
        f" n = 1 image, {seed_said(insides)}, after training.{left_out}",
        f"A row an arm: the image, then its maps. {'. '.join(said)}.",
    )
