"""Filters, maps and gradients of a network, compared with torch and by hand."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from convchoice.config.validation import config_from_mapping
from convchoice.evaluation.introspection import (
    CHANNELS_KEPT,
    FILTERS_KEPT,
    GRADIENT_IMAGES,
    first_filters,
    first_of_classes,
    introspect,
    pixel_gradients,
    response_maps,
)
from convchoice.networks.network import Network
from convchoice.training.batches import scaled

SMALL: dict[str, Any] = {"model": {"filters": [6, 4], "hidden_units": 8}}


def network_of(values: dict[str, Any]) -> Network:
    return Network(config_from_mapping(values)).eval()


def random_images(count: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 28, 28), generator=generator, dtype=torch.uint8)


def test_the_first_image_of_a_class_by_hand():
    labels = np.array([7, 2, 1, 0, 4, 1, 0], dtype=np.uint8)
    assert first_of_classes(labels, (0, 1, 2, 3)).tolist() == [3, 2, 1]


@pytest.mark.parametrize("kind", ["convolution", "locally_connected", "dense"])
def test_a_filter_weights_the_pixels_that_it_sees_into_the_middle_output(kind):
    network = network_of({"model": {**SMALL["model"], "first_layer": kind}})
    found = first_filters(network)
    assert len(found) == 6
    [pixels] = scaled(random_images(1))
    response = next(network.children())(pixels[None])[0, :, 13, 13]
    seen = pixels if kind == "dense" else pixels[:, 13:16, 13:16]
    torch.testing.assert_close((found * seen).sum((1, 2, 3)), response)  # biases are still 0


def test_a_network_without_maps_has_no_middle_gradient():
    config = config_from_mapping({"model": {**SMALL["model"], "first_layer": "dense"}})
    found = introspect(Network(config).eval(), config, random_images(10), torch.arange(10))
    assert found.filters.shape == (6, 1, 28, 28)
    assert next(iter(found.maps)) == "block1.detector"
    assert (found.reads, found.fields, found.middle_gradient) == ({}, {}, None)


def test_maps_are_those_of_the_network():
    network = network_of(SMALL)
    images = random_images(3)
    maps = response_maps(network, images)
    assert list(maps) == [
        "block1.detector", "block1.downsample", "block2.detector", "block2.downsample",
    ]  # fmt: skip
    assert all(found.shape[:2] == (3, CHANNELS_KEPT) for found in maps.values())
    passed: list[Tensor] = []
    network.get_submodule("head_flatten").register_forward_pre_hook(
        lambda _, given: passed.append(given[0])
    )
    with torch.no_grad():
        network(scaled(images))
    np.testing.assert_allclose(maps["block2.downsample"], passed[0][:, :CHANNELS_KEPT], rtol=1e-5)


def test_gradients_agree_with_finite_differences():
    smooth = {
        "downsample": {"operator": "average"},
        "model": SMALL["model"] | {"activation": "gelu"},
    }
    network = network_of(smooth)
    images = random_images(120)  # more than one batch
    gradient, _ = pixel_gradients(network, images)
    pixels = scaled(images).double()
    network.double()
    with torch.no_grad():
        chosen = network(pixels).argmax(1)
        for row, column in ((0, 0), (5, 20), (14, 13), (27, 27)):
            step = torch.zeros_like(pixels)
            step[:, :, row, column] = 1e-5
            change = (network(pixels + step) - network(pixels - step)) / 2e-5
            slopes = change[torch.arange(120), chosen].abs()
            assert gradient[row, column].item() == pytest.approx(slopes.mean().item(), rel=1e-3)


def test_the_middle_cells_gradient_of_a_linear_network_is_its_filter():
    values = {
        "conv": {"padding": "same"},
        "model": {"filters": [1], "downsample_after": [], "activation": "none"},
    }
    network = network_of(values)
    weight = network.get_submodule("block1_convolution").weight
    with torch.no_grad():
        nn.init.normal_(weight, generator=torch.Generator().manual_seed(0))
    _, middle = pixel_gradients(network, random_images(4))
    assert middle is not None
    expected = torch.zeros(28, 28)
    expected[13:16, 13:16] = weight[0, 0].abs()
    torch.testing.assert_close(middle, expected)


def test_introspection_uses_the_networks_input():
    values = {**SMALL, "data": {"canvas": 32, "permutation_seed": 1}}
    config = config_from_mapping(values)
    network = Network(config).eval()
    images, labels = random_images(300), torch.arange(300) % 10
    before = {name: weight.clone() for name, weight in network.state_dict().items()}
    found = introspect(network, config, images, labels)
    assert found.indices.tolist() == found.labels.tolist() == [0, 1, 2]
    assert found.images.shape == (3, 32, 32)
    assert found.images.sum() == images[:3].sum()  # moved, none lost
    assert not np.array_equal(found.images[:, 2:30, 2:30], images[:3])
    assert found.gradient_images == GRADIENT_IMAGES
    assert found.gradient.shape == (32, 32)
    assert list(found.reads) == ["block1.convolution", "block2.downsample"]
    assert found.reads["block1.convolution"][0].tolist() == [1, 2, *[3] * 28, 2, 1]
    assert found.fields["block1.convolution"].tolist() == [[15, 17], [15, 17]]
    assert list(found.fields) == [
        "block1.convolution", "block1.downsample", "block2.convolution", "block2.downsample",
    ]  # fmt: skip
    assert len(found.filters) == min(FILTERS_KEPT, 6)
    assert all(torch.equal(before[name], weight) for name, weight in network.state_dict().items())
    # What the middle cell cannot see has no gradient.
    (top, bottom), (left, right) = found.fields["block2.downsample"]
    assert found.middle_gradient is not None
    assert found.middle_gradient[top : bottom + 1, left : right + 1].sum() == pytest.approx(
        found.middle_gradient.sum()
    )
