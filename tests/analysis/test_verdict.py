"""Every boundary of the verdict words, by hand."""

import pytest

from convchoice.analysis.result_model import Interval
from convchoice.analysis.verdict import ClaimVerdict, Verdict, claim_verdict_of, verdict_of

MARGIN = 0.10
# The interval, the word.
CASES = [
    ((0.11, 0.30), Verdict.better),
    ((0.10, 0.30), Verdict.slightly_better),  # touching the margin is not beyond it
    ((0.01, 0.30), Verdict.slightly_better),
    ((0.01, 0.10), Verdict.slightly_better),  # touching the margin is not within it
    ((0.01, 0.09), Verdict.negligibly_better),
    ((0.00, 0.08), Verdict.equivalent),  # touching 0 is not above it
    ((-0.09, 0.09), Verdict.equivalent),
    ((-0.10, 0.09), Verdict.inconclusive),
    ((-0.01, 0.30), Verdict.inconclusive),
    ((-0.30, 0.30), Verdict.inconclusive),
    ((0.10, 0.10), Verdict.slightly_better),  # a point on the margin
    ((0.05, 0.05), Verdict.negligibly_better),
    ((0.0, 0.0), Verdict.equivalent),
]


@pytest.mark.parametrize(("interval", "verdict"), CASES)
def test_verdict_and_that_of_the_mirrored_interval(interval: tuple[float, float], verdict: Verdict):
    low, high = interval
    mirrored = Interval(-high, -low)
    assert verdict_of(Interval(low, high), MARGIN, higher_is_better=True) is verdict
    assert verdict_of(mirrored, MARGIN, higher_is_better=True) is verdict.mirrored
    assert verdict_of(mirrored, MARGIN, higher_is_better=False) is verdict


def test_no_interval_is_inconclusive():
    assert verdict_of(None, MARGIN, higher_is_better=True) is Verdict.inconclusive


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
