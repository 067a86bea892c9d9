"""Verdict rules: from the interval of a contrast, and the verdicts of a claim, to a word.

Pure functions. Words and boundaries are fixed before any result exists.
"""

from collections.abc import Sequence
from enum import StrEnum

from convchoice.analysis.result_types import Interval
from convchoice.config.study import Prediction


class Verdict(StrEnum):
    """The difference of an arm from its reference in a word, from the arm's side."""

    better = "better"
    slightly_better = "slightly better"
    negligibly_better = "negligibly better"
    equivalent = "equivalent"
    inconclusive = "inconclusive"
    negligibly_worse = "negligibly worse"
    slightly_worse = "slightly worse"
    worse = "worse"

    @property
    def finding(self) -> str:
        """The word without how large the difference is: better, worse, equivalent, inconclusive."""
        return self.rsplit(maxsplit=1)[-1]


def verdict_of(interval: Interval | None, margin: float, *, higher_is_better: bool) -> Verdict:
    """The verdict word of one contrast.

    Every boundary is strict: an interval that touches 0 or the margin has not passed it.

    - better: the whole interval beyond the margin;
    - slightly better: the whole interval above 0, and not all of it within the margin;
    - negligibly better: the whole interval between 0 and the margin;
    - equivalent: the whole interval within ±margin, 0 inside it;
    - inconclusive: none of these, or no interval at all;
    - the same words with "worse" on the other side.

    Args:
        interval: simultaneous, of arm minus reference, in the margin's unit; None if there is none.
        margin: the smallest difference that matters.
        higher_is_better: whether larger values of the metric are better.
    """
    if interval is None:
        return Verdict.inconclusive
    low, high = interval
    if not higher_is_better:
        low, high = -high, -low
    within = -margin < low and high < margin
    if low > margin:
        return Verdict.better
    if high < -margin:
        return Verdict.worse
    if low > 0:
        return Verdict.negligibly_better if within else Verdict.slightly_better
    if high < 0:
        return Verdict.negligibly_worse if within else Verdict.slightly_worse
    return Verdict.equivalent if within else Verdict.inconclusive


class Outcome(StrEnum):
    """Whether a contrast is what a claim predicts."""

    shown = "shown"
    otherwise = "shown otherwise"
    undecided = "undecided"


def outcome_of(verdict: Verdict, prediction: Prediction) -> Outcome:
    """A contrast's outcome, from the arm's side.

    "Better" and "worse" are the sign, however small the difference; "equivalent" is a difference
    within the margin; "not better" and "not worse" allow one within the margin.

    Args:
        verdict: of the contrast.
        prediction: what the claim says; not `higher` or `lower`, see `Prediction.of_quality`.
    """
    better, worse = verdict.finding == "better", verdict.finding == "worse"
    equal = verdict is Verdict.equivalent
    within = equal or verdict.startswith("negligibly")
    shown, otherwise = {
        Prediction.better: (better, worse or equal),
        Prediction.worse: (worse, better or equal),
        Prediction.equivalent: (within, verdict in {Verdict.better, Verdict.worse}),
        Prediction.not_better: (worse or within, better and not within),
        Prediction.not_worse: (better or within, worse and not within),
    }[prediction]
    return Outcome.shown if shown else Outcome.otherwise if otherwise else Outcome.undecided


class Answer(StrEnum):
    """Whether a claim holds."""

    yes = "Yes"
    no = "No"
    partly = "Partly"
    undecided = "Undecided"


def answer_of(outcomes: Sequence[Outcome]) -> Answer:
    """The answer to a claim from the outcomes of its contrasts, at least one.

    Yes: every one is shown; no: none is, and each is shown otherwise; partly: some are shown;
    undecided: everything else. "Yes" is an intersection-union test: all must reject, so that no
    adjustment for their number is needed (Berger 1982, Multiparameter hypothesis testing and
    acceptance sampling, Technometrics 24).
    """
    shown = [outcome is Outcome.shown for outcome in outcomes]
    if any(shown):
        return Answer.yes if all(shown) else Answer.partly
    contradicted = all(outcome is Outcome.otherwise for outcome in outcomes)
    return Answer.no if contradicted else Answer.undecided
