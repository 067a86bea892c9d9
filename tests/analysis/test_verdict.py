"""Every boundary of the verdict words, by hand."""

import pytest

from convchoice.analysis.result_model import Interval
from convchoice.analysis.verdict import Verdict, verdict_of

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


def mirror(verdict: Verdict) -> Verdict:
    sides = {"better": "worse", "worse": "better"}
    return Verdict(" ".join(sides.get(word, word) for word in verdict.split()))


@pytest.mark.parametrize(("interval", "verdict"), CASES)
def test_verdict_and_that_of_the_mirrored_interval(interval: tuple[float, float], verdict: Verdict):
    low, high = interval
    mirrored = Interval(-high, -low)
    assert verdict_of(Interval(low, high), MARGIN, higher_is_better=True) is verdict
    assert verdict_of(mirrored, MARGIN, higher_is_better=True) is mirror(verdict)
    assert verdict_of(mirrored, MARGIN, higher_is_better=False) is verdict


def test_no_interval_is_inconclusive():
    assert verdict_of(None, MARGIN, higher_is_better=True) is Verdict.inconclusive
