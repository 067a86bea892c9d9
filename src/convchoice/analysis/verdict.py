"""Verdict rules: from the interval of a contrast, and the verdicts of a claim, to a word.

Pure functions. Words and boundaries are fixed before any result exists.
"""

from collections.abc import Sequence
from enum import StrEnum

from convchoice.analysis.result_model import Interval

FEWEST_SEEDS = 6
"""Fewest pairs at which a two-sided sign-flip test can reject at 0.05: 2 / 2^6 = 0.031."""


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
    def shown_better(self) -> bool:
        """Whether the interval lies on the better side of 0, by however little."""
        return self.endswith("better")

    @property
    def shown_worse(self) -> bool:
        """Whether the interval lies on the worse side of 0, by however little."""
        return self.endswith("worse")

    @property
    def mirrored(self) -> "Verdict":
        """The verdict from the reference's side."""
        old, new = ("better", "worse") if self.shown_better else ("worse", "better")
        return Verdict(self.replace(old, new))


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
        interval: simultaneous, of arm minus reference, in the margin's unit; None with one seed.
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


class ClaimVerdict(StrEnum):
    """The outcome of the claim "this arm is better than each of those"."""

    holds = "claim holds"
    holds_in_part = "holds in part"
    not_shown = "not shown"
    contradicted = "contradicted"


def claim_verdict_of(verdicts: Sequence[Verdict]) -> ClaimVerdict:
    """The claim's outcome from the verdicts of its comparisons, from the claimed arm's side.

    Holds: better in every one; holds in part: in some; contradicted: in none, and worse in at least
    one; not shown: everything else. "Better" is the sign, however small the difference. This is an
    intersection-union test: all must reject, so p needs no adjustment (Berger 1982, Multiparameter
    hypothesis testing and acceptance sampling, Technometrics 24).
    """
    if not verdicts:
        raise ValueError("a claim needs at least one comparison.")
    if all(verdict.shown_better for verdict in verdicts):
        return ClaimVerdict.holds
    if any(verdict.shown_better for verdict in verdicts):
        return ClaimVerdict.holds_in_part
    if any(verdict.shown_worse for verdict in verdicts):
        return ClaimVerdict.contradicted
    return ClaimVerdict.not_shown
