"""From an interval to a word: what a contrast, and what a claim over several, comes to.

Pure functions. The words and their boundaries are fixed before any result is seen.
"""

from collections.abc import Mapping, Sequence
from enum import Enum

from convchoice.analysis.measure import Direction
from convchoice.analysis.statistics import Interval, smallest_rejecting_n
from convchoice.analysis.text import listed


class Verdict(Enum):
    """What the difference of an arm from its partner comes to, read from the arm's side."""

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
        """Whether the 95 % interval lies on the better side of 0, by however little."""
        return self in {Verdict.better, Verdict.slightly_better, Verdict.negligibly_better}

    @property
    def shown_worse(self) -> bool:
        """Whether the 95 % interval lies on the worse side of 0, by however little."""
        return self.mirrored.shown_better

    @property
    def within_margin(self) -> bool:
        """Whether the difference is shown to be smaller than the margin."""
        return self in {Verdict.equivalent, Verdict.negligibly_better, Verdict.negligibly_worse}

    @property
    def mirrored(self) -> "Verdict":
        """The verdict from the partner's side."""
        words = {"better": "worse", "worse": "better"}
        degree, _, direction = self.value.rpartition(" ")
        return Verdict(f"{degree} {words.get(direction, direction)}".strip())


def verdict_of(
    interval_95: Interval | None,
    interval_90: Interval | None,
    margin: float,
    direction: Direction,
) -> Verdict:
    """The verdict word of one contrast.

    Every boundary is strict: an interval that touches 0 or the margin has not passed it.

    - better: the whole 95 % interval beyond the margin;
    - slightly better: the 95 % interval above 0, and not shown to be within the margin;
    - negligibly better: the 95 % interval above 0, the 90 % interval within ±margin;
    - equivalent: the 90 % interval within ±margin, 0 inside the 95 % interval;
    - inconclusive: none of these, or no interval at all;
    - the same words with "worse" on the other side.

    Args:
        interval_95: of arm minus partner, in the margin's unit; None with a single seed.
        interval_90: likewise.
        margin: δ, above 0.
        direction: which way the metric gets better.
    """
    if interval_95 is None or interval_90 is None:
        return Verdict.inconclusive
    low, high = interval_95.low, interval_95.high
    if direction is Direction.lower:
        low, high = -high, -low
    equivalent = -margin < interval_90.low and interval_90.high < margin
    if low > margin:
        return Verdict.better
    if high < -margin:
        return Verdict.worse
    if low > 0:
        return Verdict.negligibly_better if equivalent else Verdict.slightly_better
    if high < 0:
        return Verdict.negligibly_worse if equivalent else Verdict.slightly_worse
    return Verdict.equivalent if equivalent else Verdict.inconclusive


def seeds_sentences(seeds: int, needed: int | None, verdict: Verdict) -> list[str]:
    """What must be said about the number of seeds; often nothing.

    Args:
        seeds: common seeds of the two arms.
        needed: seeds that would find a difference of the margin with 80 % power; None if unknown.
        verdict: of the contrast.
    """
    said = []
    fewest = smallest_rejecting_n()
    if seeds < fewest:
        have = "One seed" if seeds == 1 else f"{seeds} seeds"
        said.append(f"{have} can never reject at 0.05 by a sign-flip test: that takes {fewest}.")
    if seeds == 1:
        said.append("One seed has no interval, so nothing is shown either way.")
    elif needed is not None and needed > seeds and verdict is Verdict.inconclusive:
        said.append(
            f"With the spread seen, about {needed:,} seeds would find a difference of the margin"
            " (80 % power)."
        )
    return said


class ClaimVerdict(Enum):
    """What the claim "this arm is better than each of those" comes to."""

    holds = "claim holds"
    holds_in_part = "holds in part"
    not_shown = "not shown"
    contradicted = "contradicted"


def claim_verdict_of(verdicts: Sequence[Verdict]) -> ClaimVerdict:
    """An intersection-union test: the claim holds only if it holds in every comparison.

    No adjustment for several tests is needed, as all must reject (Berger 1982, Multiparameter
    hypothesis testing and acceptance sampling, Technometrics 24).

    Args:
        verdicts: one a comparison, from the side of the arm that is claimed to be better.

    Returns:
        holds: better in every one; holds in part: in some; contradicted: in none, and worse in at
        least one; not shown: everything else. "Better" is the sign, however small the difference.
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


_CLAIM_OPENINGS = {
    ClaimVerdict.holds: "The claim holds",
    ClaimVerdict.holds_in_part: "The claim holds in part",
    ClaimVerdict.not_shown: "The claim is not shown",
    ClaimVerdict.contradicted: "The claim is contradicted",
}
_PHRASES = {
    Verdict.better: "better than {}",
    Verdict.slightly_better: "slightly better than {}",
    Verdict.negligibly_better: "better than {} by less than the margin",
    Verdict.equivalent: "equivalent to {}",
    Verdict.inconclusive: "not told apart from {}",
    Verdict.negligibly_worse: "worse than {} by less than the margin",
    Verdict.slightly_worse: "slightly worse than {}",
    Verdict.worse: "worse than {}",
}


def claim_sentence(verdicts: Mapping[tuple[str, str], Verdict]) -> str:
    """The claim's outcome as one sentence that names every comparison once.

    Args:
        verdicts: by (arm claimed to be better, opponent), from the first one's side.
    """
    clauses = []
    for arm in dict.fromkeys(arm for arm, _ in verdicts):
        said = []
        for verdict, phrase in _PHRASES.items():
            opponents = [
                opponent
                for (claimed, opponent), found in verdicts.items()
                if claimed == arm and found is verdict
            ]
            if opponents:
                said.append(phrase.format(listed(opponents)))
        clauses.append(f"{arm} is {listed(said)}")
    opening = _CLAIM_OPENINGS[claim_verdict_of(list(verdicts.values()))]
    return f"{opening}: {'; '.join(clauses)}."
