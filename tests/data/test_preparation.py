"""Canvas, rotation and permutation: hand-computed results, torchvision as the oracle."""

import pytest
import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as oracle

from convchoice.config.schema import DataConfig
from convchoice.data import preparation
from convchoice.data.preparation import (
    fixed_angles,
    on_canvas,
    permuted,
    rotated_by,
    training_images,
)


def bytes_of(*shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)


def test_a_canvas_centres_the_image_with_an_odd_pixel_after_it():
    image = torch.tensor([[[1, 2], [3, 4]]], dtype=torch.uint8)
    assert on_canvas(image, 5).tolist() == [
        [[0, 0, 0, 0, 0], [0, 1, 2, 0, 0], [0, 3, 4, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]]
    ]
    assert on_canvas(image, 4)[0, 1:3, 1:3].tolist() == [[1, 2], [3, 4]]
    assert on_canvas(image.expand(2, 3, 2, 2), 5).shape == (2, 3, 5, 5)


def test_all_images_and_channels_are_permuted_alike():
    images = bytes_of(4, 3, 5, 6)
    moved = permuted(images, 3)
    places = permuted(torch.arange(30).view(5, 6), 3).flatten()
    assert sorted(places.tolist()) == list(range(30))
    assert torch.equal(moved.flatten(2), images.flatten(2)[..., places])
    assert not torch.equal(moved, permuted(images, 4))
    assert not torch.equal(permuted(images, 0), images), "0 is a seed"


@pytest.mark.parametrize("channels", [1, 3])
def test_rotation_is_torchvisions(channels):
    images = bytes_of(6, channels, 11, 11)
    degrees = torch.tensor([0.0, 17.0, 90.0, 123.4, 270.0, 359.0])
    ours = rotated_by(images if channels > 1 else images[:, 0], degrees).view(images.shape)
    for image, mine, angle in zip(images, ours, degrees.tolist(), strict=True):
        theirs = oracle.rotate(image.float(), angle, InterpolationMode.BILINEAR)
        assert (mine.float() - theirs).abs().max() <= 1, angle
    assert torch.equal(ours[0], images[0])
    assert torch.equal(ours[2], torch.rot90(images[2], 1, (-2, -1))), "anticlockwise"


def test_an_images_angle_does_not_depend_on_the_choice():
    angles = fixed_angles(10_000, 2019)
    assert angles.min() >= 0
    assert angles.max() < 360
    assert abs(angles.mean().item() - 180) < 5
    assert not torch.equal(angles, fixed_angles(10_000, 1))
    images, config = bytes_of(9, 7, 7), DataConfig(rotated=True)
    everyone = training_images(images, torch.arange(9), config)
    some = torch.tensor([7, 2, 5])
    assert torch.equal(training_images(images, some, config), everyone[some])
    assert torch.equal(everyone, rotated_by(images, fixed_angles(9, 2019)))
    assert training_images(images, some[:0], config).shape == (0, 7, 7)


def test_rotation_is_on_the_canvas_and_permutation_comes_last():
    images, config = bytes_of(5, 3, 6, 6), DataConfig(canvas=10, rotated=True, permutation_seed=1)
    ours = training_images(images, torch.arange(5), config)
    assert torch.equal(ours, permuted(rotated_by(on_canvas(images, 10), fixed_angles(5, 2019)), 1))
    assert ours.is_contiguous(memory_format=torch.channels_last)
    tested = preparation.test_images(images, config)
    assert torch.equal(tested, permuted(on_canvas(images, 10), 1)), "test images stay upright"
    assert tested.is_contiguous(memory_format=torch.channels_last)
