"""Every boundary of the verdict words, by hand."""

import pytest

from convchoice.analysis.result_model import Interval
from convchoice.analysis.verdict import ClaimVerdict, Verdict, claim_verdict_of, verdict_of

MARGIN = 0.10
# The 95 % interval, the 90 % interval, the word.
CASES = [
    ((0.11, 0.30), (0.13, 0.28), Verdict.better),
    ((0.10, 0.30), (0.12, 0.28), Verdict.slightly_better),  # touching the margin is not beyond it
    ((0.01, 0.30), (0.03, 0.28), Verdict.slightly_better),
    ((0.01, 0.12), (0.02, 0.10), Verdict.slightly_better),  # touching the margin is not within it
    ((0.01, 0.12), (0.02, 0.09), Verdict.negligibly_better),
    ((0.01, 0.05), (0.02, 0.04), Verdict.negligibly_better),
    ((0.00, 0.08), (0.01, 0.07), Verdict.equivalent),  # touching 0 is not above it
    ((-0.02, 0.03), (-0.01, 0.02), Verdict.equivalent),
    ((-0.11, 0.11), (-0.09, 0.09), Verdict.equivalent),
    ((-0.12, 0.11), (-0.10, 0.09), Verdict.inconclusive),
    ((-0.01, 0.30), (0.01, 0.28), Verdict.inconclusive),  # the 90 % interval alone shows no sign
    ((-0.30, 0.30), (-0.25, 0.25), Verdict.inconclusive),
    ((0.10, 0.10), (0.10, 0.10), Verdict.slightly_better),  # a point on the margin
    ((0.05, 0.05), (0.05, 0.05), Verdict.negligibly_better),
    ((0.0, 0.0), (0.0, 0.0), Verdict.equivalent),
]


@pytest.mark.parametrize(("wide", "narrow", "verdict"), CASES)
def test_verdict(wide: tuple[float, float], narrow: tuple[float, float], verdict: Verdict):
    assert verdict_of(Interval(*wide), Interval(*narrow), MARGIN, higher_is_better=True) is verdict


@pytest.mark.parametrize(("wide", "narrow", "verdict"), CASES)
def test_the_mirrored_interval_has_the_mirrored_verdict(
    wide: tuple[float, float], narrow: tuple[float, float], verdict: Verdict
):
    mirrored = [Interval(-high, -low) for low, high in (wide, narrow)]
    assert verdict_of(*mirrored, MARGIN, higher_is_better=True) is verdict.mirrored
    assert verdict_of(*mirrored, MARGIN, higher_is_better=False) is verdict


def test_no_interval_is_inconclusive():
    assert verdict_of(None, None, MARGIN, higher_is_better=True) is Verdict.inconclusive


def test_mirroring_by_hand():
    assert Verdict.slightly_better.mirrored is Verdict.slightly_worse
    assert Verdict.worse.mirrored is Verdict.better
    assert Verdict.equivalent.mirrored is Verdict.equivalent
    assert all(verdict.mirrored.mirrored is verdict for verdict in Verdict)


@pytest.mark.parametrize(
    ("verdicts", "claim"),
    [
        ([Verdict.better], ClaimVerdict.holds),
        ([Verdict.better, Verdict.slightly_better], ClaimVerdict.holds),
        ([Verdict.negligibly_better], ClaimVerdict.holds),
        ([Verdict.better, Verdict.equivalent], ClaimVerdict.holds_in_part),
        ([Verdict.better, Verdict.worse], ClaimVerdict.holds_in_part),
        ([Verdict.equivalent, Verdict.inconclusive], ClaimVerdict.not_shown),
        ([Verdict.inconclusive], ClaimVerdict.not_shown),
        ([Verdict.inconclusive, Verdict.worse], ClaimVerdict.contradicted),
        ([Verdict.negligibly_worse], ClaimVerdict.contradicted),
    ],
)
def test_claim_is_an_intersection_union(verdicts: list[Verdict], claim: ClaimVerdict):
    assert claim_verdict_of(verdicts) is claim
    assert claim_verdict_of(verdicts[::-1]) is claim


def test_a_claim_about_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        claim_verdict_of([])
