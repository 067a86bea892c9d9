"""Stacked networks compute what each network computes alone."""

import pytest
import torch
from torch.nn import functional

from convchoice.config.schema import Operator
from convchoice.config.validation import UNPADDED, config_from_mapping
from convchoice.networks.network import Network
from convchoice.networks.stacked_networks import StackedNetworks

# Every operator and every first layer, in networks small enough for float64.
VARIANTS = [
    *[
        {"downsample": {"operator": operator.name, "window": 3, "padding": padding}}
        for operator in Operator
        for padding in (0, 1)
        if padding == 0 or operator not in UNPADDED
        if operator is not Operator.none
    ],
    {"downsample": {"operator": "none"}, "model": {"downsample_after": []}},
    {"conv": {"padding": "same", "padding_mode": "circular"}},
    {"model": {"first_layer": "dense"}, "conv": {"padding": "same", "padding_mode": "replicate"}},
    {"conv": {"kernel_size": [2, 3], "padding": [1, 2], "stride": [2, 1]}},
    {"conv": {"kernel_size": 4, "padding": "full"}, "model": {"first_layer": "locally_connected"}},
    {"downsample": {"operator": "average"}, "model": {"activation": "gelu"}},
    {"model": {"filters": [3, 5]}, "downsample": {"operator": "max"}},
    {"model": {"activation": "tanh", "head": "global_average", "initialisation": "pytorch"}},
]


@pytest.mark.parametrize("values", VARIANTS, ids=str)
def test_logits_and_gradients_are_those_of_each_network_alone(values):
    """A batch for each of three networks, and one for all."""
    model = {"filters": [6, 5], "downsample_after": [1], "hidden_units": 16}
    mapping = {**values, "model": model | values.get("model", {})}
    networks = [
        Network(config_from_mapping({"seed": seed, **mapping}), (3, 15, 13)).double()
        for seed in (0, 3, 1)
    ]
    stacked = StackedNetworks(networks)
    assert all(weight.is_contiguous() for weight in stacked.parameters())  # channels first
    images = torch.rand(3, 6, 3, 15, 13, dtype=torch.float64)
    images[:, :, :, :6] = 0  # windows of equal values
    labels = torch.arange(6) % 10
    logits, shared = stacked(images), stacked(images[0])
    functional.cross_entropy(logits.flatten(0, 1), labels.repeat(3), reduction="sum").backward()
    for place, (alone, state) in enumerate(zip(networks, stacked.states(), strict=True)):
        expected = alone(images[place].contiguous(memory_format=torch.channels_last))
        torch.testing.assert_close(logits[place], expected, rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(shared[place], alone(images[0]), rtol=1e-10, atol=1e-12)
        functional.cross_entropy(expected, labels, reduction="sum").backward()
        assert state.keys() == alone.state_dict().keys()
        for name, weight in alone.named_parameters():
            assert torch.equal(state[name], weight)
            assert weight.grad is not None
            assert weight.grad.any(), name
            child, _, own = name.partition(".")
            gradient = stacked.network.get_submodule(child).weights()[own].grad[place]
            torch.testing.assert_close(gradient, weight.grad, rtol=1e-9, atol=1e-12, msg=name)


@pytest.mark.parametrize("operator", ["max", "average"])
def test_mixed_precision_rounds_to_bfloat16_and_no_further(operator):
    values = {"model": {"filters": [6, 5]}, "downsample": {"operator": operator}}
    networks = [Network(config_from_mapping({"seed": seed, **values})) for seed in (0, 3)]
    generator = torch.Generator().manual_seed(0)
    stacked, images = StackedNetworks(networks), torch.rand(2, 8, 1, 28, 28, generator=generator)
    with torch.autocast("cpu", torch.bfloat16):
        logits = stacked(images)
    assert not torch.equal(logits.float(), stacked(images))
    expected = torch.stack([one(each) for one, each in zip(networks, images, strict=True)])
    torch.testing.assert_close(logits.float(), expected, rtol=0, atol=0.02)
    logits.float().square().sum().backward()
    expected.square().sum().backward()
    for name, found in stacked.network.get_submodule("block2_convolution").weights().items():
        for place, alone in enumerate(networks):
            wanted = alone.get_parameter(f"block2_convolution.{name}").grad
            close = (found.grad[place] - wanted).norm() / wanted.norm()
            assert close < 0.05, name
