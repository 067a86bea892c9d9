"""A study's result from run folders: numbers by hand, refusals, cautions, published values."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convchoice.analysis.arm import Change
from convchoice.analysis.comparison import compare
from convchoice.analysis.comparison_files import differences_text, flat_metrics
from convchoice.analysis.contrast import family_of
from convchoice.analysis.multiplicity import planned_levels, unplanned_level
from convchoice.analysis.notes import seed_lines, seed_notes
from convchoice.analysis.statistics import mean_interval
from convchoice.analysis.text import MINUS, difference
from convchoice.config.study import study_from_mapping
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


def test_result_by_hand(comparison_of: Compare):
    # Of 1,000 images; differences of −2, −4 and −6 errors are −0.2, −0.4 and −0.6 points.
    costs = {"cost/parameters": 186_644, "cost/macs": 698_560}
    options = {"average": {"config": {"downsample": {"operator": "average"}}, "metrics": costs}}
    result = comparison_of({"max": [10, 11, 12], "average": [12, 15, 18]}, options=options)
    [contrast] = result.contrasts
    found = contrast.difference
    assert found.values == [-0.2, -0.4, -0.6]
    assert (found.mean, found.standard_deviation) == (-0.4, 0.2)
    half = 4.30265273 * 0.2 / np.sqrt(3)  # t(0.975; 2)
    assert found.interval_95 == pytest.approx((-0.4 - half, -0.4 + half))
    assert (contrast.interval, contrast.p) == (found.interval_95, found.p_t)  # alone in its family
    assert (found.unit, found.p_sign_flip) == ("percentage points", 0.25)
    assert contrast.verdict == "inconclusive"
    assert (contrast.nll.mean, contrast.nll.unit) == (pytest.approx(0.008), "nats")
    assert contrast.robust.interval == pytest.approx(contrast.interval)  # too few to trim
    assert contrast.seeds_needed.low <= contrast.seeds_needed.estimate
    arm, other = result.arms["max"], result.arms["average"]
    assert (arm.seeds, arm.reference, other.reference) == ([0, 1, 2], None, "max")
    assert arm.scores["test/accuracy"].values == [0.99, 0.989, 0.988]
    assert arm.scores["test/accuracy"].mean == pytest.approx(0.989)
    # Weights, gradients and one moment (RMSprop) at 4 bytes, and the activations of one batch.
    assert arm.costs.memory_bytes == 3 * 4 * 93_322 + arm.costs.activation_bytes
    memory = (2 * 3 * 4 * 93_322 + arm.costs.activation_bytes) / arm.costs.memory_bytes
    assert contrast.cost_ratio == {
        "parameters": 2.0, "macs": 0.25, "memory_bytes": pytest.approx(memory)
    }  # fmt: skip
    assert sum(arm.class_errors.mean) == pytest.approx(11)
    assert arm.class_errors.images == [100] * 10
    assert arm.learning_curves.bands["train/loss"].mean == pytest.approx([0.2032])
    assert other.differs_from_reference == {
        "downsample.operator": Change(arm="average", reference="max")
    }


def test_only_common_seeds_are_paired(comparison_of: Compare):
    result = comparison_of({"max": [10, 10, 10, 10], "average": [12, 12]})
    [contrast] = result.contrasts
    assert contrast.seeds == [0, 1]
    assert (contrast.left_out_seeds.arm, contrast.left_out_seeds.reference) == ([], [2, 3])
    assert result.missing_seeds == {"average": [2, 3]}
    assert [item.text for item in result.cautions if item.kind == "partial"] == [
        "Partial: planned runs are missing (average without seeds 2, 3)."
    ]


def test_one_seed_has_no_interval_and_a_few_equal_differences_have_none(comparison_of: Compare):
    [contrast] = comparison_of({"max": [10], "average": [12]}).contrasts
    assert (contrast.difference.interval_95, contrast.difference.p_t) == (None, None)
    assert (contrast.interval, contrast.p, contrast.seeds_needed) == (None, None, None)
    assert contrast.verdict == "inconclusive"
    assert contrast.new_images_interval_95 is None
    assert contrast.class_errors.interval_95 == [None] * 10
    [contrast] = comparison_of({"max": [10, 11, 12], "average": [12, 13, 14]}).contrasts
    assert (contrast.difference.interval_95, contrast.difference.p_t) == (None, None)
    assert (contrast.interval, contrast.p, contrast.verdict) == (None, None, "inconclusive")
    assert (contrast.robust.interval, contrast.robust.verdict) == (None, "inconclusive")
    [_, note] = seed_notes(contrast)
    assert note == (
        "The 3 differences are equal, as a few rounded values often are: there is no interval, so"
        " no difference can be shown."
    )
    many = {"max": list(range(10, 16)), "average": list(range(12, 18))}
    [contrast] = comparison_of(many).contrasts
    assert contrast.interval == contrast.robust.interval == (-0.2, -0.2)
    assert (contrast.difference.p_t, contrast.verdict) == (0.0, "worse")


def test_differences_of_accuracies_stay_within_100_points(comparison_of: Compare):
    result = comparison_of({"max": [10, 900], "average": [800, 100]})
    [contrast] = result.contrasts
    assert contrast.interval == contrast.difference.interval_95 == (-100.0, 100.0)
    assert contrast.robust.interval == contrast.new_images_interval_95 == (-100.0, 100.0)
    assert contrast.nll.interval_95[1] > 1  # in nats, without bounds


def test_new_images_widen_the_interval(comparison_of: Compare):
    errors = {"max": [10, 11, 12, 11], "average": [20, 21, 23, 22]}
    [contrast] = comparison_of(errors).contrasts
    assert np.ptp(contrast.new_images_interval_95) > np.ptp(contrast.difference.interval_95)


def test_seeds_needed_stand_beside_inconclusive_alone(comparison_of):
    errors = {
        "max": [10, 12, 9, 11, 10, 13],
        "average": [60, 61, 58, 62, 59, 61],
        "l2": [12, 9, 14, 8, 13, 10],
    }
    result = comparison_of(errors, study_values(arms=["average", "l2"]))
    worse, open_ = result.contrasts
    assert (worse.verdict, worse.seeds_needed) == ("worse", None)
    assert open_.verdict == "inconclusive"
    assert open_.seeds_needed is not None
    [line] = [line for line in seed_lines(result) if "seeds would be needed" in line]
    assert line.startswith("l2: ")


def test_controls_are_outside_the_family(comparison_of: Compare):
    study = study_values(arms=["average", "weighted"], controls=["weighted"], claims=[])
    errors = {"max": [10, 11, 12], "average": [15, 17, 18], "weighted": [15, 19, 18]}
    result = comparison_of(errors, study)
    assert (result.family.contrasts, result.family.method) == (1, "single")
    assert all(each.interval == each.difference.interval_95 for each in result.contrasts)
    assert [each.in_family for each in result.contrasts] == [True, False]


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
    # A look at one seed has no interval.
    study = study_from_mapping(study_values(), "test")
    assert family_of(study, [[0, 1, 2]], earlier=[1]) == family_of(study, [[0, 1, 2]])


def test_seeds_needed_are_those_of_the_last_planned_look(comparison_of: Compare):
    errors = {"max": [10, 11, 12, 13, 12, 11], "average": [12, 9, 14, 11, 15, 8]}
    [alone] = comparison_of(errors).contrasts
    [first] = comparison_of(errors, study_values(looks=[6, 12, 30])).contrasts
    # The level of the last look is 0.049, that of the first 0.00001.
    assert alone.seeds_needed.estimate <= first.seeds_needed.estimate
    assert first.seeds_needed.estimate <= 1.05 * alone.seeds_needed.estimate


MAX, AVERAGE_RUN = {"arm": "max", "seed": 0}, {"arm": "average", "seed": 0}
OTHER_FILES = {**MNIST, "digest": "another"}
RATE = {"optimizer": {"learning_rate": 0.01}}
REVERSED = [MAX, AVERAGE_RUN]


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        ([], "arm max: there is no run"),
        ([MAX, {**MAX, "seed": 1, "config": RATE}],
         "optimizer.learning_rate is 0.001 in seed-0 and 0.01 in seed-1"),
        ([MAX, {**MAX, "seed": 1, "metrics": {"cost/macs": 1}}], "disagree on cost/macs"),
        ([MAX, {**AVERAGE_RUN, "dataset": DIGITS}], "Use one study a data set"),
        ([MAX, {**AVERAGE_RUN, "dataset": OTHER_FILES}], "digest is '0123456789abcdef' and 'anoth"),
        ([MAX, {**AVERAGE_RUN, "evaluated": False}], "arm average: no test results in seed-0"),
        ([MAX, {**AVERAGE_RUN, "seed": 1}], "no seed in common"),
        ([{**MAX, "metrics": {"test/accuracy": 0.9999}}, AVERAGE_RUN],
         "predictions give a test accuracy of 0.9900"),
        (REVERSED, "arm average: its test labels differ from those of max"),
    ],
)  # fmt: skip
def test_runs_that_cannot_be_compared_are_refused(
    tmp_path: Path, runs: list[dict[str, Any]], message: str
):
    paths = [make_run(tmp_path, **options) for options in runs]
    if runs and all(options["arm"] == "max" for options in runs):
        make_run(tmp_path, **AVERAGE_RUN)
    if runs is REVERSED:
        with altered(paths[1]) as folder:
            logits, labels = logits_with_errors(1_000, 10, 0)
            np.savez(folder / PREDICTIONS, logits=logits[::-1], labels=labels[::-1])
    arms = {arm: runs_of_arm(tmp_path, arm) for arm in ("max", "average") if runs}
    with pytest.raises(UserError) as caught:
        compare(study_from_mapping(study_values(), "test"), arms)
    assert message in str(caught.value)


FIVE = {"epochs": 5}


@pytest.mark.parametrize(
    ("seeds", "options", "of_average", "kinds", "words"),
    [
        (6, FIVE, {}, [], ""),
        (1, {"dataset": DIGITS}, {}, ["fallback", "scale"], DIGITS["fallback_note"]),
        (6, {**FIVE, "dataset": MNIST | {"shared_images": {"val": 3, "test": 1_200}}}, {},
         ["overlap"], ("Accuracies are too high: 1,200 test images are training or validation"
         " images, 3 validation images are training images, pixel for pixel.")),
        (6, {**FIVE, "dataset": MNIST | {"shared_images": {"val": 0, "test": 0}}}, {}, [], ""),
        (2, FIVE, {}, ["scale"], "Few seeds: 2 seeds an arm."),
        # The made-up loss falls from 0.2 to 0.1.
        (6, {"epochs": 2}, {}, ["scale", "unconverged"],
         "training loss of every arm by up to 0.10 nats"),
        (6, FIVE, {"device": "cuda:0"}, ["devices"], "device (cpu and cuda:0)"),
        (6, FIVE, {"instructions": "native"}, ["devices"], "CPU instructions (avx2 and native)"),
        (6, {**FIVE, "environment": {"tf32": False}}, {"tf32": True}, ["devices"],
         "use of TF32 (False and True)"),
        (6, {**FIVE, "environment": {"precision": "bf16-mixed"}}, {"precision": "32-true"},
         ["devices"], "precision (32-true and bf16-mixed)"),
        (6, FIVE, {"device": "cuda:0", "commit": "unknown", "dirty": True},
         ["devices", "commits", "dirty"], ""),
    ],
)  # fmt: skip
def test_cautions_most_important_first(
    comparison_of: Compare, seeds: int, options: Any, of_average: Any, kinds: list[str], words: str
):
    other = {**options, "environment": of_average} if of_average else options
    errors = {"max": [10] * seeds, "average": [12] * seeds}
    cautions = comparison_of(errors, options={"max": options, "average": other}).cautions
    assert [item.kind for item in cautions] == kinds
    assert words in " ".join(item.text for item in cautions)


@pytest.mark.parametrize(("images", "kind"), [(1000, "Demonstration"), (1001, "Short training")])
def test_arms_that_see_few_images_are_a_demonstration(comparison_of: Compare, images, kind):
    """Three epochs of 300 images are fewer than one of 1,000."""
    options = {
        "max": {"epochs": 3, "config": {"data": {"train_size": 300}}},
        "average": {"config": {"data": {"train_size": images}}},
    }
    found = comparison_of({"max": [10] * 2, "average": [12] * 2}, options=options).cautions
    [text] = [each.text for each in found if each.kind in {"scale", "demonstration"}]
    assert text.startswith(f"{kind}")
    assert ("demonstration" in [each.kind for each in found]) == (kind == "Demonstration")


def test_a_precision_that_an_arm_chose_is_no_caution(comparison_of: Compare):
    chosen = {"config": {"trainer": {"precision": "tf32"}}, "environment": {"tf32": True}}
    options = {"max": {**FIVE, "environment": {"tf32": False}}, "average": FIVE | chosen}
    assert comparison_of({"max": [10] * 6, "average": [12] * 6}, options=options).cautions == []


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"downsample": {"operator": "average", "window": 3}}, None),  # one choice: the network
        ({"optimizer": {"name": "sgd", "learning_rate": 0.1}}, None),
        ({"data": {"train_size": 100}}, None),
        (
            {"data": {"train_size": 100}, "optimizer": {"learning_rate": 1e-9}},
            (
                "average differs from max in data.train_size (100, not None) and"
                " optimizer.learning_rate (1e-09, not 0.001)."
            ),
        ),
        (
            {"downsample": {"operator": "average"}, "data": {"validation_seed": 7}},
            "average differs from max also in data.validation_seed (7, not 2019).",
        ),
        (
            {"downsample": {"operator": "average"}, "trainer": {"precision": "bf16-mixed"}},
            "average differs from max also in trainer.precision (bf16-mixed, not 32-true).",
        ),
    ],
)
def test_what_else_than_one_choice_differs_is_a_caution(
    comparison_of: Compare, changes: dict[str, Any], text: str | None
):
    options = {"max": {"epochs": 5}, "average": {"epochs": 5, "config": changes}}
    found = comparison_of({"max": [10] * 6, "average": [12] * 6}, options=options).cautions
    cautions = [item.text for item in found if item.kind == "confounded"]
    assert cautions == (
        [f"Not one choice alone: {text} A difference may come from any of them."] if text else []
    )


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


def test_an_arm_is_compared_with_each_of_its_references(comparison_of: Compare):
    claim = {"says": "A claim.", "predicts": {"strided against average": "better"}}
    study = study_values(
        arms=["average", "strided"], against={"strided": ["max", "average"]}, claims=[claim]
    )
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
    [[part]] = [claim.parts for claim in result.claims]
    assert (part.arm, part.reference, part.verdict) == ("strided", "average", "inconclusive")


def test_a_claims_sentence_has_the_digits_of_the_table(comparison_of: Compare):
    # The mean is −2.1750000000000003 in floating point, and −2.175 in the result.
    claim = {"says": "A claim.", "predicts": {"average": "worse"}}
    errors = {"max": [10, 10, 10, 10], "average": [31, 31, 31, 34]}
    result = comparison_of(errors, study_values(claims=[claim]))
    [contrast], [answered] = result.contrasts, result.claims
    size = difference(contrast, result.measure).removeprefix(MINUS)
    assert contrast.difference.mean == -2.175
    assert f"worse than max by {size} points" in answered.sentence
