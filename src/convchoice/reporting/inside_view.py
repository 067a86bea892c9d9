"""What figures of networks' insides have in common: whose they show, and in which studies.

A figure belongs in a study where what it shows can differ: where an arm differs from its partner in
a key that decides it, or where the study has one arm alone, whose inside is then simply shown.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from convchoice.analysis import old_text as wording
from convchoice.reporting.confusion_figures import class_names

LAYERS = ("conv.", "downsample.", "model.first_layer", "data.permutation_seed")
"""Keys, or beginnings of keys, that decide what layers learn and answer."""
EDGES = ("conv.padding", "conv.padding_mode")
"""Keys that decide what is done at the border."""

NAMED_ARMS = 2
"""Of so many arms with the same number a title names each."""

Inside = Mapping[str, Any]


def insides_of(comparison: Mapping[str, Any]) -> dict[str, Inside]:
    """Each arm's inside; arms without it are left out, as are all in files from before."""
    found = {arm: item.get("inside") for arm, item in comparison["arms"].items()}
    return {arm: inside for arm, inside in found.items() if inside is not None}


def moves(comparison: Mapping[str, Any], keys: Sequence[str]) -> bool:
    """Whether an arm differs from its partner in one of the keys, or there is but one arm."""
    arms = comparison["arms"].values()
    return len(arms) == 1 or any(
        key.startswith(tuple(keys)) for arm in arms for key in arm["differs_from_partner"]
    )


def first_arms(insides: Mapping[str, Inside], most: int) -> tuple[dict[str, Inside], str]:
    """As many arms as a figure holds, and what its caption must say of the others."""
    shown = dict(list(insides.items())[:most])
    left_out = [arm for arm in insides if arm not in shown]
    return shown, f" Not shown: {wording.listed(left_out)}." if left_out else ""


def span(numbers: Mapping[str, float], decimals: int) -> str:
    """The least and the most of the arms' numbers, with their arms: ``1.2 (a) to 3.4 (b and c)``.

    Numbers that are written alike count as the same.
    """
    written = {arm: wording.number(value, decimals) for arm, value in numbers.items()}
    least, most = (written[choose(numbers, key=lambda arm: numbers[arm])] for choose in (min, max))
    if least == most:
        return least if len(numbers) == 1 else f"{least} (every arm)"
    return " to ".join(
        f"{end} ({named([arm for arm, text in written.items() if text == end])})"
        for end in (least, most)
    )


def named(arms: Sequence[str]) -> str:
    """Arms by name, or how many there are where a title cannot hold their names."""
    return wording.listed(arms) if len(arms) <= NAMED_ARMS else f"{len(arms)} arms"


def image_said(comparison: Mapping[str, Any], insides: Mapping[str, Inside]) -> str:
    """The image that is shown: ``test image 1, a 2``."""
    image = next(iter(insides.values()))["image"]
    return f"test image {image['index']}, of class {class_names(comparison)[image['label']]}"


def seed_said(insides: Mapping[str, Inside]) -> str:
    """Whose filters and maps are shown: ``seed 0 of each arm``."""
    seeds = sorted({inside["seed"] for inside in insides.values()})
    of_arms = " of each arm" if len(insides) > 1 else ""
    return f"seed {' or '.join(map(str, seeds))}{of_arms}"
