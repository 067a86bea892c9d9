"""A study's result in words."""

from convchoice.analysis.sentences import ORDER, answer, claim_sentence, seed_notes
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


def test_note_on_too_few_seeds():
    five = seed_notes(5, 40, Verdict.better)
    assert five == ["With 5 seeds a sign-flip test cannot reject at 0.05: it needs 6 or more."]
    assert seed_notes(6, 40, Verdict.better) == []


def test_note_on_the_seeds_needed():
    [sentence] = seed_notes(30, 1_234, Verdict.inconclusive)
    assert sentence.startswith("With the observed spread, about 1,234 seeds are needed")
    assert seed_notes(30, 30, Verdict.inconclusive) == []
    assert seed_notes(30, None, Verdict.inconclusive) == []
    assert seed_notes(30, 40, Verdict.equivalent) == []


def test_notes_on_one_seed():
    assert seed_notes(1, None, Verdict.inconclusive) == [
        "With 1 seed a sign-flip test cannot reject at 0.05: it needs 6 or more.",
        "With one seed there is no interval, so no difference can be shown.",
    ]


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
