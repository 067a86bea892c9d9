"""The figures of the test images that flip: right in one arm, wrong in the other, as pictures."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from convchoice.analysis import old_text as wording
from convchoice.reporting.confusion_figures import class_names
from convchoice.reporting.drawing import Ink, new_figure
from convchoice.reporting.rendering import slug
from convchoice.reporting.sheet import COLOUR_CHANNELS, pixels_of
from convchoice.reporting.svg import RenderedFigure, rendered

ROW_INCHES = 1.62
COLUMNS = 6

Flip = Mapping[str, Any]


def flip_finding(contrast: Mapping[str, Any]) -> str:
    """How many images flip at all, and how many do so with most seeds."""
    arm, partner, found = contrast["arm"], contrast["partner"], contrast["flips"]
    gained, lost = found["mostly_gained"], found["mostly_lost"]
    return (
        f"{wording.whole(found['images'])} images flip between {arm} and {partner}; with most seeds"
        f" {wording.whole(gained)} {'is' if gained == 1 else 'are'} right in {arm} alone and"
        f" {wording.whole(lost)} in {partner} alone"
    )


def _wrong_answer(flip: Flip, side: str) -> int:
    """The wrong answer that the seeds of one side gave most often."""
    answers: Mapping[str, int] = flip[side]
    return next(int(answer) for answer in answers if int(answer) != flip["label"])


def _said(flip: Flip, names: Sequence[str], n: int, *, gained: bool) -> tuple[str, str]:
    """True class and the usual wrong answer; with how many seeds."""
    wrong = _wrong_answer(flip, "partner_answers" if gained else "arm_answers")
    count = flip["only_arm_right"] if gained else flip["only_partner_right"]
    return f"{names[flip['label']]}, not {names[wrong]}", f"{count} of {n}"


def _draw(axes: Axes, pixels: NDArray[np.uint8], below: tuple[str, str]) -> None:
    grey = {"cmap": "gray", "vmin": 0, "vmax": 255} if pixels.ndim < COLOUR_CHANNELS else {}
    axes.imshow(pixels, interpolation="none", **grey)  # type: ignore[arg-type]
    axes.set_xlabel("\n".join(below), fontsize=9)


def _unseen(found: Mapping[str, Any], kept: Mapping[str, Any]) -> str:
    """What a caption must say where images that flip as often are not shown; often nothing."""
    named = [flip["image"] for flip in [*found["gained"], *found["lost"]]]
    missing = sum(str(image) not in kept for image in named)
    return f" Of {missing} more that flip as often no run kept a picture." if missing else ""


def flip_figure(
    comparison: Mapping[str, Any], contrast: Mapping[str, Any]
) -> RenderedFigure | None:
    """The images of one contrast that flip most often; None where no picture of them was kept."""
    found = contrast["flips"]
    kept = comparison["pictures"]
    rows = [
        (name, gained, [flip for flip in found[name] if str(flip["image"]) in kept])
        for name, gained in (("gained", True), ("lost", False))
    ]
    rows = [row for row in rows if row[2]]
    if not rows:
        return None
    arm, partner = contrast["arm"], contrast["partner"]
    names = class_names(comparison)
    figure = new_figure(ROW_INCHES * len(rows))
    said = []
    parts = figure.subfigures(len(rows), 1, squeeze=False)[:, 0]
    for part, (_, gained, flips) in zip(parts, rows, strict=True):
        right, wrong = (arm, partner) if gained else (partner, arm)
        part.suptitle(
            f"right in {right}, wrong in {wrong}", fontsize=9.5, color=Ink.text.stand_in, x=0.01,
            ha="left",
        )  # fmt: skip
        every = part.subplots(1, COLUMNS)
        for axes in every:
            axes.set_xticks([])
            axes.set_yticks([])
            axes.set_frame_on(False)
        for axes, flip in zip(every, flips, strict=False):
            below = _said(flip, names, contrast["n"], gained=gained)
            _draw(axes, pixels_of(kept[str(flip["image"])]), below)
            said.append(f"image {flip['image']} ({right} right, {wrong} wrong): {', '.join(below)}")
    return rendered(
        figure,
        f"{comparison['study']['name']}-flips-{slug(arm)}",
        flip_finding(contrast),
        "The images that most often are right in one arm alone. Below each: its true class and the"
        " wrong answer that the other arm gave most often, then with how many of the common seeds"
        " it is so. They were picked because they flip, so with new seeds they will flip less."
        f"{_unseen(found, kept)}"
        f" {wording.seed_counts([contrast['n']])}, paired.",
        f"Pictures of test images. {'; '.join(said)}.",
    )


def flip_figures(comparison: Mapping[str, Any]) -> list[RenderedFigure]:
    """A figure a contrast that has pictures of what flips."""
    made = [
        flip_figure(comparison, contrast)
        for contrast in comparison["contrasts"]
        if contrast["flips"] is not None
    ]
    return [picture for picture in made if picture is not None]
