"""The champion of a study: the baseline until verdicts put another arm ahead.

Among several better arms the choice is made on validation images, never on the test set.
"""

from typing import NamedTuple

from convchoice.analysis import text
from convchoice.analysis.arm import ArmResult
from convchoice.analysis.contrast import Contrast
from convchoice.analysis.result import Comparison
from convchoice.analysis.sentences import answer
from convchoice.analysis.verdict import Verdict

WINS = {Verdict.better, Verdict.slightly_better}
"""A difference that is shown to be smaller than the margin is no win."""


class Champion(NamedTuple):
    """A study's champion, and the reason in words, the study's answer first."""

    arm: str
    reason: str


def _wins(comparison: Comparison) -> dict[str, Contrast]:
    """The contrasts that put arms ahead of the baseline, directly or through another arm.

    An arm that is better than a reference which is not itself ahead of the baseline does not count.
    Controls have a confounder, so they cannot win.
    """
    study = comparison.study
    better = [item for item in comparison.contrasts if item.verdict in WINS]
    candidates = [item for item in better if item.arm not in study.controls]
    ahead, wins = {study.baseline}, dict[str, Contrast]()
    while fresh := {
        item.arm: item for item in candidates if item.reference in ahead and item.arm not in ahead
    }:
        wins |= fresh
        ahead |= fresh.keys()
    return wins


def _validation_accuracy(arm: ArmResult) -> float | None:
    band = arm.learning_curves.bands.get("val/accuracy")
    return band.mean[-1] if band else None


def champion(comparison: Comparison) -> Champion:
    """The champion of a study."""
    baseline, arms, measure = comparison.study.baseline, comparison.arms, comparison.measure
    outcome, wins = answer(comparison), _wins(comparison)
    overtaken = {item.reference for item in wins.values()}
    rivals = [arm for arm in wins if arm not in overtaken]
    if not rivals:
        others = "there is no other arm" if len(arms) == 1 else "no other arm is shown to be better"
        return Champion(baseline, f"{outcome} {baseline} is the baseline, and {others}.")
    scores = {arm: _validation_accuracy(arms[arm]) for arm in rivals}
    evaluated = {arm: score for arm, score in scores.items() if score is not None}
    best = max(evaluated, key=lambda arm: evaluated[arm]) if evaluated else rivals[0]
    contrast = wins[best]
    reason = (
        f"{outcome} {best} against {contrast.reference}: {contrast.verdict},"
        f" {text.difference(contrast, measure)} {measure.short_unit}"
        f" {text.difference_interval(contrast, measure)}."
    )
    if len(rivals) > 1:
        rule = (
            f"has the highest mean accuracy on validation images ({100 * evaluated[best]:.2f} %)"
            if evaluated
            else "is the first in the study"
        )
        reason += f" Of {text.listed(rivals)}, which are all ahead, it {rule}."
    return Champion(best, reason)
