"""Verdicts, answers to claims and champions: every rule by hand, sentences, claims from runs."""

from typing import Any

import pytest

from convchoice.analysis.best_arm import champion
from convchoice.analysis.claims import parts_sentence
from convchoice.analysis.measure import EDGE_USE, measure_of
from convchoice.analysis.result import ClaimPart
from convchoice.analysis.result_types import Interval
from convchoice.analysis.statistics import FEWEST_SEEDS
from convchoice.analysis.training_length import short_training
from convchoice.analysis.verdict import Answer, Outcome, Verdict, answer_of, outcome_of, verdict_of
from convchoice.config.study import Prediction
from made_up_reports import introspected
from made_up_results import made_up_comparison
from made_up_runs import LECTURE, Compare, study_values

YES, NO, OPEN = Outcome.shown, Outcome.otherwise, Outcome.undecided
# The outcome of each verdict, from "better" to "worse", in the order of `Verdict`.
OUTCOMES = {
    Prediction.better: (YES, YES, YES, NO, OPEN, NO, NO, NO),
    Prediction.worse: (NO, NO, NO, NO, OPEN, YES, YES, YES),
    Prediction.equivalent: (NO, OPEN, YES, YES, OPEN, YES, OPEN, NO),
    Prediction.not_better: (NO, NO, YES, YES, OPEN, YES, YES, YES),
    Prediction.not_worse: (YES, YES, YES, YES, OPEN, YES, NO, NO),
}


@pytest.mark.parametrize("prediction", OUTCOMES)
def test_outcome_of_every_verdict(prediction: Prediction) -> None:
    found = tuple(outcome_of(verdict, prediction) for verdict in Verdict)
    assert found == OUTCOMES[prediction]


@pytest.mark.parametrize(
    ("answer", "every"),
    [
        (Answer.yes, [[YES], [YES, YES, YES]]),
        (Answer.partly, [[YES, NO], [YES, OPEN], [YES, OPEN, NO]]),
        (Answer.no, [[NO, NO]]),
        (Answer.undecided, [[NO, OPEN], [OPEN]]),
    ],
)
def test_a_claim_is_an_intersection_union(answer: Answer, every: list[list[Outcome]]) -> None:
    for outcomes in every:
        assert answer_of(outcomes) is answer_of(outcomes[::-1]) is answer


def test_higher_is_better_or_worse() -> None:
    higher, lower = Prediction.raised, Prediction.lowered
    assert higher.of_quality(higher_is_better=True) is Prediction.better
    assert higher.of_quality(higher_is_better=False) is Prediction.worse
    assert lower.of_quality(higher_is_better=False) is Prediction.better
    assert Prediction.worse.of_quality(higher_is_better=False) is Prediction.worse


def part(
    arm: str,
    verdict: str,
    mean: float = -0.37,
    interval: tuple[float, float] = (-0.5, -0.25),
    reference: str = "max",
    predicted: str = "worse",
    **cost_ratio: float,
) -> ClaimPart:
    prediction = Prediction(predicted)
    outcome = outcome_of(Verdict(verdict), prediction.of_quality(higher_is_better=True))
    return ClaimPart(
        arm=arm, reference=reference, predicted=prediction, verdict=Verdict(verdict),
        outcome=outcome, mean=mean, interval=Interval(*interval), margin=0.1,
        cost_ratio=dict(cost_ratio),
    )  # fmt: skip


ACCURACY = measure_of("test/accuracy")
MACS = " times the multiply-accumulates)."
LABELS = {"max": "max 2×2", "strided": "strided layer"}


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (part("strided", "worse", macs=0.31),
         "strided layer is worse than max 2×2 by 0.37 points [0.25, 0.50] (max 2×2: 3.2" + MACS),
        (part("a", "slightly worse", -1.56, (-3.1, -0.02), macs=7.0),
         f"a is worse than max 2×2 by 1.56 points [0.02, 3.10] (a: 7.0{MACS}"),
        (part("a", "negligibly better", 0.04, (0.01, 0.07), macs=1.0),
         "a is better than max 2×2 by 0.04 points, less than the margin of 0.10 points."),
        (part("a", "equivalent", -0.04, (-0.09, 0.01)),
         "a is no different from max 2×2 within the margin of 0.10 points."),
        (part("a", "inconclusive", -0.12, (-0.33, 0.08)),
         "a is not shown to differ from max 2×2, −0.12 points [−0.33, +0.08]."),
        (part("a", "inconclusive").model_copy(update={"mean": None}),
         "a and max 2×2 were not compared, because a value is missing."),
    ],
)  # fmt: skip
def test_one_contrast_in_words(one: ClaimPart, words: str) -> None:
    assert parts_sentence([one], ACCURACY, LABELS) == words


def test_a_claim_about_costs_or_pixels_in_words() -> None:
    costs = [
        part("none", "worse", 1e6, (1e6, 1e6), predicted="higher", macs=10.96, parameters=21.8),
        part("gap", "equivalent", 0, (0, 0), predicted="higher", macs=1.0, parameters=1.0),
    ]
    assert parts_sentence(costs, measure_of("cost/parameters"), LABELS) == (
        "none has 21.8 times as many parameters as max 2×2; gap has as many parameters as max 2×2."
    )
    edge = [part("same", "better", 0.1, (0.05, 0.15), "gap", "higher", macs=1.0)]
    assert parts_sentence(edge, measure_of(EDGE_USE), {}) == (
        "use of edge pixels with same is above gap by 0.10 [0.05, 0.15]."
    )


def test_many_contrasts_in_words() -> None:
    shown = [part(name, "worse", -0.1 * index, macs=0.5) for index, name in enumerate("abcd", 3)]
    assert parts_sentence(shown, ACCURACY, LABELS) == (
        f"all 4 arms are worse than max 2×2, by 0.30 to 0.60 points (max 2×2: 2.0{MACS}"
    )
    mixed = [
        *shown[:2],
        part("e", "negligibly worse", -0.05, reference="other"),
        part("f", "better", 0.5, (0.3, 0.7)),
        *(part(name, "inconclusive") for name in "ghijk"),
    ]
    assert parts_sentence(mixed, ACCURACY, {}) == (
        "a is worse than max by 0.30 points [0.25, 0.50]; b is worse than max by 0.40 points [0.25,"
        " 0.50]; e is worse than other by 0.05 points, less than the margin of 0.10 points; f is"
        " better than max by 0.50 points [0.30, 0.70]; 5 arms are not shown to differ from their"
        f" references (the references: 2.0{MACS}"
    )
    assert parts_sentence([shown[0], *mixed[-4:]], ACCURACY, LABELS) == (
        "a is worse than max 2×2 by 0.30 points [0.25, 0.50]; h, i, j and k are not shown to differ"
        f" from max 2×2 (max 2×2: 2.0{MACS}"
    )
    many = parts_sentence([*shown, *mixed[2:]], ACCURACY, {})
    assert many.startswith(
        "5 of 11 arms are worse than their references, by 0.05 to 0.60 points, 1 of them by less"
        " than the margin of 0.10 points; f is better"
    )
    none = [part(name, "equivalent", predicted="better") for name in "abcd"]
    assert parts_sentence(none, ACCURACY, LABELS) == (
        "none of 4 arms is shown to be better than max 2×2."
    )


def claims(says: str = "A claim.", **values: Any) -> list[dict[str, Any]]:
    return [{"says": says, **values}]


def test_the_answer_names_labels_and_the_short_training(comparison_of: Compare) -> None:
    study = study_values(labels={"max": "max pooling", "average": "average pooling"})
    errors = {"max": [10, 11, 12], "average": [15, 16, 18]}
    [claim] = comparison_of(errors, study).claims
    assert claim.says == "Max pooling works better."
    assert claim.answer is Answer.yes
    assert claim.sentence == (
        "Yes, after 1 epoch of 55,000 images: average pooling is worse than max pooling by 0.53"
        " points [0.39, 0.68]."
    )
    study["claims"][0]["predicts"] = {"average": "better"}
    [claim] = comparison_of(errors, study).claims
    assert claim.sentence.startswith("No, after 1 epoch of 55,000 images: average pooling is worse")


@pytest.mark.parametrize(
    ("held", "own", "chosen", "short"),
    [
        (300, 0, None, False), (9_000, 0, None, True),
        # One in twelve of 6,300 images, 525, is held out.
        (6_300, 0, None, False), (6_545, 0, None, False), (6_547, 0, None, True),
        (6_300, 0, 100, True), (6_001, 500, None, True), (6_000, 500, None, False),
        (6_000, 500, 0, False),
    ],
)  # fmt: skip
def test_a_folder_smaller_than_the_scale_is_no_subset(
    comparison_of: Compare, held, own, chosen, short
) -> None:
    """`train_size` is 6,000 at the scale `quick`, also for a folder with fewer images."""
    contents = {
        "classes": 10, "channels": 1, "side": 28,
        "train_images": held, "validation_images": own, "test_images": 1_000,
    }  # fmt: skip
    data = {"name": "folder", "path": "images", "fallback": None, "contents": contents}
    data["validation_size"] = chosen
    option = {"epochs": 5, "config": {"data": {**data, "train_size": 6_000}}}
    errors = {"max": [10, 11, 12], "average": [15, 16, 17]}
    comparison = comparison_of(errors, None, dict.fromkeys(errors, option))
    assert bool(short_training(comparison)) == short


@pytest.mark.parametrize("seeds", [1, 2, 6])
def test_a_claim_may_have_a_measure_of_its_own(comparison_of: Compare, seeds: int) -> None:
    """Equal differences show something with 6 seeds; those of a cost, always."""
    study = study_values(
        claims=[
            *claims(predicts={"average": "worse"}),
            *claims(predicts={"average": "higher"}, metric=EDGE_USE, margin=0.05),
            *claims(predicts={"average": "higher"}, metric="cost/parameters", margin=1),
        ]
    )
    errors = {"max": [*range(10, 10 + seeds)], "average": [*range(15, 15 + seeds)]}
    options: dict[str, dict[str, Any]] = {
        "max": {"inside": introspected()},
        "average": {"inside": introspected(edge=0.9), "metrics": {"cost/parameters": 186_644}},
    }
    accuracy, edge, cost = comparison_of(errors, study, options).claims
    assert accuracy.measure.metric == "test/accuracy"
    assert edge.measure.metric == EDGE_USE
    if seeds < FEWEST_SEEDS:
        assert edge.answer is Answer.undecided
        assert edge.sentence.endswith("not shown to differ from max, +0.30 without an interval.")
    else:
        assert edge.answer is Answer.yes
        assert "use of edge pixels with average is above max by" in edge.sentence
    assert cost.answer is Answer.yes
    assert cost.sentence.endswith("average has 2.0 times as many parameters as max.")


@pytest.mark.parametrize(
    ("errors", "epochs", "answer", "words"),
    [
        ([7, 8, 9], 5, Answer.yes, "is within the range of our 3 runs: 2 are below it, 0 equal"),
        ([9, 10], 5, Answer.undecided, "is above our 2 runs, 99.00 to 99.10 %. One more run"),
        ([7], 5, Answer.undecided, "below our 1 run, 99.30 %. One more run like ours would be"),
        ([9, 10] * 19, 5, Answer.undecided, "in 2 of 39 cases"),
        ([9, 10] * 19 + [9], 5, Answer.no, "in 2 of 40 cases"),
        ([8], 1, Answer.undecided, "so only row 1 of the table can be compared"),
    ],
)
def test_printed_values_answer_a_claim(
    comparison_of: Compare, errors: list[int], epochs: int, answer: Answer, words: str
) -> None:
    options = {"lecture": {"epochs": epochs}}
    [claim] = comparison_of({"lecture": errors}, LECTURE, options).claims
    assert claim.answer is answer
    assert claim.sentence.startswith(f"{answer}: ")
    assert words in claim.sentence


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


A, B = ({name: ("base", "better")} for name in "ab")


@pytest.mark.parametrize(
    ("verdicts", "validation", "controls", "expected"),
    [
        ({}, {}, (), "base"),
        ({"a": ("base", "worse"), "b": ("base", "inconclusive")}, {}, (), "base"),
        (A, {}, (), "a"),
        ({"a": ("base", "slightly better")}, {}, (), "a"),
        ({"a": ("base", "negligibly better")}, {}, (), "base"),  # smaller than what matters
        (A | B, {"a": 0.97, "b": 0.98}, (), "b"),  # the best on validation images
        (A | B, None, (), "a"),
        # Better than a reference that is not itself ahead of the baseline.
        ({"b": ("a", "better"), "a": ("base", "worse")}, {}, (), "base"),
        # Ahead through another arm, which then is no candidate.
        ({"b": ("a", "better"), **A}, {"a": 0.99, "b": 0.98}, (), "b"),
        (A, {}, ("a",), "base"),
    ],
)
def test_champion_follows_from_verdicts(
    verdicts: Any, validation: Any, controls: tuple[str, ...], expected: str
) -> None:
    assert champion(made_up_comparison(verdicts, validation, controls)).arm == expected


def test_reason_names_contrast_and_choice() -> None:
    assert champion(made_up_comparison(A | B, {"a": 0.97, "b": 0.98})).reason == (
        "Yes: it does. b against base: better, +1.25 pp [+0.50, +2.00]. Of a and b, which are"
        " all ahead, it has the highest mean accuracy on validation images (98.00 %)."
    )
    assert champion(made_up_comparison(A | B, None)).reason.endswith(
        "it is the first in the study."
    )
