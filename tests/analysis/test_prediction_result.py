"""What answers come to in a comparison: counts by hand, pictures that travel, refusals."""

from pathlib import Path

import numpy as np
import pytest

from convchoice.analysis.prediction_result import pictures_of
from convchoice.errors import RunFolderError
from convchoice.reporting.sheet import pixels_of
from convchoice.runs.run import read_run
from convchoice.runs.run_folder import PICTURES
from making import MNIST, Compared, altered, made_up_images, make_run, study_values

KEEP = {arm: {"picture_shape": (28, 28)} for arm in ("max", "average")}


def test_confusion_is_summed_over_seeds(compared: Compared):
    result = compared({"max": [10, 12], "average": [20, 25]})
    matrix = np.array(result["arms"]["max"]["confusion"])
    assert matrix.sum() == 2 * 1_000
    assert matrix.sum() - np.trace(matrix) == 10 + 12
    # The made-up networks take every digit for the next one.
    assert np.diag(matrix, 1).sum() + matrix[9, 0] == 22
    [contrast] = result["contrasts"]
    difference = np.array(contrast["confusion_difference"])
    theirs = np.array(result["arms"]["average"]["confusion"])
    assert (difference == theirs - matrix).all()
    assert difference.sum() == 0
    assert np.trace(difference) == 22 - 45


def test_errors_by_class_have_intervals_over_seeds(compared: Compared):
    result = compared({"max": [10, 12, 11], "average": [20, 25, 23]})
    block = result["arms"]["max"]["errors_by_digit"]
    assert len(block["interval_95"]) == 10
    for mean, (low, high) in zip(block["errors_mean"], block["interval_95"], strict=True):
        assert low <= mean <= high
    paired = result["contrasts"][0]["errors_by_digit"]
    assert sum(paired["difference_errors"]) == pytest.approx((10 + 13 + 12) / 3)


def test_one_seed_has_no_interval_of_a_class(compared: Compared):
    result = compared({"max": [10], "average": [12]})
    assert result["arms"]["max"]["errors_by_digit"]["interval_95"] == [None] * 10
    assert result["contrasts"][0]["errors_by_digit"]["interval_95"] == [None] * 10


def test_the_pair_is_the_middle_seeds(compared: Compared):
    result = compared({"max": [10, 10, 10], "average": [12, 30, 14]})
    found = result["contrasts"][0]["mcnemar"]
    assert found["seed"] == 1
    # Of seed 1: the partner alone is right on 20 images more than the arm alone.
    assert found["only_partner_right"] - found["only_arm_right"] == 20
    assert found["p"] < 0.001


def test_flips_are_counted_and_their_pictures_travel(compared: Compared):
    result = compared({"max": [10, 11, 12], "average": [30, 33, 31]}, options=KEEP)
    [contrast] = result["contrasts"]
    found = contrast["flips"]
    assert 20 <= found["images"] <= 100
    images = made_up_images(MNIST["test_images"], (28, 28))
    assert found["lost"]
    for flip in [*found["gained"], *found["lost"]]:
        assert flip["label"] == flip["image"] % 10
        assert sum(flip["arm_answers"].values()) == 3
        label = str(flip["label"])
        right = flip["arm_answers"].get(label, 0) - flip["partner_answers"].get(label, 0)
        assert right == flip["only_arm_right"] - flip["only_partner_right"]
        picture = result["pictures"][str(flip["image"])]
        assert np.array_equal(pixels_of(picture), images[flip["image"]])
    assert set(result["pictures"]) == {
        str(flip["image"]) for flip in [*found["gained"], *found["lost"]]
    }


def test_a_comparison_of_runs_without_pictures_has_none(compared: Compared):
    result = compared({"max": [10], "average": [20]})
    assert result["contrasts"][0]["flips"]["images"] > 0
    assert result["pictures"] == {}


def test_colours_come_last_in_a_picture(compared: Compared):
    shape = {arm: {"picture_shape": (3, 4, 5)} for arm in KEEP}
    result = compared({"max": [10], "average": [20]}, options=shape)
    index, picture = next(iter(result["pictures"].items()))
    assert picture["shape"] == [3, 4, 5]
    expected = made_up_images(1_000, (3, 4, 5))[int(index)]
    assert np.array_equal(pixels_of(picture), np.moveaxis(expected, 0, -1))


def test_pictures_of_other_images_are_refused(tmp_path: Path):
    runs = [make_run(tmp_path, "max", seed, picture_shape=(4, 4)) for seed in (0, 1)]
    first = read_run(runs[0]).pictures()
    assert first is not None
    with altered(runs[1]) as folder:
        np.savez(folder / PICTURES, indices=first.indices, pixels=255 - first.pixels)
    with pytest.raises(RunFolderError, match="is not another run's"):
        pictures_of(first.indices.tolist(), map(read_run, runs))


def test_the_log_likelihoods_p_is_adjusted_over_the_contrasts(compared: Compared):
    study = study_values(arms=["average", "weighted"])
    errors = {"max": [10, 11, 12], "average": [15, 17, 18], "weighted": [15, 19, 18]}
    first, second = (item["nll"] for item in compared(errors, study)["contrasts"])
    smaller, larger = sorted((first, second), key=lambda block: block["p_t"])
    assert smaller["p_holm"] == pytest.approx(2 * smaller["p_t"])
    assert larger["p_holm"] >= larger["p_t"]
