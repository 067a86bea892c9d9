"""A study's result from run folders: numbers by hand, refusals, what is printed with them."""

import json
from pathlib import Path

import numpy as np
import pytest

from convchoice.analysis import arm_result
from convchoice.analysis import prediction_result as answer_result
from convchoice.analysis.comparison import claim_pairs, compare
from convchoice.config.study import Study, study_from_mapping
from convchoice.errors import UserError
from convchoice.runs.run import read_run, runs_of_arm
from convchoice.runs.run_folder import RunFolderError
from making import DIGITS, LECTURE, MNIST, Compared, make_run, study_values

AVERAGE = {"config": {"downsample": {"operator": "average"}}}


def test_a_contrast_by_hand(compared: Compared):
    # Of 1,000 images; differences of −2, −4 and −6 errors are −0.2, −0.4 and −0.6 points.
    result = compared({"max": [10, 11, 12], "average": [12, 15, 18]}, options={"average": AVERAGE})
    [contrast] = result["contrasts"]
    assert contrast["differences_percentage_points"] == [-0.2, -0.4, -0.6]
    assert contrast["difference_percentage_points"] == -0.4
    assert contrast["standard_deviation_percentage_points"] == 0.2
    half = 4.30265273 * 0.2 / np.sqrt(3)  # t(0.975; 2)
    assert contrast["interval_95_percentage_points"] == pytest.approx([-0.4 - half, -0.4 + half])
    half = 2.91998558 * 0.2 / np.sqrt(3)
    assert contrast["interval_90_percentage_points"] == pytest.approx([-0.4 - half, -0.4 + half])
    assert contrast["p_sign_flip"] == 0.25
    assert contrast["p_holm"] == contrast["p_t"]
    assert contrast["verdict"] == "inconclusive"
    assert contrast["n"] == 3
    assert contrast["nll"]["difference_nats"] == pytest.approx(0.008)
    assert "that takes 6" in contrast["seeds_sentences"][0]


def test_an_arm_by_hand(compared: Compared):
    result = compared({"max": [10, 12], "average": [12, 15]}, options={"average": AVERAGE})
    arm = result["arms"]["max"]
    assert arm["n"] == 2
    assert arm["seeds"] == [0, 1]
    assert arm["test/accuracy"]["values"] == [0.99, 0.988]
    assert arm["test/accuracy"]["mean"] == pytest.approx(0.989)
    assert arm["costs"]["parameters"] == 93_322
    assert arm["costs"]["train_seconds_mean"] == pytest.approx(8.05)
    assert arm["costs"]["peak_memory_bytes_mean"] is None  # not recorded by these runs
    assert sum(arm["errors_by_digit"]["errors_mean"]) == pytest.approx(11)
    assert arm["errors_by_digit"]["images"] == [100] * 10
    assert arm["learning_curves"]["train/loss"]["mean"] == pytest.approx([0.2027])


def test_what_moved_is_printed(compared: Compared):
    options = {"average": {"config": {"downsample": {"operator": "average", "window": 3}}}}
    result = compared({"max": [10], "average": [12]}, options=options)
    assert result["arms"]["average"]["differs_from_partner"] == {
        "downsample.operator": {"arm": "average", "partner": "max"},
        "downsample.window": {"arm": 3, "partner": 2},
    }
    assert result["arms"]["max"]["differs_from_partner"] == {}


def test_prices_are_ratios_over_the_partner(compared: Compared):
    costs = {"cost/parameters": 186_644, "cost/macs": 698_560, "cost/train_seconds": 4.0}
    options = {"average": {"metrics": costs}}
    price = compared({"max": [10], "average": [12]}, options=options)["contrasts"][0]["price"]
    assert price == {
        "parameters_ratio": 2.0,
        "macs_ratio": 0.25,
        "activation_bytes_ratio": 1.0,
        "train_seconds_ratio": 0.5,
        "peak_memory_bytes_ratio": None,
    }


def test_only_common_seeds_are_paired_and_the_others_named(compared: Compared):
    result = compared({"max": [10, 10, 10, 10], "average": [12, 12]})
    [contrast] = result["contrasts"]
    assert contrast["seeds"] == [0, 1]
    assert contrast["left_out_seeds"] == {"arm": [], "partner": [2, 3]}
    assert result["partial"] == {"is_partial": True, "missing_seeds": {"average": [2, 3]}}
    assert [item["text"] for item in result["cautions"] if item["kind"] == "partial"] == [
        "Partial: not every planned run is there (average without seeds 2, 3)."
    ]


def test_planned_seeds_without_runs_make_the_study_partial(compared: Compared):
    planned = {"max": 2, "average": 3}
    result = compared({"max": [10, 10], "average": [12, 12]}, expected_seeds=planned)
    assert result["partial"] == {"is_partial": True, "missing_seeds": {"average": [2]}}


def test_a_whole_study_is_not_partial(compared: Compared):
    assert compared({"max": [10], "average": [12]})["partial"] == {
        "is_partial": False,
        "missing_seeds": {},
    }


def test_a_single_seed_has_no_interval_and_no_verdict(compared: Compared):
    [contrast] = compared({"max": [10], "average": [12]})["contrasts"]
    assert contrast["interval_95_percentage_points"] is None
    assert contrast["p_t"] is None
    assert contrast["p_holm"] is None
    assert contrast["verdict"] == "inconclusive"
    assert contrast["seeds_needed"] is None
    assert contrast["new_digits"]["interval_95_percentage_points"] is None


def test_equal_differences_are_a_point(compared: Compared):
    [contrast] = compared({"max": [10, 11, 12], "average": [12, 13, 14]})["contrasts"]
    assert contrast["interval_95_percentage_points"] == [-0.2, -0.2]
    assert contrast["p_t"] == 0.0
    assert contrast["verdict"] == "worse"
    assert contrast["seeds_needed"] == 2


def test_holm_runs_over_the_studys_contrasts(compared: Compared):
    study = study_values(arms=["average", "weighted"])
    errors = {"max": [10, 11, 12], "average": [15, 17, 18], "weighted": [15, 19, 18]}
    first, second = compared(errors, study)["contrasts"]
    assert first["p_t"] < second["p_t"]
    assert first["p_holm"] == pytest.approx(2 * first["p_t"])
    assert second["p_holm"] == pytest.approx(max(second["p_t"], 2 * first["p_t"]))


def test_claim_is_read_from_the_claimed_arms_side(compared: Compared):
    errors = {"max": [10, 11, 12], "average": [15, 16, 17]}
    claim = compared(errors)["claim"]
    assert claim["verdict"] == "claim holds"
    assert claim["pairs"] == [{"arm": "max", "opponent": "average", "verdict": "better"}]
    assert claim["sentence"] == "The claim holds: max is better than average."
    other_way = compared(errors, study_values(claim_arm="average"))["claim"]
    assert other_way["verdict"] == "contradicted"


def test_a_study_without_a_claimed_arm_has_no_claim(compared: Compared):
    assert compared({"max": [10], "average": [12]}, study_values(claim_arm=None))["claim"] is None


def a_study(**changes: object) -> Study:
    return study_from_mapping(study_values(**changes), "test")


def test_a_like_for_like_partner_stands_for_the_claimed_arm():
    study = a_study(
        arms=["average", "max_4x4", "average_4x4", "weighted"],
        against={"average_4x4": "max_4x4", "weighted": "max_4x4"},
    )
    assert claim_pairs(study) == [
        ("max", "average"),
        ("max_4x4", "average_4x4"),
        ("max_4x4", "weighted"),
    ]


def test_claim_pairs_of_other_shapes():
    assert claim_pairs(a_study(arms=["a", "b"])) == [("max", "a"), ("max", "b")]
    assert claim_pairs(a_study(arms=["a", "b"], claim_arm="b")) == [("b", "max")]
    chained = a_study(arms=["a", "b"], against={"b": "a"}, claim_arm="a")
    assert claim_pairs(chained) == [("a", "max"), ("a", "b")]
    assert claim_pairs(a_study(claim_arm=None)) == []


def test_a_lower_is_better_metric_turns_the_verdict(compared: Compared):
    study = study_values(metric="test/nll", margin=0.001)
    [contrast] = compared({"max": [10, 11, 12], "average": [15, 16, 18]}, study)["contrasts"]
    assert contrast["difference_nats"] > 0
    assert contrast["verdict"] == "worse"


def test_new_digits_widen_the_interval(compared: Compared):
    errors = {"max": [10, 11, 12, 11], "average": [20, 21, 23, 22]}
    [contrast] = compared(errors)["contrasts"]
    seeds_only = np.ptp(contrast["interval_95_percentage_points"])
    assert np.ptp(contrast["new_digits"]["interval_95_percentage_points"]) > seeds_only


# Refusals


def refused(study: Study, root: Path, *arms: str) -> str:
    with pytest.raises(UserError) as caught:
        compare(study, {arm: runs_of_arm(root, arm) for arm in arms})
    return str(caught.value)


def test_seeds_of_one_arm_with_other_configurations_are_refused(tmp_path: Path):
    make_run(tmp_path, "max", 0)
    make_run(tmp_path, "max", 1, config={"optimizer": {"learning_rate": 0.01}})
    make_run(tmp_path, "average", 0)
    message = refused(a_study(), tmp_path, "max", "average")
    assert "optimizer.learning_rate is 0.001 in seed-0 and 0.01 in seed-1" in message


def test_names_folders_tracking_and_workers_may_differ(tmp_path: Path):
    make_run(tmp_path, "max", 0)
    elsewhere = {
        "run_root": "elsewhere",
        "tracking": {"store": "none"},
        "trainer": {"workers": 2},
        "data": {"root": "/data", "fallback": None},
    }
    make_run(tmp_path, "max", 1, config=elsewhere)
    make_run(tmp_path, "average", 0)
    runs = {arm: runs_of_arm(tmp_path, arm) for arm in ("max", "average")}
    result = compare(a_study(), runs)
    assert result.arms["average"].differs_from_reference == {}


@pytest.mark.parametrize(
    ("other", "mend"),
    [
        (DIGITS, "in a study of its own"),
        ({**MNIST, "digest": "another"}, "Train one of them again"),
    ],
)
def test_arms_on_different_data_are_refused(tmp_path: Path, other: dict[str, object], mend: str):
    make_run(tmp_path, "max", 0)
    make_run(tmp_path, "average", 0, dataset=other)
    message = refused(a_study(), tmp_path, "max", "average")
    assert "used different data" in message
    assert mend in message


def test_runs_without_test_results_are_refused(tmp_path: Path):
    make_run(tmp_path, "max", 0)
    make_run(tmp_path, "average", 0, evaluated=False)
    message = refused(a_study(), tmp_path, "max", "average")
    assert "arm average: seeds 0 have no test results" in message


def test_an_arm_without_runs_is_refused():
    with pytest.raises(UserError, match="arm max: there is no run of it"):
        compare(a_study(), {})


def test_no_common_seed_is_refused(tmp_path: Path):
    make_run(tmp_path, "max", 0)
    make_run(tmp_path, "average", 1)
    assert "no seed in common" in refused(a_study(), tmp_path, "max", "average")


def test_runs_that_disagree_on_the_networks_cost_are_refused(tmp_path: Path):
    make_run(tmp_path, "max", 0)
    make_run(tmp_path, "max", 1, metrics={"cost/macs": 1})
    make_run(tmp_path, "average", 0)
    assert "disagree on cost/macs" in refused(a_study(), tmp_path, "max", "average")


def test_an_altered_test_accuracy_is_refused(tmp_path: Path):
    make_run(tmp_path, "max", 0, metrics={"test/accuracy": 0.9999})
    make_run(tmp_path, "average", 0)
    message = refused(a_study(), tmp_path, "max", "average")
    assert "predictions give a test accuracy of 0.9900" in message


def test_runs_tested_on_other_images_are_refused(tmp_path: Path):
    few = make_run(tmp_path, "max", 0)
    many = make_run(tmp_path, "max", 1, dataset={**MNIST, "test_images": 2_000})
    with pytest.raises(RunFolderError, match="tested on other images"):
        answer_result.read_answers([read_run(few), read_run(many)])


def test_a_missing_metric_names_the_run(tmp_path: Path):
    run = read_run(make_run(tmp_path, "max", 0))
    with pytest.raises(UserError, match=r"seed-0: metrics.json has no test/shifted_accuracy"):
        arm_result.sample([run], "test/shifted_accuracy")


# Cautions


def kinds(result: dict[str, object]) -> list[str]:
    return [item["kind"] for item in result["cautions"]]  # type: ignore[attr-defined]


def test_a_full_scale_study_on_mnist_has_no_caution(compared: Compared):
    options = {arm: {"epochs": 5} for arm in ("max", "average")}
    result = compared({"max": [10] * 6, "average": [12] * 6}, options=options)
    assert result["cautions"] == []


def test_the_fallback_data_set_is_said_first(compared: Compared):
    options = {arm: {"dataset": DIGITS} for arm in ("max", "average")}
    result = compared({"max": [10], "average": [12]}, options=options)
    assert kinds(result) == ["fallback", "scale"]
    assert result["cautions"][0]["text"] == DIGITS["fallback_note"]


def test_small_scale_is_said_in_numbers(compared: Compared):
    few = {"dataset": {**MNIST, "train_images": 10_000}}
    result = compared({"max": [10, 10], "average": [12, 12]}, options={"max": few, "average": few})
    assert [item["text"] for item in result["cautions"]] == [
        "Small scale: 1 epoch over 10,000 training images, 2 seeds an arm."
    ]


def test_mixed_devices_commits_and_uncommitted_changes_are_said(compared: Compared):
    options = {
        "max": {"epochs": 5},
        "average": {
            "epochs": 5,
            "environment": {"device": "cuda:0", "commit": "unknown", "dirty": True},
        },
    }
    result = compared({"max": [10] * 6, "average": [12] * 6}, options=options)
    assert kinds(result) == ["devices", "commits", "dirty"]


# A printed table


def test_the_printed_run_is_placed_among_ours(compared: Compared):
    options = {"lecture": {"epochs": 5, "validation": False}}
    result = compared({"lecture": [5, 7, 8, 9, 10]}, LECTURE, options)
    printed = result["printed"]
    assert printed["note"] == ""
    assert printed["comparable_epochs"] == 5
    assert len(printed["rows"]) == 10
    [accuracy] = [row for row in printed["final"] if row["metric"] == "test/accuracy"]
    # Ours: 0.995, 0.993, 0.992, 0.991, 0.990 against 0.9921.
    assert accuracy["comparable"]
    assert accuracy["place"] == {"below": 3, "equal": 0, "above": 2, "percentile": 60.0}
    assert printed["wilson_95"]["errors"] == 79
    assert [round(bound, 4) for bound in printed["wilson_95"]["interval"]] == [0.9902, 0.9937]
    assert result["contrasts"] == []
    assert result["claim"] is None
    assert result["arms"]["lecture"]["learning_curves"]["val/loss"] is None


def test_one_epoch_compares_with_row_one_alone(compared: Compared):
    result = compared({"lecture": [20, 21]}, LECTURE, {"lecture": {"validation": False}})
    printed = result["printed"]
    assert printed["comparable_epochs"] == 1
    assert {row["epoch"] for row in printed["rows"]} == {1}
    assert all(row["place"] is None and not row["comparable"] for row in printed["final"])
    assert "only row 1 of the table can be compared" in printed["note"]
    assert "are not comparable" in printed["note"]


def test_nothing_of_a_printed_mnist_table_compares_with_digits(compared: Compared):
    options = {"lecture": {"validation": False, "epochs": 5, "dataset": DIGITS}}
    printed = compared({"lecture": [20, 21]}, LECTURE, options)["printed"]
    assert printed["rows"] == []
    assert all(row["place"] is None for row in printed["final"])
    assert "none is ranked" in printed["note"]


def test_more_epochs_than_printed_leave_the_test_values_apart(compared: Compared):
    printed = compared({"lecture": [5]}, LECTURE, {"lecture": {"epochs": 6}})["printed"]
    assert printed["comparable_epochs"] == 5
    assert "the test values do not" in printed["note"]


# The mapping itself


def test_the_result_is_plain_json_and_says_its_schema(compared: Compared):
    result = compared({"max": [10, 11], "average": [12, 14]})
    assert result["schema_version"] == 2
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_rounding_keeps_ten_digits_and_types():
    given = {"a": [0.1 + 0.2, 1 / 3, 5.0, 7, None, True, "x"]}
    assert arm_result.rounded(given) == {"a": [0.3, 0.3333333333, 5.0, 7, None, True, "x"]}
    assert isinstance(arm_result.rounded(5.0), float)
