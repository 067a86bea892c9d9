"""A result in words: numbers as text, sentences, notes on intervals, seeds and runs."""

from typing import Any

import pytest

from convchoice.analysis import text
from convchoice.analysis.contrast import Contrast, Family, RobustDifference, SeedsNeeded
from convchoice.analysis.measure import measure_of
from convchoice.analysis.notes import intervals_line, seed_lines, seed_notes, spike_lines
from convchoice.analysis.result_types import Interval
from convchoice.analysis.sentences import alike_lines, answer, see_lines
from convchoice.analysis.verdict import Verdict
from made_up_results import made_up_comparison, made_up_contrast


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (text.signed(-0.1234, 2), "−0.12"),
        (text.signed(0.1234, 2), "+0.12"),
        (text.signed(-0.001, 2), "0.00"),
        (text.percent(0.99215), "99.22"),
        (text.interval(None, 2), "–"),
        (text.interval([-0.1, 0.25], 2, with_signs=True), "[−0.10, +0.25]"),
        (text.margin(0.1, measure_of("test/accuracy")), "±0.10 pp"),
        (text.margin(0.125, measure_of("test/accuracy")), "±0.125 pp"),
        (text.margin(2e-7, measure_of("test/nll")), "±0.0000002 nats"),
        (text.margin("10% of errors", measure_of("test/nll")), "10 % of the reference's errors"),
        (text.confidence(0.05), "95 %"),
        (text.confidence(0.0491), "95.1 %"),
        (text.confidence(1.172644e-5), "99.9988 %"),
        (text.whole(93322), "93,322"),
        (text.short(2_794_240), "2.79M"),
        (text.short(12), "12"),
        (text.short(None), "–"),
        (text.memory(1_572_864), "1.5 MiB"),
        (text.memory(3 * 2**30), "3 GiB"),
        (text.duration(8.26), "8.3 s"),
        (text.duration(59.97), "1 min 00 s"),
        (text.duration(250), "4 min 10 s"),
        (text.duration(7_500), "2 h 05 min"),
        (text.p_value(0.0004), "< 0.001"),
        (text.p_value(0.0321), "0.032"),
        (text.ratio(1.0), "same"),
        (text.ratio(0.25), "×0.25"),
        (text.seeds([7, 0, 1, 2, 4]), "0–2, 4, 7"),
    ],
)
def test_numbers_as_text(written: str, expected: str):
    assert written == expected


def test_cost_ratio_lists_what_differs_first() -> None:
    ratios = {"parameters": 1.0, "macs": 0.25, "memory_bytes": 1.0}
    assert text.cost_ratio(ratios) == ("×0.25 multiply-accumulates, same parameters and memory")
    assert text.cost_ratio({}) == "–"


def test_many_contrasts_in_one_sentence_differences_first() -> None:
    verdicts = dict(
        zip("abcde", ("inconclusive", "worse", "better", "worse", "inconclusive"), strict=True)
    )
    one = made_up_comparison({arm: ("base", each) for arm, each in verdicts.items()}, claim=None)
    assert answer(one) == (
        "c is better than base; b and d are worse than base; a and e are not shown to differ from"
        " base."
    )
    two = made_up_comparison(
        {"a": ("base", "worse"), "b": ("a", "worse"), "c": ("a", "worse"), "d": ("base", "better")},
        claim=None,
    )
    assert answer(two) == ("d is better than base; a is worse than base; b and c are worse than a.")


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


def contrast(seeds: int, verdict: str = "better", **changes: Any) -> Contrast:
    made = made_up_contrast("a", "base", verdict)
    return made.model_copy(update={"seeds": list(range(seeds)), **changes})


FEW = "With {} a sign-flip test cannot reject at 0.05: it needs 6 or more."


def test_notes_on_seeds():
    assert seed_notes(contrast(6)) == []
    assert seed_notes(contrast(5)) == [FEW.format("5 seeds")]
    assert seed_notes(contrast(1, "inconclusive", interval=None)) == [
        FEW.format("1 seed"),
        "With one seed there is no interval, so no difference can be shown.",
    ]
    needed = SeedsNeeded(estimate=1_234, low=510, high=None)
    [note] = seed_notes(contrast(30, "inconclusive", seeds_needed=needed))
    assert "About 1,234 (510 to over 1,000,000) seeds would be needed to find" in note
    result = made_up_comparison({"a": ("base", "worse"), "b": ("base", "better")})
    assert seed_lines(result) == [FEW.format("2 seeds")]  # once


@pytest.mark.parametrize(
    ("family", "sentence"),
    [
        ({"contrasts": 1, "method": "single"}, "Brackets: 95 % intervals over seeds."),
        ({"method": "sign flips"}, "; those of 4 differences hold together (joint sign flips)."),
        ({"method": "Bonferroni"}, "those of 4 differences hold together (Bonferroni)."),
        (
            {"level": 0.0019, "looks": [6, 12], "last_look": 30},
            "at 12 of 30 planned seeds: intervals of differences are 99.81 % ones (level 0.0019),",
        ),
        (
            {"level": 0.028, "looks": [6, 12], "extended": True},
            "interval adjusted: looks at 6 and 12 seeds, the last at Pocock's level, 0.028; each",
        ),
        (
            {"level": 0.019, "looks": [6, 12, 30], "extended": True},
            "each look alone errs in at most 5 %, all together in up to about 8 %, because",
        ),
    ],
)
def test_what_intervals_hold_for(family: dict[str, Any], sentence: str):
    made = Family(**{"contrasts": 4, "method": "Bonferroni", "level": 0.05, **family})
    result = made_up_comparison({"a": ("base", "worse")}).model_copy(update={"family": made})
    assert sentence in intervals_line(result)
    control = result.contrasts[0].model_copy(update={"in_family": False})
    assert intervals_line(result.model_copy(update={"contrasts": [control]})).endswith(
        "The interval of a control holds alone: a."
    )


def test_runs_that_end_in_a_spike_and_means_that_they_decide():
    result = made_up_comparison({"a": ("base", "worse")})
    assert spike_lines(result) == []
    spiking = result.arms["a"].model_copy(update={"outlying_seeds": [0, 1]})
    robust = RobustDifference(mean=0.01, interval=Interval(-0.02, 0.04), verdict=Verdict.equivalent)
    [none_far] = result.contrasts
    far = none_far.difference.model_copy(update={"values": [1.2, 1.3, 1.25, 1.1, -9.0]})
    decided = none_far.model_copy(update={"robust": robust, "difference": far})
    changed = {"arms": result.arms | {"a": spiking}, "contrasts": [decided]}
    spikes, unequal, decides = spike_lines(result.model_copy(update=changed))
    assert spikes == "Runs that end much worse than their arm's others (a spike): 2 of 2 of a."
    assert decides == (
        "a against base is worse by the mean, and equivalent by the 20 % trimmed mean,"
        " +0.01 [−0.02, +0.04], which a few far runs do not move."
    )
    close = none_far.model_copy(update={"robust": robust})
    assert spike_lines(result.model_copy(update={"contrasts": [close]})) == []
    same_side = robust.model_copy(update={"verdict": Verdict.slightly_worse})
    kept = decided.model_copy(update={"robust": same_side})
    assert spike_lines(result.model_copy(update={"contrasts": [kept]})) == []
    assert "one has them more often, it misses the true difference more often" in unequal
    equally = {
        arm: each.model_copy(update={"outlying_seeds": [1]}) for arm, each in result.arms.items()
    }
    assert len(spike_lines(result.model_copy(update={"arms": equally}))) == 1


@pytest.mark.parametrize(
    ("mean", "word", "shown"),
    [
        (-1.66, "slightly worse", "at least slightly worse"),  # the margin is 0.10
        (0.10, "slightly better", "at least slightly better"),
        (0.09, "slightly better", "slightly better"),
        (-1.66, "worse", "worse"),
        (-1.66, "inconclusive", "inconclusive"),
    ],
)
def test_slightly_does_not_belittle_a_difference_beyond_the_margin(mean, word, shown):
    contrast = made_up_contrast("average", "max", Verdict(word))
    difference = contrast.difference.model_copy(update={"mean": mean})
    contrast = contrast.model_copy(update={"difference": difference, "margin": 0.10})
    assert text.verdict(contrast) == shown
