"""Sizes and costs, against the lecture's printed numbers, hand-computed ones, and torch."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from convchoice.configuration import config_from_mapping
from convchoice.errors import UserError
from convchoice.geometry import Axis, GeometryError, Kind, Plan, plan, same_padding
from convchoice.network import Network
from convchoice.schema import Activation, Operator, Padding, PaddingMode


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
    assert [layer.receptive_field for layer in spatial] == [3, 4, 8, 10, 18]
    assert spatial[-1].jump == 4


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


def test_the_formula_shows_its_numbers() -> None:
    assert Axis(28, 3, 1).formula == "⌊(28 + 0 − 3)/1⌋ + 1 = 26"
    assert Axis(13, 3, 2, 0, -2).formula == "⌊(13 − 2 − 3)/2⌋ + 1 = 5"


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding"),
    [
        (5, 3, 1, (1, 1)),  # the lecture's p = (f − 1)/2
        (28, 5, 1, (2, 2)),
        (28, 4, 1, (1, 2)),  # even kernels: Keras puts the odd pixel behind
        (28, 3, 2, (0, 1)),
        (27, 3, 2, (1, 1)),
        (28, 1, 1, (0, 0)),
        (28, 2, 4, (0, 0)),  # a stride beyond the kernel may need none
    ],
)
def test_same_padding_is_keras_padding(
    size: int, kernel: int, stride: int, padding: tuple[int, int]
) -> None:
    assert same_padding(size, kernel, stride) == padding


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


configurations = st.fixed_dictionaries(
    {
        "conv": st.fixed_dictionaries(
            {
                "kernel_size": st.integers(1, 7),
                "stride": st.integers(1, 3),
                "padding": st.sampled_from([padding.name for padding in Padding]),
                "padding_mode": st.sampled_from([mode.name for mode in PaddingMode]),
            }
        ),
        "downsample": st.fixed_dictionaries(
            {
                "operator": st.sampled_from([operator.name for operator in Operator]),
                "window": st.integers(1, 5),
                "stride": st.integers(1, 4),
                "padding": st.integers(0, 2),
                "kernel_size": st.integers(1, 5),
            }
        ),
        "model": st.fixed_dictionaries(
            {
                "filters": st.lists(st.integers(1, 3), min_size=1, max_size=3),
                "downsample_after": st.sampled_from([[], [1], [1, 2], [2], [3]]),
                "activation": st.sampled_from([activation.name for activation in Activation]),
                "head": st.sampled_from(["flatten", "global_average"]),
                "hidden_units": st.sampled_from([0, 3]),
            }
        ),
    }
)


@settings(max_examples=400, deadline=None)
@given(
    values=configurations,
    channels=st.sampled_from([1, 3]),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
)
def test_every_configuration_builds_as_planned_or_is_refused(
    values: dict[str, Any], channels: int, height: int, width: int
) -> None:
    """The plan's sizes, parameters and refusals are torch's."""
    shape = (channels, height, width)
    try:
        config = config_from_mapping(values)
        network = Network(config, shape).eval()
    except UserError:
        return
    maps = torch.zeros(2, *shape)
    by_name = {layer.name.replace(".", "_"): layer for layer in network.plan.layers}
    with torch.inference_mode():
        for name, module in network.named_children():
            maps = module(maps)
            assert tuple(maps.shape[1:]) == by_name[name].output_shape
    assert sum(weight.numel() for weight in network.parameters()) == network.plan.parameters
