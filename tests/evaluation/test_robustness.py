"""Robustness curves of a network that can be computed by hand, and of a real one."""

import math

import pytest
import torch
from torch import Tensor, nn

from convchoice.config.schema import Curve
from convchoice.config.validation import config_from_mapping
from convchoice.evaluation.robustness import (
    CONSISTENCY_PIXELS,
    consistency_curve,
    random_shifts,
    robustness_curve,
    scores,
)
from convchoice.networks.network import Network
from convchoice.runs.evaluation_files import CurvePoint


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


def test_scores_by_hand() -> None:
    images, labels = strokes(2, [0, 1, 1])
    # The right column has a logit of 2 (two pixels of 1), the other one of 0.
    accuracy, nll = scores(ColumnReader(), images, labels, lambda batch: batch)
    assert accuracy == 1
    assert nll == pytest.approx(math.log(1 + math.exp(-2)))
    mirrored = scores(ColumnReader(), images, labels, lambda batch: batch.flip(3))
    assert mirrored == (0, pytest.approx(math.log(1 + math.exp(2))))


def test_shifts_by_hand() -> None:
    images, labels = strokes(30, [14, 15, 15])
    points = list(robustness_curve(Curve.shift, ColumnReader(), images, labels))
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
    return {point.value: point for point in points}


def test_rotations_by_hand() -> None:
    images, labels = strokes(10, [2, 7])
    points = by_value(Curve.rotation, images, labels)
    assert sorted(points) == list(range(0, 360, 15))
    assert points[0].accuracy == 1
    assert points[180].accuracy == 0
    assert points[180].ink_lost == 0
    swapped = scores(ColumnReader(), images, labels.flip(0), lambda batch: batch)
    assert points[180].nll == pytest.approx(swapped[1])


def test_scales_by_hand() -> None:
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


def test_consistency_counts_equal_predictions() -> None:
    images, labels = strokes(20, [10] * 300)
    [same] = consistency_curve(Constant(), images, torch.tensor([0, 1] * 150))
    assert same.consistency == 1
    assert same.accuracy == 0.5
    [moved] = consistency_curve(ColumnReader(), images, labels)
    shifts = random_shifts(300)
    # Of a stroke that is moved, the column is the answer.
    expected = (shifts[:, 0, 1] == shifts[:, 1, 1]).double().mean()
    assert moved.consistency == pytest.approx(float(expected))
    right = (shifts[:, :, 1] == 0).double().mean()
    assert moved.accuracy == pytest.approx(float(right))
    assert moved.curve is Curve.consistency


def test_random_shifts_are_fixed_and_fill_their_range() -> None:
    shifts = random_shifts(2000)
    assert torch.equal(shifts, random_shifts(2000))
    assert set(shifts.flatten().tolist()) == set(range(-CONSISTENCY_PIXELS, CONSISTENCY_PIXELS + 1))


@pytest.mark.parametrize("shape", [(1, 28, 28), (1, 48, 40)])
def test_a_real_network_of_any_canvas(shape: tuple[int, int, int]) -> None:
    network = Network(config_from_mapping({"model": {"head": "global_average"}}), shape).eval()
    images = torch.randint(0, 256, (20, *shape[1:]), dtype=torch.uint8)
    labels = torch.arange(20) % 10
    clean = scores(network, images, labels, lambda batch: batch)
    for curve, unmoved in ((Curve.shift, 0), (Curve.rotation, 0), (Curve.scale, 1)):
        [point] = {
            (point.accuracy, point.nll)
            for point in robustness_curve(curve, network, images, labels)
            if point.value == unmoved
        }
        assert point == clean
