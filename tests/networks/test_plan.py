"""Sizes and costs, against the lecture's printed numbers, hand-computed ones, and torch."""

import re
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from convchoice.config.block_rules import UNPADDED
from convchoice.config.schema import Activation, FirstLayer, Operator, Padding, PaddingMode
from convchoice.config.validation import config_from_mapping
from convchoice.errors import ConfigurationError, UserError
from convchoice.networks.network import Network
from convchoice.networks.plan import GeometryError, Kind, Plan, plan
from convchoice.networks.suggestions import fitting_plan


def planned(input_shape: tuple[int, int, int] = (1, 28, 28), **values: Any) -> Plan:
    return plan(config_from_mapping(values), input_shape)


def outputs(of: Plan, kind: Kind) -> list[tuple[int, ...]]:
    return [layer.output_shape for layer in of.layers if layer.kind is kind]


def test_the_lectures_network_has_the_printed_parameters_and_sizes() -> None:
    network = planned()
    assert network.parameters == 93_322
    assert network.macs == 2_794_240
    assert outputs(network, Kind.convolution) == [(32, 26, 26), (64, 11, 11), (64, 3, 3)]
    assert outputs(network, Kind.pooling) == [(32, 13, 13), (64, 5, 5)]
    assert outputs(network, Kind.flatten) == [(576,)]


def test_the_lectures_receptive_fields_are_3_4_8_10_18_at_a_jump_of_4() -> None:
    spatial = [layer for layer in planned().layers if layer.axes is not None]
    assert [layer.receptive_field for layer in spatial] == [
        (side, side) for side in (3, 4, 8, 10, 18)
    ]
    assert spatial[-1].jump == (4, 4)


def test_without_pooling_the_network_has_2_038_922_parameters() -> None:
    assert planned(downsample={"operator": "none"}).parameters == 2_038_922


def test_pooling_is_counted_apart_from_multiply_accumulates() -> None:
    # 13·13·32 and 5·5·64 windows of 2×2 pixels each
    assert planned().pooling_operations == (13 * 13 * 32 + 5 * 5 * 64) * 4


@pytest.mark.parametrize(
    ("operator", "window", "padding"),
    [
        ("max", 2, 0),
        ("average", 2, 0),
        ("strided", 2, 0),
        ("all_conv", 2, 0),
        ("conv_pool", 2, 0),
        ("depthwise", 2, 0),
        ("max_blur", 2, 0),
        ("maxout", 2, 0),
        ("l2", 2, 0),
        ("l2", 4, 1),
        ("depthwise", 4, 1),
        ("max_blur", 4, 1),
        ("max", 4, 1),
        ("average", 4, 1),
        ("weighted", 4, 1),
    ],
)
def test_every_operator_lays_the_same_grid(operator: str, window: int, padding: int) -> None:
    network = planned(downsample={"operator": operator, "window": window, "padding": padding})
    grids = [layer.output_shape[1:] for layer in network.layers if layer.axes is not None]
    assert (13, 13) in grids
    assert (5, 5) in grids
    assert outputs(network, Kind.flatten) == [(576,)]


def test_a_strided_convolution_costs_a_quarter_and_has_equal_parameters() -> None:
    pooled, strided = planned(), planned(downsample={"operator": "strided"})
    assert strided.parameters == pooled.parameters
    # 13·13·32·9 + 5·5·64·32·9 + 3·3·64·64·9 + 576·64 + 64·10
    assert strided.macs == 48_672 + 460_800 + 331_776 + 36_864 + 640


def test_a_kernel_larger_than_its_input_says_where_and_which_sizes() -> None:
    with pytest.raises(GeometryError) as refused:
        planned(conv={"kernel_size": 7})
    assert str(refused.value) == (
        "block3.convolution: a 7×7 window does not fit its 2×2 input: ⌊(2 + 0 − 7)/1⌋ + 1 = -4,"
        " and a size must be at least 1."
    )


def test_reflection_cannot_add_more_than_there_is() -> None:
    with pytest.raises(GeometryError, match="padding_mode=reflect can add at most"):
        planned(
            (1, 12, 12),
            conv={"kernel_size": 7, "padding": "full", "padding_mode": "reflect"},
            downsample={"window": 4, "stride": 4},
        )


def test_a_rectangular_kernel_is_named_by_its_sides_and_the_axis_that_fails() -> None:
    with pytest.raises(GeometryError) as refused:
        planned(conv={"kernel_size": [3, 9]})
    assert str(refused.value) == (
        "block3.convolution: a 3×9 window does not fit its 5×1 input along the width:"
        " ⌊(1 + 0 − 9)/1⌋ + 1 = -7, and a size must be at least 1."
    )


@pytest.mark.parametrize(
    ("first_layer", "parameters", "macs"),
    [
        ("convolution", 320, 194_688),
        ("locally_connected", 216_320, 194_688),
        ("dense", 16_981_120, 784 * 26 * 26 * 32),
    ],
)
def test_the_lectures_first_layers_make_26_by_26_by_32_of_28_by_28(
    first_layer: str, parameters: int, macs: int
) -> None:
    network = planned(model={"first_layer": first_layer})
    first = network.layers[0]
    assert first.name == f"block1.{first_layer}"
    assert first.output_shape == (32, 26, 26)
    assert (first.parameters, first.macs) == (parameters, macs)
    assert network.parameters == 93_322 - 320 + parameters


def test_behind_a_dense_first_layer_every_output_sees_the_whole_image() -> None:
    network = planned((1, 28, 20), model={"first_layer": "dense"})
    maps = [layer for layer in network.layers if layer.name.startswith("block")]
    assert all(layer.sees_everything for layer in maps)
    assert {(layer.receptive_field, layer.jump) for layer in maps} == {((28, 20), (0, 0))}
    assert not any(layer.sees_everything for layer in planned().layers)


def test_the_extra_convolution_of_the_control_costs_what_all_conv_learns() -> None:
    control = planned(downsample={"operator": "conv_pool"})
    assert control.parameters == planned(downsample={"operator": "all_conv"}).parameters == 139_498
    # at full resolution: 26·26·32·32·9 + 11·11·64·64·9 more than max pooling's network
    assert control.macs == 2_794_240 + 6_230_016 + 4_460_544
    assert control.pooling_operations == planned().pooling_operations


def test_costs_of_the_other_operators_by_hand() -> None:
    maxout = planned(downsample={"operator": "maxout"})
    # 96 filters of 1·9 + 1, 192 of 32·9 + 1, then block 3 and the head as ever
    assert maxout.parameters == 960 + 192 * 289 + 36_928 + 36_928 + 650
    assert maxout.pooling_operations == 96 * 26 * 26 + 192 * 11 * 11 + 28_032
    depthwise = planned(downsample={"operator": "depthwise"})
    assert depthwise.parameters == 93_322 + 4 * (32 + 64)
    assert depthwise.macs == 2_794_240 + 4 * (13 * 13 * 32 + 5 * 5 * 64)
    assert depthwise.pooling_operations == 0
    blurred = planned(downsample={"operator": "max_blur"})
    assert blurred.parameters == 93_322
    # every 2×2 maximum with stride 1, and a 3×3 blur of each output
    assert blurred.pooling_operations == (
        (25 * 25 * 32 + 10 * 10 * 64) * 4 + (13 * 13 * 32 + 5 * 5 * 64) * 9
    )
    # 4 bytes: 26·26·32 twice, 25·25·32, 13·13·32; 11·11·64 twice, 10·10·64, 5·5·64; the rest
    values = 2 * 21_632 + 20_000 + 5_408 + 2 * 7_744 + 6_400 + 1_600 + 3 * 576 + 2 * 64 + 10
    assert blurred.activation_bytes(64) == 4 * 64 * values


def extent(layers: list[nn.Module], shape: tuple[int, ...], at: tuple[int, int]) -> list[range]:
    """From the first to the last row and column of the image from where a NaN reaches an output."""
    seen = []
    for axis in (2, 3):
        reached = []
        for place in range(shape[axis - 1]):
            maps = torch.ones(1, *shape, dtype=torch.float64)
            maps.select(axis, place).fill_(torch.nan)
            for layer in layers:
                maps = layer(maps)
            if maps[0, :, at[0], at[1]].isnan().any():
                reached.append(place)
        seen.append(range(reached[0], reached[-1] + 1))
    return seen


@pytest.mark.parametrize("operator", list(Operator))
def test_receptive_fields_and_jumps_are_what_a_broken_pixel_reaches(operator: Operator) -> None:
    shape = (1, 36, 40)
    config = config_from_mapping(
        {
            "conv": {"kernel_size": [3, 2], "stride": [1, 2]},
            "downsample": {"operator": operator.name, "window": 3},
            "model": {"filters": [3, 2], "downsample_after": [1]},
        }
    )
    network = Network(config, shape).double()
    modules = list(network.children())
    for number, layer in enumerate(network.plan.layers):
        if layer.axes is None:
            continue
        row, column = (size // 2 for size in layer.output_shape[1:])
        run = modules[: number + 1]
        here, there = (extent(run, shape, (row + step, column + step)) for step in (0, 1))
        assert layer.receptive_field == tuple(len(pixels) for pixels in here), layer.name
        assert layer.jump == tuple(
            after.start - before.start for before, after in zip(here, there, strict=True)
        ), layer.name


@st.composite
def sizes(draw: st.DrawFn, least: int, most: tuple[int, int]) -> int | list[int]:
    """One number for both axes, or one for each."""
    height, width = (draw(st.integers(least, end)) for end in most)
    return draw(st.sampled_from([min(height, width), [height, width]]))


@st.composite
def configurations(draw: st.DrawFn) -> dict[str, Any]:
    """Values whose combinations are legal, but for some: whether they fit is another question."""
    kernel_size = draw(sizes(1, (7, 7)))
    least = kernel_size if isinstance(kernel_size, list) else [kernel_size, kernel_size]
    pixels = draw(sizes(0, (least[0] - 1, least[1] - 1)))
    padding = draw(st.sampled_from([*(word.name for word in Padding), pixels]))
    conv = {"kernel_size": kernel_size, "padding": padding, "stride": draw(sizes(1, (3, 3)))}
    if padding not in ("valid", 0, [0, 0]):
        conv["padding_mode"] = draw(st.sampled_from([mode.name for mode in PaddingMode]))
    operator = draw(st.sampled_from(list(Operator)))
    window = draw(st.integers(3 if operator is Operator.weighted else 1, 5))
    downsample = {
        "operator": operator.name,
        "window": window,
        "stride": draw(st.integers(1, 4)),
        "padding": 0 if operator in UNPADDED else draw(st.integers(0, window // 2)),
    }
    if operator in {Operator.all_conv, Operator.conv_pool, Operator.max_blur}:
        downsample["kernel_size"] = draw(st.integers(1, 5))
    if operator is Operator.maxout:
        downsample["pieces"] = draw(st.integers(1, 4))
    filters = draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    model = {
        "filters": filters,
        "downsample_after": [block for block in range(1, len(filters) + 1) if draw(st.booleans())],
        "first_layer": draw(st.sampled_from([layer.name for layer in FirstLayer])),
        "activation": draw(st.sampled_from([activation.name for activation in Activation])),
        "head": draw(st.sampled_from(["flatten", "global_average"])),
        "hidden_units": draw(st.sampled_from([0, 3])),
    }
    return {"conv": conv, "downsample": downsample, "model": model}


def refusal(values: dict[str, Any], shape: tuple[int, int, int]) -> UserError | None:
    """What is said of a configuration that is not taken."""
    try:
        fitting_plan(config_from_mapping(values), shape)
    except UserError as error:
        return error
    return None


def check_words(error: UserError) -> None:
    """A refusal names the key, or else the block, the sizes, the rule and what would fit."""
    said = str(error)
    if isinstance(error, ConfigurationError):
        assert re.match(r"(conv|downsample|model)\.\w+ = ", said)
        return
    assert isinstance(error, GeometryError)
    assert re.match(r"block\d\.\w+: ", said)
    assert re.search(r"\d×\d+ (window|kernel)\b.*\d×\d+ input", said)
    assert "must be at least 1" in said or "can add at most" in said
    assert re.search(r"What fits: \w+\.\w+=|No change of one key makes it fit", said)


@settings(max_examples=400, deadline=None)
@given(
    values=configurations(),
    channels=st.sampled_from([1, 3]),
    height=st.integers(3, 34),
    width=st.integers(3, 34),
)
def test_every_configuration_builds_as_planned_or_is_refused(
    values: dict[str, Any], channels: int, height: int, width: int
) -> None:
    """The plan's sizes, parameters and multiply-accumulates are torch's, and so its refusals."""
    shape = (channels, height, width)
    error = refusal(values, shape)
    if error is not None:
        check_words(error)
        return
    network = Network(config_from_mapping(values), shape).eval()
    maps = torch.zeros(2, *shape)
    with torch.inference_mode():
        for layer, (name, module) in zip(
            network.plan.layers, network.named_children(), strict=True
        ):
            assert name == layer.name.replace(".", "_")
            with FlopCounterMode(display=False) as counted:
                maps = module(maps)
            assert tuple(maps.shape[1:]) == layer.output_shape
            if layer.parameters:  # a flop counter takes a multiply-accumulate for two, of 2 images
                assert counted.get_total_flops() == 2 * 2 * layer.macs
            assert sum(weight.numel() for weight in module.parameters()) == layer.parameters
    assert sum(weight.numel() for weight in network.parameters()) == network.plan.parameters
