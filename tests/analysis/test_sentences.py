"""A study's result in words."""

from convchoice.analysis.sentences import ORDER, answer, claim_sentence
from convchoice.analysis.verdict import Verdict
from made_up_results import made_up_comparison


def test_many_contrasts_in_one_sentence_differences_first() -> None:
    one = made_up_comparison(
        {
            "a": ("base", "inconclusive"),
            "b": ("base", "worse"),
            "c": ("base", "better"),
            "d": ("base", "worse"),
            "e": ("base", "inconclusive"),
        },
        claim=None,
    )
    assert answer(one) == (
        "Of 5 arms against base, c is better, b and d are worse and 2 are inconclusive."
    )
    two = made_up_comparison(
        {"a": ("base", "worse"), "b": ("a", "worse"), "c": ("a", "worse"), "d": ("base", "better")},
        claim=None,
    )
    assert answer(two) == (
        "Of 4 contrasts, d (against base) is better"
        " and a (against base), b and c (against a) are worse."
    )


def test_every_verdict_has_a_place_in_the_sentence() -> None:
    assert set(ORDER) == set(Verdict)


def test_claim_sentence_names_every_comparison_once():
    sentence = claim_sentence(
        {
            ("max", "average"): Verdict.slightly_better,
            ("max", "strided"): Verdict.inconclusive,
            ("max", "none"): Verdict.slightly_better,
            ("max_4x4", "weighted"): Verdict.negligibly_worse,
        }
    )
    assert sentence == (
        "The claim holds in part: max is slightly better than average and none and not shown to"
        " differ from strided; max_4x4 is worse than weighted by less than the margin."
    )
