"""A study's result from run folders: numbers by hand, refusals, cautions, published values."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convchoice.analysis.comparison import compare, rounded
from convchoice.analysis.comparison_files import differences_text, flat_metrics
from convchoice.analysis.multiplicity import planned_levels, unplanned_level
from convchoice.analysis.result import Comparison
from convchoice.analysis.result_arm import Change
from convchoice.analysis.statistics import mean_interval
from convchoice.config.study import Study, study_from_mapping
from convchoice.errors import UserError
from convchoice.runs.run_folder import PREDICTIONS
from made_up_runs import (
    DIGITS,
    LECTURE,
    MNIST,
    Compare,
    altered,
    logits_with_errors,
    make_run,
    runs_of_arm,
    study_values,
)

AVERAGE = {"config": {"downsample": {"operator": "average"}}}


def test_contrast_by_hand(comparison_of: Compare):
    # Of 1,000 images; differences of −2, −4 and −6 errors are −0.2, −0.4 and −0.6 points.
    errors = {"max": [10, 11, 12], "average": [12, 15, 18]}
    [contrast] = comparison_of(errors, options={"average": AVERAGE}).contrasts
    found = contrast.difference
    assert found.values == [-0.2, -0.4, -0.6]
    assert found.mean == -0.4
    assert found.standard_deviation == 0.2
    half = 4.30265273 * 0.2 / np.sqrt(3)  # t(0.975; 2)
    assert found.interval_95 == pytest.approx((-0.4 - half, -0.4 + half))
    assert contrast.interval == found.interval_95  # the only contrast of its family
    assert contrast.p == found.p_t
    assert found.unit == "percentage points"
    assert found.p_sign_flip == 0.25
    assert contrast.verdict == "inconclusive"
    assert contrast.n == 3
    assert contrast.nll.mean == pytest.approx(0.008)
    assert contrast.nll.unit == "nats"
    # Three values are too few to trim, and the margin of 0.10 needs more seeds than three.
    assert contrast.robust.interval == pytest.approx(contrast.interval)
    assert contrast.seeds_needed.low <= contrast.seeds_needed.estimate


def test_arm_by_hand(comparison_of: Compare):
    result = comparison_of({"max": [10, 12], "average": [12, 15]}, options={"average": AVERAGE})
    arm = result.arms["max"]
    assert arm.seeds == [0, 1]
    assert arm.reference is None
    assert arm.scores["test/accuracy"].values == [0.99, 0.988]
    assert arm.scores["test/accuracy"].mean == pytest.approx(0.989)
    assert arm.costs.parameters == 93_322
    # Weights, gradients and one moment (RMSprop) at 4 bytes, and the activations of one batch.
    assert arm.costs.memory_bytes == 3 * 4 * 93_322 + arm.costs.activation_bytes
    assert sum(arm.class_errors.mean) == pytest.approx(11)
    assert arm.class_errors.images == [100] * 10
    assert arm.learning_curves.bands["train/loss"].mean == pytest.approx([0.2027])
    other = result.arms["average"]
    assert other.reference == "max"
    assert other.differs_from_reference == {
        "downsample.operator": Change(arm="average", reference="max")
    }


def test_costs_are_relative_to_the_reference(comparison_of: Compare):
    costs = {"cost/parameters": 186_644, "cost/macs": 698_560}
    result = comparison_of({"max": [10], "average": [12]}, options={"average": {"metrics": costs}})
    theirs = result.arms["max"].costs
    memory = (2 * 3 * 4 * 93_322 + theirs.activation_bytes) / theirs.memory_bytes
    assert result.contrasts[0].cost_ratio == {
        "parameters": 2.0, "macs": 0.25, "memory_bytes": pytest.approx(memory)
    }  # fmt: skip


def test_only_common_seeds_are_paired(comparison_of: Compare):
    result = comparison_of({"max": [10, 10, 10, 10], "average": [12, 12]})
    [contrast] = result.contrasts
    assert contrast.seeds == [0, 1]
    assert (contrast.left_out_seeds.arm, contrast.left_out_seeds.reference) == ([], [2, 3])
    assert result.missing_seeds == {"average": [2, 3]}
    assert [item.text for item in result.cautions if item.kind == "partial"] == [
        "Partial: planned runs are missing (average without seeds 2, 3)."
    ]


def test_single_seed_has_no_interval_and_no_verdict(comparison_of: Compare):
    [contrast] = comparison_of({"max": [10], "average": [12]}).contrasts
    assert contrast.difference.interval_95 is None
    assert contrast.difference.p_t is None
    assert (contrast.interval, contrast.p) == (None, None)
    assert contrast.verdict == "inconclusive"
    assert contrast.seeds_needed is None
    assert contrast.new_images_interval_95 is None
    assert contrast.class_errors.interval_95 == [None] * 10


def test_equal_differences_are_a_point(comparison_of: Compare):
    [contrast] = comparison_of({"max": [10, 11, 12], "average": [12, 13, 14]}).contrasts
    assert contrast.difference.interval_95 == (-0.2, -0.2)
    assert contrast.difference.p_t == 0.0
    assert contrast.verdict == "worse"
    assert contrast.seeds_needed is None


def test_words_follow_from_intervals_that_hold_together(comparison_of: Compare):
    study = study_values(arms=["average", "weighted"])
    errors = {"max": [10, 11, 12], "average": [15, 17, 18], "weighted": [15, 19, 18]}
    result = comparison_of(errors, study)
    assert (result.family.contrasts, result.family.method) == (2, "Bonferroni")
    for contrast in result.contrasts:
        values = contrast.difference.values
        assert contrast.interval == pytest.approx(mean_interval(values, 0.975))
        assert contrast.p == pytest.approx(min(1.0, 2 * contrast.difference.p_t))
    # A control is outside the family: what is left is a single contrast.
    alone = comparison_of(errors, {**study, "controls": ["weighted"], "claims": []})
    assert (alone.family.contrasts, alone.family.method) == (1, "single")
    for contrast in alone.contrasts:
        assert contrast.interval == contrast.difference.interval_95
    assert [contrast.in_family for contrast in alone.contrasts] == [True, False]


def test_looks_share_the_chance_of_an_error(comparison_of: Compare):
    errors = {"max": [10, 11, 12, 13, 12, 11], "average": [12, 15, 13, 16, 17, 13]}
    planned = comparison_of(errors, study_values(looks=[6, 12]))
    [contrast] = planned.contrasts
    level = planned_levels((6,), 12)[0]
    assert (planned.family.looks, planned.family.level) == ([6], pytest.approx(level))
    assert contrast.interval == pytest.approx(mean_interval(contrast.difference.values, 1 - level))
    beyond = comparison_of(errors, study_values(looks=[2, 4]))
    assert beyond.family.extended
    assert beyond.family.level == pytest.approx(unplanned_level((2, 4, 6)))


def test_a_run_far_below_the_others_is_named_and_the_trimmed_mean_resists(comparison_of: Compare):
    errors = {
        "max": [10, 11, 12, 10, 11, 12, 10, 11, 12, 11],
        "average": [15, 17, 16, 15, 18, 16, 15, 17, 90, 16],
    }
    result = comparison_of(errors)
    [contrast] = result.contrasts
    assert result.arms["average"].outlying_seeds == [8]
    assert result.arms["max"].outlying_seeds == []
    assert contrast.verdict == "inconclusive"
    assert contrast.robust.verdict == "worse"
    assert contrast.robust_disagrees


def a_study(**changes: object) -> Study:
    return study_from_mapping(study_values(**changes), "test")


def test_lower_is_better_turns_the_verdict(comparison_of: Compare):
    study = study_values(metric="test/nll", margin=0.001)
    [contrast] = comparison_of({"max": [10, 11, 12], "average": [15, 16, 18]}, study).contrasts
    assert contrast.difference.mean > 0
    assert contrast.verdict == "worse"


def test_new_images_widen_the_interval(comparison_of: Compare):
    errors = {"max": [10, 11, 12, 11], "average": [20, 21, 23, 22]}
    [contrast] = comparison_of(errors).contrasts
    assert np.ptp(contrast.new_images_interval_95) > np.ptp(contrast.difference.interval_95)


# Refusals


def compared(root: Path, *arms: str) -> Comparison:
    return compare(a_study(), {arm: runs_of_arm(root, arm) for arm in arms})


def test_keys_without_effect_may_differ(tmp_path: Path):
    elsewhere = {
        "run_root": "elsewhere", "tracking": {"store": "none"}, "trainer": {"workers": 2},
        "data": {"root": "/data", "fallback": None},
    }  # fmt: skip
    make_run(tmp_path, "max", 0)
    make_run(tmp_path, "max", 1, config=elsewhere)
    make_run(tmp_path, "average", 0)
    assert compared(tmp_path, "max", "average").arms["average"].differs_from_reference == {}


MAX, AVERAGE_RUN = {"arm": "max", "seed": 0}, {"arm": "average", "seed": 0}
OTHER_FILES = {**MNIST, "digest": "another"}
RATE = {"optimizer": {"learning_rate": 0.01}}


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        ([], "arm max: there is no run"),
        ([MAX, {**MAX, "seed": 1, "config": RATE}],
         "optimizer.learning_rate is 0.001 in seed-0 and 0.01 in seed-1"),
        ([MAX, {**MAX, "seed": 1, "metrics": {"cost/macs": 1}}], "disagree on cost/macs"),
        ([MAX, {**AVERAGE_RUN, "dataset": DIGITS}], "Use one study a data set"),
        ([MAX, {**AVERAGE_RUN, "dataset": OTHER_FILES}], "digest is '0123456789abcdef' and 'anoth"),
        ([MAX, {**AVERAGE_RUN, "evaluated": False}], "arm average: seeds 0 have no test results"),
        ([MAX, {**AVERAGE_RUN, "seed": 1}], "no seed in common"),
        ([{**MAX, "metrics": {"test/accuracy": 0.9999}}, AVERAGE_RUN],
         "predictions give a test accuracy of 0.9900"),
    ],
)  # fmt: skip
def test_runs_that_cannot_be_compared_are_refused(
    tmp_path: Path, runs: list[dict[str, Any]], message: str
):
    for options in runs:
        make_run(tmp_path, **options)
    if runs and all(options["arm"] == "max" for options in runs):
        make_run(tmp_path, **AVERAGE_RUN)
    with pytest.raises(UserError) as caught:
        compared(tmp_path, *(("max", "average") if runs else ()))
    assert message in str(caught.value)


def test_another_order_of_test_images_is_refused(tmp_path: Path):
    make_run(tmp_path, "max", 0)
    with altered(make_run(tmp_path, "average", 0)) as folder:
        logits, labels = logits_with_errors(1_000, 10, 0)
        np.savez(folder / PREDICTIONS, logits=logits[::-1], labels=labels[::-1])
    with pytest.raises(UserError, match="arm average: its test labels differ from those of max"):
        compared(tmp_path, "max", "average")


# Cautions


CAUTIONS = {
    "none": (6, {"epochs": 5}, {}, []),
    "fallback": (1, {"dataset": DIGITS}, {}, ["fallback", "scale"]),
    "scale": (2, {"epochs": 5}, {}, ["scale"]),
    "unconverged": (6, {"epochs": 2}, {}, ["scale", "unconverged"]),
    "mixed": (
        6, {"epochs": 5},
        {"environment": {"device": "cuda:0", "commit": "unknown", "dirty": True}},
        ["devices", "commits", "dirty"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CAUTIONS)
def test_cautions_most_important_first(comparison_of: Compare, case: str):
    seeds, options, of_average, expected = CAUTIONS[case]
    both = {"max": options, "average": options | of_average}
    result = comparison_of({"max": [10] * seeds, "average": [12] * seeds}, options=both)
    assert [item.kind for item in result.cautions] == expected
    if case == "unconverged":  # the made-up loss falls from 0.2 to 0.1
        assert "training loss of every arm by up to 0.10 nats" in result.cautions[1].text
    if case == "fallback":
        assert result.cautions[0].text == DIGITS["fallback_note"]


@pytest.mark.parametrize(
    ("key", "values", "words"),
    [
        ("device", ("cpu", "cuda:0"), "device (cpu and cuda:0)"),
        ("instructions", ("avx2", "native"), "CPU instructions (avx2 and native)"),
        ("tf32", (False, True), "use of TF32 (False and True)"),
    ],
)
def test_runs_that_were_computed_in_different_ways(
    comparison_of: Compare, key: str, values: tuple[object, object], words: str
):
    options = {
        arm: {"epochs": 5, "environment": {key: value}}
        for arm, value in zip(("max", "average"), values, strict=True)
    }
    result = comparison_of({"max": [10] * 6, "average": [12] * 6}, options=options)
    [caution] = result.cautions
    assert (caution.kind, words in caution.text) == ("devices", True)


def test_scale_in_numbers(comparison_of: Compare):
    few = {"dataset": {**MNIST, "train_images": 10_000}}
    errors, options = {"max": [10, 10], "average": [12, 12]}, {"max": few, "average": few}
    [caution] = comparison_of(errors, options=options).cautions
    assert caution.text == "Small scale: 1 epoch of 10,000 images, 2 seeds an arm."


# Published values


def test_published_values_are_ranked_among_ours(comparison_of: Compare):
    options = {"lecture": {"epochs": 5, "validation": False}}
    result = comparison_of({"lecture": [5, 7, 8, 9, 10]}, LECTURE, options)
    published = result.published
    assert published.note == ""
    assert published.comparable_epochs == 5
    assert len(published.by_epoch) == 10
    [accuracy] = [row for row in published.final if row.metric == "test/accuracy"]
    # Ours: 0.995, 0.993, 0.992, 0.991, 0.990 against 0.9921.
    assert accuracy.rank.model_dump() == {"below": 3, "equal": 0, "above": 2, "percentile": 60.0}
    assert published.wilson_95.errors == 79
    assert published.wilson_95.interval == pytest.approx((0.9902, 0.9937), abs=5e-5)
    assert result.contrasts == []
    assert "val/loss" not in result.arms["lecture"].learning_curves.bands


@pytest.mark.parametrize(
    ("options", "epochs", "note"),
    [
        ({"validation": False}, 1, "only row 1 of the table can be compared"),
        ({"epochs": 5, "dataset": DIGITS}, 0, "their values are not comparable"),
        ({"epochs": 6}, 5, "the test values are not"),
    ],
)
def test_published_values_that_are_not_comparable(
    comparison_of: Compare, options: dict[str, object], epochs: int, note: str
):
    published = comparison_of({"lecture": [20, 21]}, LECTURE, {"lecture": options}).published
    assert published.comparable_epochs == epochs
    assert {row.epoch for row in published.by_epoch} == set(range(1, epochs + 1))
    assert all(row.rank is None and not row.comparable for row in published.final)
    assert note in published.note


def test_rounding_keeps_ten_digits_and_types():
    values = {"a": [0.1 + 0.2, 1 / 3, 5.0, 7, None, True, "x"]}
    assert rounded(values) == {"a": [0.3, 0.3333333333, 5.0, 7, None, True, "x"]}
    assert isinstance(rounded(5.0), float)


def test_an_arm_is_compared_with_each_of_its_references(comparison_of: Compare):
    study = study_values(arms=["average", "strided"], against={"strided": ["max", "average"]})
    errors = {"max": [10, 11], "average": [20, 21], "strided": [30, 32]}
    result = comparison_of(errors, study)
    found = {result.key(each): each.difference.mean for each in result.contrasts}
    assert found == {
        "average": -1.0,
        "strided_vs_max": -2.05,
        "strided_vs_average": pytest.approx(-1.05),
    }
    assert "strided_vs_average/difference_percentage_points" in flat_metrics(result)
    assert [row.split(",")[0] for row in differences_text(result).splitlines()[1:]] == list(found)
    assert result.arms["strided"].reference == "max"
