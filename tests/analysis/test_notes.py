"""Notes on a study's intervals, seeds and runs."""

from typing import Any

import pytest

from convchoice.analysis.notes import intervals_line, seed_lines, seed_notes, spike_lines
from convchoice.analysis.result_contrast import Contrast, Family, RobustDifference, SeedsNeeded
from convchoice.analysis.result_model import Interval
from convchoice.analysis.verdict import Verdict
from made_up_results import made_up_comparison, made_up_contrast


def contrast(seeds: int, verdict: str = "better", **changes: Any) -> Contrast:
    made = made_up_contrast("a", "base", verdict)
    return made.model_copy(update={"seeds": list(range(seeds)), **changes})


def test_note_on_too_few_seeds():
    assert seed_notes(contrast(5)) == [
        "With 5 seeds a sign-flip test cannot reject at 0.05: it needs 6 or more."
    ]
    assert seed_notes(contrast(6)) == []


def test_note_on_the_seeds_needed():
    needed = SeedsNeeded(estimate=1_234, low=510, high=None)
    [note] = seed_notes(contrast(30, "inconclusive", seeds_needed=needed))
    assert "about 1,234 (510 to over 1,000,000) seeds are needed to find" in note


def test_notes_on_one_seed():
    assert seed_notes(contrast(1, "inconclusive")) == [
        "With 1 seed a sign-flip test cannot reject at 0.05: it needs 6 or more.",
        "With one seed there is no interval, so no difference can be shown.",
    ]


def test_each_note_once_with_its_arms():
    result = made_up_comparison({"a": ("base", "worse"), "b": ("base", "better")})
    assert seed_lines(result) == [
        "With 2 seeds a sign-flip test cannot reject at 0.05: it needs 6 or more."
    ]


@pytest.mark.parametrize(
    ("family", "sentence"),
    [
        ({"contrasts": 1, "method": "single"}, "Student's, paired by seed."),
        ({"method": "sign flips"}, "those of 4 differences hold together (joint sign flips)."),
        ({"method": "Bonferroni"}, "those of 4 differences hold together (Bonferroni)."),
        (
            {"level": 0.0019, "looks": [6, 12], "last_look": 30},
            "Look 2, at 12 of 30 planned seeds: level 0.0019, so that all looks",
        ),
        (
            {"level": 0.028, "looks": [6, 12], "extended": True},
            "Extended after a look, interval adjusted: looks at 6 and 12 seeds, level 0.028 each.",
        ),
    ],
)
def test_what_intervals_hold_for(family: dict[str, Any], sentence: str):
    made = Family(**{"contrasts": 4, "method": "Bonferroni", "level": 0.05, **family})
    result = made_up_comparison({"a": ("base", "worse")}).model_copy(update={"family": made})
    assert sentence in intervals_line(result)


def test_controls_are_named_as_outside_the_family():
    result = made_up_comparison({"a": ("base", "worse"), "b": ("base", "worse")})
    outside = result.contrasts[1].model_copy(update={"in_family": False})
    result = result.model_copy(update={"contrasts": [result.contrasts[0], outside]})
    assert intervals_line(result).endswith(
        "Controls have intervals of their own, outside this family: b."
    )


def test_runs_that_end_in_a_spike_and_means_that_they_decide():
    result = made_up_comparison({"a": ("base", "worse")})
    assert spike_lines(result) == []
    spiking = result.arms["a"].model_copy(update={"outlying_seeds": [1]})
    robust = RobustDifference(mean=0.01, interval=Interval(-0.02, 0.04), verdict=Verdict.equivalent)
    decided = result.contrasts[0].model_copy(update={"robust": robust})
    changed = {"arms": result.arms | {"a": spiking}, "contrasts": [decided]}
    spikes, decides = spike_lines(result.model_copy(update=changed))
    assert spikes == "Runs that end in a spike, far from their arm's others: a 1 of 2."
    assert decides == (
        "a against base: worse by the mean, equivalent by the 20 % trimmed mean,"
        " +0.01 [−0.02, +0.04]: a few runs decide."
    )
    same_side = robust.model_copy(update={"verdict": Verdict.slightly_worse})
    kept = result.contrasts[0].model_copy(update={"robust": same_side})
    assert spike_lines(result.model_copy(update={"contrasts": [kept]})) == []
