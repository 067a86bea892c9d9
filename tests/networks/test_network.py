"""The network against plain torch; initial weights against torch's own."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from convchoice.config.schema import Initialisation, Operator
from convchoice.config.validation import config_from_mapping
from convchoice.networks.conv_arithmetic import Axes, Axis
from convchoice.networks.initialisation import derived_seed, draw_, fans
from convchoice.networks.layers import Convolution, DenseMap, LocallyConnected
from convchoice.networks.network import Network
from made_up_runs import values_of


def network(seed: int = 0, **values: object) -> Network:
    return Network(config_from_mapping({"seed": seed, **values}))


def test_network_computes_the_lectures_layers():
    ours = network().double().eval()
    weights = list(ours.parameters())
    assert sum(weight.numel() for weight in weights) == 93_322
    reference = nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(64, 64, 3), nn.ReLU(),
        nn.Flatten(), nn.Linear(576, 64), nn.ReLU(), nn.Linear(64, 10),
    ).double()  # fmt: skip
    with torch.no_grad():
        for theirs, mine in zip(reference.parameters(), weights, strict=True):
            theirs.copy_(mine)
    images = torch.rand(5, 1, 28, 28, dtype=torch.float64)
    torch.testing.assert_close(ours(images), reference(images), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("operator", [operator.name for operator in Operator])
def test_arms_share_initial_weights_of_equal_layers(operator):
    reference = "all_conv" if operator == "conv_pool" else "max"
    window = 3 if operator == "weighted" else 2
    ours, others = (
        network(seed=3, downsample={"operator": name, "window": size}).state_dict()
        for name, size in ((reference, 2), (operator, window))
    )
    shared = [name for name in ours if name in others and ours[name].shape == others[name].shape]
    assert len(shared) >= {"maxout": 3, "conv_pool": len(ours)}.get(operator, 6)
    for name in shared:
        assert torch.equal(ours[name], others[name]), name


def test_seeds_and_layers_of_one_shape_have_different_initial_weights():
    first, other = (network(seed, model={"filters": [8, 8, 8]}).state_dict() for seed in (0, 1))
    second, third = "block2_convolution.weight", "block3_convolution.weight"
    assert not torch.equal(first[second], first[third])
    assert not torch.equal(first[second], other[second])
    assert derived_seed(0, "weights", "a") == 1_821_965_217_576_806_684  # for good


@pytest.mark.parametrize(
    "operator", ["average", "weighted", "max_blur", "l2", "depthwise", "maxout"]
)
def test_global_average_network_accepts_images_of_another_size(operator):
    """If the windows end at the same pixel, the values are those of a network of that size."""
    settings = f"downsample.operator={operator} downsample.window=3 downsample.padding=1"
    settings += " model.filters=[4,3] model.downsample_after=[1] model.head=global_average"
    config = config_from_mapping(values_of(settings))
    small, large = (Network(config, (1, side, side)).double() for side in (14, 24))
    images = torch.rand(2, 1, 24, 24, dtype=torch.float64)
    torch.testing.assert_close(small(images), large(images), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("values", "reordered"),
    [
        ({"downsample": {"operator": "max"}}, True),
        ({"downsample": {"operator": "max", "window": 4, "padding": 1}}, True),
        ({"downsample": {"operator": "conv_pool"}}, True),
        ({"downsample": {"operator": "average"}}, False),
        ({"downsample": {"operator": "max"}, "model": {"activation": "gelu"}}, False),
    ],
)
def test_max_pooling_before_relu_is_equal_to_the_bit(values, reordered):
    network, in_order = (Network(config_from_mapping(values)) for _ in range(2))
    in_order._order = list(range(len(in_order)))
    assert (network._order != in_order._order) == reordered
    images = torch.rand(32, 1, 28, 28, generator=torch.Generator().manual_seed(1))
    outputs = []
    for each in (network, in_order):
        logits = each(images)
        functional.cross_entropy(logits, torch.arange(32) % 10).backward()
        outputs.append([logits, *(parameter.grad for parameter in each.parameters())])
    for ours, expected in zip(*outputs, strict=True):
        assert torch.equal(ours, expected)


AXES = Axes(Axis(28, 3, 1), Axis(20, 5, 1))


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(11)


@pytest.mark.parametrize(
    ("layer", "fan_in", "fan_out"),
    [
        (Convolution(4, 6, AXES), 4 * 15, 6 * 15),
        (Convolution(4, 4, AXES, depthwise=True), 15, 15),
        # the fans of a convolution of this size, not of the weight tensor
        (LocallyConnected(4, 6, AXES), 4 * 15, 6 * 15),
        (DenseMap((1, 28, 20), (6, 3, 2)), 560, 36),
        (nn.Linear(7, 3), 7, 3),
    ],
)
def test_fans_and_glorot_limits(layer, fan_in, fan_out):
    assert fans(layer) == (fan_in, fan_out)
    draw_(layer, Initialisation.glorot_uniform, generator())
    limit = math.sqrt(6 / (fan_in + fan_out))
    assert layer.weight.abs().max() <= limit * (1 + 1e-6)
    if layer.weight.numel() > 500:
        assert layer.weight.abs().max() > 0.98 * limit
        assert layer.weight.std().item() == pytest.approx(limit / math.sqrt(3), rel=0.05)
    assert layer.bias is None or layer.bias.abs().max() == 0


@pytest.mark.parametrize("layer", [nn.Conv2d(5, 7, (3, 2)), nn.Linear(13, 6)])
def test_convolution_and_dense_weights_equal_torch_to_the_bit(layer):
    draw_(layer, Initialisation.glorot_uniform, generator())
    expected = nn.init.xavier_uniform_(torch.empty_like(layer.weight), generator=generator())
    assert torch.equal(layer.weight, expected)
    draw_(layer, Initialisation.pytorch, generator())
    source = generator()
    weight = nn.init.kaiming_uniform_(
        torch.empty_like(layer.weight), a=math.sqrt(5), generator=source
    )
    bound = 1 / math.sqrt(layer.weight[0].numel())
    assert layer.bias is not None
    bias = nn.init.uniform_(torch.empty_like(layer.bias), -bound, bound, generator=source)
    assert torch.equal(layer.weight, weight)
    assert torch.equal(layer.bias, bias)
