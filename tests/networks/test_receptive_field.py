"""Which pixels cells read: counts by hand, torch's gradient as the oracle, fields by hand."""

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
from convchoice.networks.layers import Convolution, LocallyConnected
from convchoice.networks.network import Network
from convchoice.networks.plan import plan
from convchoice.networks.receptive_field import (
    FILLED,
    central_cell,
    field_along,
    image_reads,
    pixel_at,
    reads_along,
    spatial_layers,
    stage_ends,
)

ZEROS = PaddingMode.zeros


def ones(axis: Axis, mode: PaddingMode = ZEROS) -> list[int]:
    return reads_along(axis, [1] * axis.output, mode)


def test_a_window_without_padding_by_hand() -> None:
    rows = ones(Axis(4, 3, 1))
    assert rows == [1, 2, 2, 1]
    counts = np.outer(rows, rows)
    assert counts[0, 0] == 1
    assert counts[0, 1] == 2
    assert counts[1, 1] == 4


def test_padding_by_hand() -> None:
    # Corner, edge and centre, as the lecture's slide has it: 4, 6, 9 at p = 1; 9, 9, 9 at p = 2.
    same, full = ones(Axis(5, 3, 1, 1, 1)), ones(Axis(5, 3, 1, 2, 2))
    assert same == [2, 3, 3, 3, 2]
    assert full == [3, 3, 3, 3, 3]
    assert np.outer(same, same)[[0, 0, 2], [0, 2, 2]].tolist() == [4, 6, 9]


def test_a_stride_that_drops_the_last_pixel_by_hand() -> None:
    assert ones(Axis(6, 3, 2)) == [1, 1, 2, 1, 1, 0]
    assert ones(Axis(6, 3, 2, 0, -1)) == [1, 1, 2, 1, 1, 0]


@pytest.mark.parametrize(
    ("mode", "found", "counts"),
    [
        (PaddingMode.zeros, [None, None, 0, 1, 2, 3, None, None], [2, 3, 3, 2]),
        (PaddingMode.replicate, [0, 0, 0, 1, 2, 3, 3, 3], [3, 3, 3, 3]),
        (PaddingMode.circular, [2, 3, 0, 1, 2, 3, 0, 1], [3, 3, 3, 3]),
        (PaddingMode.reflect, [2, 1, 0, 1, 2, 3, 2, 1], [2, 4, 4, 2]),
    ],
)
def test_what_stands_in_padding_by_hand(
    mode: PaddingMode, found: list[int | None], counts: list[int]
) -> None:
    assert [pixel_at(Axis(4, 5, 1, 2, 2), place, mode) for place in range(-2, 6)] == found
    assert ones(Axis(4, 3, 1, 1, 1), mode) == counts


def planned(values: dict[str, Any], side: int = 28) -> Any:
    config = config_from_mapping(values)
    return spatial_layers(plan(config, (1, side, side)).layers)


def test_two_layers_by_hand() -> None:
    # 6 → 4 by a window of 3, → 2 by a window of 2 with stride 2: every cell of the 4 counts once.
    layers = planned({"model": {"filters": [2], "downsample_after": [1]}}, 6)
    rows, columns = image_reads(layers, ZEROS)
    assert rows == columns == [1, 2, 3, 3, 2, 1]
    assert field_along(layers, 0, 0) == (0, 3)
    assert field_along(layers, 0, 1) == (2, 5)
    assert central_cell(layers[-1]) == (1, 1)


def test_fields_reach_into_the_padding() -> None:
    layers = planned(
        {"conv": {"padding": "same"}, "model": {"filters": [2], "downsample_after": []}}, 6
    )
    assert field_along(layers[:1], 0, 0) == (-1, 1)
    assert field_along(layers[:1], 1, 5) == (4, 6)


def test_the_field_of_a_cell_is_as_large_as_the_plan_says() -> None:
    for layer_count, layer in enumerate(layers := planned({}), start=1):
        first, last = field_along(layers[:layer_count], 0, 0)
        assert layer.receptive_field is not None
        assert last - first + 1 == layer.receptive_field[0]
        assert first == 0


@pytest.mark.parametrize(
    ("values", "names"),
    [
        (
            {},
            [
                "block1.detector", "block1.downsample", "block2.detector", "block2.downsample",
                "block3.detector",
            ],
        ),
        (
            {"downsample": {"operator": "strided"}, "model": {"activation": "none"}},
            ["block1.convolution", "block2.convolution", "block3.convolution"],
        ),
        (
            {"downsample": {"operator": "conv_pool"}, "model": {"filters": [4]}},
            ["block1.detector", "block1.downsample_pooling"],
        ),
    ],
)  # fmt: skip
def test_the_ends_of_a_blocks_stages(values: dict[str, Any], names: list[str]) -> None:
    if "filters" in values.get("model", {}):
        values["model"]["downsample_after"] = [1]
    layers = plan(config_from_mapping(values)).layers
    assert [layer.name for layer in stage_ends(layers)] == names


def weights_of_one(network: Network, mode: PaddingMode) -> nn.Sequential:
    """A linear network with the same windows, one channel, and weights of 1 without bias."""
    made: list[nn.Module] = []
    for layer in spatial_layers(network.plan.layers):
        if layer.axes is None:
            continue
        filled = mode if layer.kind in FILLED else ZEROS
        module = Convolution(1, 1, *layer.axes, filled)
        nn.init.ones_(module.weight)
        nn.init.zeros_(module.bias)
        made.append(module)
    return nn.Sequential(*made).double()


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(
        ["max", "average", "strided", "all_conv", "conv_pool", "max_blur", "depthwise"]
    ),
    st.sampled_from(["valid", "same", "full"]),
    st.sampled_from(list(PaddingMode)),
    st.integers(1, 5),
    st.integers(1, 2),
    st.integers(9, 28),
)
def test_counts_are_the_gradient_of_a_linear_network(
    operator: str, padding: str, mode: PaddingMode, kernel: int, stride: int, side: int
) -> None:
    values = {
        "conv": {"kernel_size": kernel, "padding": padding, "stride": stride},
        "downsample": {"operator": operator},
        "model": {"filters": [2, 2], "head": "global_average"},
    }
    if padding != "valid":
        values["conv"]["padding_mode"] = mode.name  # type: ignore[index]
    else:
        mode = ZEROS
    try:
        config = config_from_mapping(values)
        network = Network(config, (1, side, side))
    except UserError:
        reject()  # a window that does not fit, or padding further than the mode reaches
    pixels = torch.zeros(1, 1, side, side, dtype=torch.float64, requires_grad=True)
    [expected] = torch.autograd.grad(weights_of_one(network, mode)(pixels).sum(), pixels)
    rows, columns = image_reads(spatial_layers(network.plan.layers), mode)
    assert np.array_equal(np.outer(rows, columns), expected[0, 0].numpy())


def test_a_layer_without_shared_weights_reads_as_a_convolution_does() -> None:
    network = Network(config_from_mapping({"model": {"first_layer": "locally_connected"}}))
    module = network.get_submodule("block1_locally_connected")
    assert isinstance(module, LocallyConnected)
    nn.init.ones_(module.weight)
    pixels = torch.zeros(1, 1, 28, 28, requires_grad=True)
    [expected] = torch.autograd.grad(module(pixels)[:, 0].sum(), pixels)
    rows, columns = image_reads(network.plan.layers[:1], ZEROS)
    assert np.array_equal(np.outer(rows, columns), expected[0, 0].numpy())


def test_a_dense_first_layer_has_no_place() -> None:
    assert planned({"model": {"first_layer": "dense"}}) == []
