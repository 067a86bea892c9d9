"""A study's result in words."""

from convchoice.analysis.sentences import ORDER, alike_lines, answer, see_lines
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


def test_a_false_alarm_check_says_what_it_found():
    same = made_up_comparison({"a": ("base", "equivalent")}, controls=["a"], alike=["a"])
    assert alike_lines(same) == [
        (
            "Check for false alarms: a and base are the same in distribution, and their difference"
            " is equivalent, +1.25 pp [+0.50, +2.00]."
        )
    ]
    assert alike_lines(made_up_comparison({"a": ("base", "worse")}, controls=["a"])) == []


def test_another_studys_answer_belongs_to_this_ones():
    one = made_up_comparison({"a": ("base", "worse")}, see={"width": "which asks more"})
    other = made_up_comparison({"a": ("base", "worse")}, claim="No: it is not.")
    assert see_lines(one, {}) == ["See also the study width, which asks more."]
    assert see_lines(one, {"width": other}) == [
        "See also the study width, which asks more: No: it is not."
    ]
