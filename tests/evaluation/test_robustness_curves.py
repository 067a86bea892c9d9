"""The curves of networks that can be computed by hand, and of real ones."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from torch import Tensor, nn

from convchoice.config.schema import Curve
from convchoice.config.validation import config_from_mapping
from convchoice.evaluation.introspection import chosen_images
from convchoice.evaluation.robustness_curves import (
    CONSISTENCY_PIXELS,
    INPUT_SIDES,
    accepts,
    consistency_point,
    input_size_curve,
    network_for,
    random_shifts,
    robustness_curve,
    scores,
)
from convchoice.networks.network import Network
from convchoice.networks.plan import plan
from convchoice.runs.evaluation_files import CurvePoint


@given(
    arrays.arrays(np.uint8, st.integers(1, 200), elements=st.integers(0, 9)), st.integers(1, 250)
)
def test_chosen_images_are_stratified_and_sorted(labels, count):
    chosen = chosen_images(labels, count)
    assert len(chosen) == min(count, len(labels))
    assert (np.diff(chosen) > 0).all()
    share = len(chosen) / len(labels)
    for digit in range(10):
        wanted = share * (labels == digit).sum()
        assert abs((labels[chosen] == digit).sum() - wanted) <= 1
    zeros = np.zeros(1000, dtype=np.uint8)  # spread over the file
    assert chosen_images(zeros, 4).tolist() == [0, 250, 500, 750]
    assert chosen_images(zeros, None).tolist() == list(range(1000))


class ColumnReader(nn.Module):
    """Predicts the column with the most ink; each logit is the ink of a column."""

    def forward(self, images: Tensor) -> Tensor:
        return images.sum((1, 2))


def strokes(side: int, columns: list[int]) -> tuple[Tensor, Tensor]:
    """One vertical stroke an image, and its column as the label."""
    images = torch.zeros(len(columns), side, side, dtype=torch.uint8)
    for image, column in zip(images, columns, strict=True):
        image[:, column] = 255
    return images, torch.tensor(columns)


def test_scores_by_hand():
    images, labels = strokes(2, [0, 1, 1])
    # The right column has a logit of 2 (two pixels of 1), the other one of 0.
    [(accuracy, nll)] = scores(ColumnReader(), images, labels, lambda batch: batch)
    assert accuracy == 1
    assert nll == pytest.approx(math.log(1 + math.exp(-2)))
    [mirrored] = scores(ColumnReader(), images, labels, lambda batch: batch.flip(3))
    assert mirrored == (0, pytest.approx(math.log(1 + math.exp(2))))


def test_shifts_by_hand():
    images, labels = strokes(30, [14, 15, 15])
    points = [point for [point] in robustness_curve(Curve.shift, ColumnReader(), images, labels)]
    assert len({point.key for point in points}) == len(points) == 63
    by_key = {(point.kind, point.value): point for point in points}
    assert all(by_key["vertical", pixels].accuracy == 1 for pixels in range(-10, 11))
    for kind in ("horizontal", "diagonal"):
        assert [by_key[kind, pixels].accuracy for pixels in (-1, 0, 1)] == [0, 1, 0]
    # A stroke over all 30 rows loses as many of them as it is moved.
    assert by_key["vertical", -10].ink_lost == pytest.approx(10 / 30)
    assert by_key["horizontal", 10].ink_lost == 0
    assert {point.images for point in points} == {3}


def by_value(curve: Curve, images: Tensor, labels: Tensor) -> dict[float, CurvePoint]:
    points = robustness_curve(curve, ColumnReader(), images, labels)
    return {point.value: point for [point] in points}


def test_rotations_and_scales_by_hand():
    images, labels = strokes(10, [2, 7])
    points = by_value(Curve.rotation, images, labels)
    assert sorted(points) == list(range(0, 360, 15))
    assert points[0].accuracy == 1
    assert (points[180].accuracy, points[180].ink_lost) == (0, 0)
    [swapped] = scores(ColumnReader(), images, labels.flip(0), lambda batch: batch)
    assert points[180].nll == pytest.approx(swapped[1])
    points = by_value(Curve.scale, *strokes(10, [4, 5, 9]))
    assert sorted(points) == [0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5]
    assert points[1.0].accuracy == 1
    assert points[1.5].accuracy == pytest.approx(2 / 3)  # the stroke at the edge has left
    assert points[1.5].ink_lost is not None
    assert points[1.5].ink_lost > 1 / 3


class Constant(nn.Module):
    """The same prediction for every image."""

    def forward(self, images: Tensor) -> Tensor:
        return torch.tensor([[0.0, 1.0]]).expand(len(images), 2)


def test_consistency_counts_equal_predictions():
    images, labels = strokes(20, [10] * 300)
    [same] = consistency_point(Constant(), images, torch.tensor([0, 1] * 150))
    assert same.consistency == 1
    assert same.accuracy == 0.5
    [moved] = consistency_point(ColumnReader(), images, labels)
    shifts = random_shifts(300)
    # Of a stroke that is moved, the column is the answer.
    expected = (shifts[:, 0, 1] == shifts[:, 1, 1]).double().mean()
    assert moved.consistency == pytest.approx(float(expected))
    right = (shifts[:, :, 1] == 0).double().mean()
    assert moved.accuracy == pytest.approx(float(right))
    assert moved.curve is Curve.consistency
    assert set(shifts.flatten().tolist()) == set(range(-CONSISTENCY_PIXELS, CONSISTENCY_PIXELS + 1))


@pytest.mark.parametrize("operator", ["max", "strided", "all_conv"])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_every_size_that_torch_accepts_is_accepted(operator, padding):
    """The plan agrees with a network that is built for the size and loads the weights."""
    config = config_from_mapping(
        {"downsample": {"operator": operator}, "conv": {"padding": padding}}
    )
    network = Network(config).eval()
    images = torch.randint(0, 256, (4, 28, 28), dtype=torch.uint8)
    curve = input_size_curve([network], config, images, torch.arange(4))
    points = {point.value: point for [point] in curve}
    assert list(points) == list(INPUT_SIDES)
    for side in range(18, 57):
        ours = network_for(network, config, side, side)
        try:
            Network(config, (1, side, side)).load_state_dict(network.state_dict())
            fits = True
        except RuntimeError:
            fits = False
        assert (ours is not None) == fits, side
        if point := points.get(side):
            assert point.accepted == (point.accuracy is not None) == fits
        if ours is not None:
            assert ours(torch.zeros(1, 1, side, side)).shape == (1, 10)


def test_another_grid_with_as_many_cells_is_not_accepted():
    config = config_from_mapping({"model": {"filters": [2], "downsample_after": []}})
    trained, other = plan(config, (1, 6, 10)), plan(config, (1, 10, 6))  # 4×8 and 8×4
    assert trained.parameters == other.parameters
    assert not accepts(trained, other)
    assert accepts(trained, plan(config, (1, 6, 10)))


@pytest.mark.parametrize("shape", [(1, 28, 28), (1, 48, 40)])
def test_an_unchanged_image_has_the_scores_of_the_network(shape):
    config = config_from_mapping({"model": {"head": "global_average"}})
    network = Network(config, shape).eval()
    images = torch.randint(0, 256, (20, *shape[1:]), dtype=torch.uint8)
    labels = torch.arange(20) % 10
    [clean] = scores(network, images, labels, lambda batch: batch)
    points = list(input_size_curve([network], config, images, labels))
    for curve in (Curve.shift, Curve.rotation, Curve.scale):
        points += robustness_curve(curve, network, images, labels)
    unmoved = {Curve.shift: 0, Curve.rotation: 0, Curve.scale: 1, Curve.input_size: shape[1]}
    found = [point for [point] in points if point.value == unmoved[point.curve]]
    assert {point.curve for point in found} == set(unmoved)
    assert {(point.accuracy, point.nll) for point in found} == {clean}
