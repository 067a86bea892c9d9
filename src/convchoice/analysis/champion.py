"""Which arm a study crowns, and why: it follows from the verdicts and is chosen on nothing else.

The baseline holds the title until another arm is shown to be better. Where several are, the choice
among them is made on validation images, never on the test set.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from convchoice.analysis import text as wording
from convchoice.analysis.measure import measure_in
from convchoice.analysis.verdict import Verdict

WINS = {Verdict.better, Verdict.slightly_better}
"""A difference that is shown to be smaller than the margin takes no title."""


@dataclass(frozen=True)
class Champion:
    """A study's winner.

    Attributes:
        arm: its name.
        reason: in words, the study's answer first.
    """

    arm: str
    reason: str


def _wins(comparison: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The contrasts by which arms came to be ahead of the baseline, at first or second hand.

    A like-for-like partner that is no better than the baseline itself proves nothing against it.
    Controls hold a confounder, so they are no rivals.
    """
    study = comparison["study"]
    ahead = {study["baseline"]}
    wins: dict[str, Mapping[str, Any]] = {}
    candidates = [
        item
        for item in comparison["contrasts"]
        if Verdict(item["verdict"]) in WINS and item["arm"] not in study["controls"]
    ]
    while fresh := [item for item in candidates if item["partner"] in ahead - {item["arm"]}]:
        candidates = [item for item in candidates if item not in fresh]
        wins |= {item["arm"]: item for item in fresh}
        ahead |= {item["arm"] for item in fresh}
    return wins


def _validation_accuracy(arm: Mapping[str, Any]) -> float | None:
    curve = (arm["learning_curves"] or {}).get("val/accuracy")
    return float(curve["mean"][-1]) if curve else None


def champion(comparison: Mapping[str, Any]) -> Champion:
    """The winner of a study's comparison."""
    baseline, arms = comparison["study"]["baseline"], comparison["arms"]
    answer = wording.answer(comparison)
    wins = _wins(comparison)
    overtaken = {item["partner"] for item in wins.values()}
    rivals = [arm for arm in wins if arm not in overtaken]
    if not rivals:
        others = "there is no other arm" if len(arms) == 1 else "no rival is shown to be better"
        return Champion(baseline, f"{answer} {baseline} is the baseline, and {others}.")
    scores = {arm: _validation_accuracy(arms[arm]) for arm in rivals}
    measured = {arm: score for arm, score in scores.items() if score is not None}
    best = max(measured, key=lambda arm: measured[arm]) if measured else rivals[0]
    contrast, measure = wins[best], measure_in(comparison)
    reason = (
        f"{answer} {best} against {contrast['partner']}: {contrast['verdict']},"
        f" {wording.difference(contrast, measure)} {measure.short_unit}"
        f" {wording.difference_interval(contrast, measure)}."
    )
    if len(rivals) > 1:
        chosen = (
            f"has the highest mean accuracy on validation images ({100 * measured[best]:.2f} %)"
            if measured
            else "stands first in the study"
        )
        reason += f" Of {wording.listed(rivals)}, which are all ahead, it {chosen}."
    return Champion(best, reason)
