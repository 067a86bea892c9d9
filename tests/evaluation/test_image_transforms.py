"""Transforms against loops and hand-computed results, for any height, width and depth."""

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from convchoice.evaluation.image_transforms import ink_lost, mean_ink, rescaled, rotated, shifted


def random_images(batch: int, depth: int, height: int, width: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(batch, depth, height, width, generator=generator)


SIDE, SHIFT = st.integers(1, 7), st.integers(-8, 8)


@given(st.integers(1, 3), SIDE, SIDE, SHIFT, SHIFT)
def test_a_shift_equals_the_loop(depth, height, width, rows, columns):
    images = random_images(2, depth, height, width)
    expected = torch.zeros_like(images)
    for row, column in product(range(height), range(width)):
        if 0 <= row - rows < height and 0 <= column - columns < width:
            expected[..., row, column] = images[..., row - rows, column - columns]
    assert torch.equal(shifted(images, rows, columns), expected)


def test_quarter_turns_are_exact_and_anticlockwise():
    for turns, side in product(range(4), (27, 28)):
        images = random_images(2, 3, side, side)
        assert torch.equal(rotated(images, 90 * turns), torch.rot90(images, turns, (2, 3)))


def test_scale_by_hand():
    images = torch.zeros(1, 1, 8, 8)
    images[..., 2:6, 2:6] = 1  # a square of 4 about the centre
    assert torch.equal(rescaled(images, 1), images)
    halved = rescaled(images, 0.5)
    expected = torch.zeros(1, 1, 8, 8)
    expected[..., 3:5, 3:5] = 1  # each pixel the mean of 2×2
    torch.testing.assert_close(halved, expected)
    assert float(rescaled(images, 1.5).sum()) == pytest.approx(36, abs=1e-4)


def test_mean_ink_weights_images_alike_and_blank_ones_not():
    images = torch.zeros(3, 3, 2, 2, dtype=torch.uint8)
    images[0, :, 0, 0] = 200
    images[1, :, 1] = 10
    expected = torch.tensor([[0.5, 0], [0.25, 0.25]], dtype=torch.float64)
    assert torch.equal(mean_ink(images), expected)
    assert torch.equal(mean_ink(images[2:]), torch.zeros(2, 2, dtype=torch.float64))


@given(st.integers(-6, 6), st.integers(-6, 6))
def test_ink_lost_by_a_shift_is_missing_in_the_shifted_image(rows, columns):
    image = torch.from_numpy(np.random.default_rng(0).random((1, 5, 4)))
    left = float(shifted(image[None], rows, columns).sum() / image.sum())
    assert ink_lost(mean_ink(image), rows=rows, columns=columns) == pytest.approx(1 - left)


def test_ink_lost_by_rotation_and_scale_by_hand():
    corner, middle = torch.zeros(1, 4, 4), torch.zeros(1, 4, 4)
    corner[0, 0, 0] = 1
    middle[0, 1, 1] = 1
    ink = mean_ink(corner)
    # A corner's pixel lies 1.5 from the centre along both axes, √4.5 ≈ 2.12 away.
    assert [ink_lost(ink, degrees=degrees) for degrees in (0, 45, 90, 180)] == [0, 1, 0, 0]
    assert [ink_lost(ink, factor=factor) for factor in (0.5, 1, 1.3, 1.4)] == [0, 0, 0, 1]
    assert ink_lost(mean_ink(middle), degrees=45) == 0
    assert ink_lost(mean_ink(middle), factor=1.5) == 0
