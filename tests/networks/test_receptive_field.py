"""Pixel counts and receptive fields, by hand and against torch's gradients."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from torch import nn

from convchoice.config.schema import PaddingMode
from convchoice.config.validation import config_from_mapping
from convchoice.errors import UserError
from convchoice.networks.conv_arithmetic import Axis
from convchoice.networks.layers import Convolution
from convchoice.networks.network import Network
from convchoice.networks.plan import PlannedLayer, plan
from convchoice.networks.receptive_field import (
    central_cell,
    field_along,
    image_reads,
    reads_along,
    spatial_layers,
    stage_ends,
)
from made_up_runs import values_of

ZEROS = PaddingMode.zeros


def reads(axis: Axis) -> list[int]:
    return reads_along(axis, [1] * axis.output, ZEROS)


def test_reads_by_hand():
    assert reads(Axis(4, 3, 1)) == [1, 2, 2, 1]
    # A stride that drops the last pixel, as a remainder or cropped.
    assert reads(Axis(6, 3, 2)) == reads(Axis(6, 3, 2, 0, -1)) == [1, 1, 2, 1, 1, 0]
    # Corner, edge and centre on the lecture's slide: 4, 6, 9 with p = 1; 9, 9, 9 with p = 2.
    same, full = reads(Axis(5, 3, 1, 1, 1)), reads(Axis(5, 3, 1, 2, 2))
    assert np.outer(same, same)[[0, 0, 2], [0, 2, 2]].tolist() == [4, 6, 9]
    assert full == [3, 3, 3, 3, 3]


def planned(values: dict[str, Any], side: int = 28) -> list[PlannedLayer]:
    return spatial_layers(plan(config_from_mapping(values), (1, side, side)).layers)


def test_layers_by_hand():
    # 6 → 4 by a window of 3, → 2 by a window of 2 with stride 2: each of the 4 cells counts once.
    layers = planned({"model": {"filters": [2], "downsample_after": [1]}}, 6)
    assert image_reads(layers) == ([1, 2, 3, 3, 2, 1], [1, 2, 3, 3, 2, 1])
    assert field_along(layers, 0, 0) == (0, 3)
    assert field_along(layers, 0, 1) == (2, 5)
    assert central_cell(layers[-1]) == (1, 1)
    padded = planned(
        {"conv": {"padding": "same"}, "model": {"filters": [2], "downsample_after": []}}, 6
    )
    assert field_along(padded[:1], 0, 0) == (-1, 1)
    assert field_along(padded[:1], 1, 5) == (4, 6)
    assert planned({"model": {"first_layer": "dense"}}) == []


@pytest.mark.parametrize(
    ("settings", "ends"),
    [
        ("downsample.operator=conv_pool",
         "1.detector 1.downsample_pooling 2.detector 2.downsample_pooling 3.detector"),
        ("downsample.operator=strided model.activation=none",
         "1.convolution 2.convolution 3.convolution"),
    ],
)  # fmt: skip
def test_stage_ends(settings, ends):
    layers = stage_ends(plan(config_from_mapping(values_of(settings))).layers)
    assert [layer.name.removeprefix("block") for layer in layers] == ends.split()


def network_of_ones(network: Network) -> nn.Sequential:
    """A linear network with the same windows, one channel, weights 1 and biases 0."""
    modules: list[nn.Module] = []
    for layer in spatial_layers(network.plan.layers):
        if layer.axes is not None:
            module = Convolution(1, 1, layer.axes, layer.padding_mode)
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
            modules.append(module)
    return nn.Sequential(*modules).double()


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(["max", "strided", "all_conv", "conv_pool", "max_blur", "depthwise"]),
    st.sampled_from(["valid", "same", "full"]),
    st.sampled_from(list(PaddingMode)),
    st.integers(1, 5),
    st.integers(1, 2),
    st.integers(9, 28),
)
def test_reads_and_fields_equal_the_gradient_of_a_linear_network(
    operator, padding, mode, kernel, stride, side
):
    if padding == "valid":
        mode = ZEROS
    values = {
        "conv": {
            "kernel_size": kernel, "padding": padding, "padding_mode": mode.name, "stride": stride,
        },
        "downsample": {"operator": operator},
        "model": {"filters": [2, 2], "head": "global_average"},
    }  # fmt: skip
    try:
        network = Network(config_from_mapping(values), (1, side, side))
    except UserError:
        reject()  # a window that does not fit, or more padding than the mode can supply
    pixels = torch.zeros(1, 1, side, side, dtype=torch.float64, requires_grad=True)
    layers = spatial_layers(network.plan.layers)
    maps = network_of_ones(network)(pixels)
    [expected] = torch.autograd.grad(maps.sum(), pixels, retain_graph=True)
    assert np.array_equal(np.outer(*image_reads(layers)), expected[0, 0].numpy())
    row, column = central_cell(layers[-1])
    [seen] = torch.autograd.grad(maps[0, 0, row, column], pixels)
    first, last = field_along(layers, 0, row)
    if first >= 0 and last < side:  # no path leads through padding
        rows = seen[0, 0].any(1).nonzero().flatten().tolist()
        assert (rows[0], rows[-1]) == (first, last)
    assert layers[-1].receptive_field == (last - first + 1,) * 2
    assert layers[-1].jump == (field_along(layers, 0, row + 1)[0] - first,) * 2
