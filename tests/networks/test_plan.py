"""Sizes, costs and suggestions: the lecture's numbers, hand-computed ones, and torch's."""

import re
from typing import Any

import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from convchoice.config.schema import Activation, FirstLayer, Operator, Padding, PaddingMode
from convchoice.config.validation import UNPADDED, config_from_mapping, config_to_mapping
from convchoice.errors import ConfigurationError, UserError
from convchoice.networks.conv_arithmetic import GeometryError
from convchoice.networks.geometry_suggestions import fitting_plan, what_fits
from convchoice.networks.network import Network
from convchoice.networks.plan import Kind, Plan, plan
from made_up_runs import values_of


def planned(input_shape: tuple[int, int, int] = (1, 28, 28), **values: Any) -> Plan:
    return plan(config_from_mapping(values), input_shape)


def outputs(of: Plan, kind: Kind) -> list[tuple[int, ...]]:
    return [layer.output_shape for layer in of.layers if layer.kind is kind]


def test_lecture_network_has_the_printed_sizes():
    network = planned()
    assert (network.parameters, network.macs) == (93_322, 2_794_240)
    assert outputs(network, Kind.convolution) == [(32, 26, 26), (64, 11, 11), (64, 3, 3)]
    assert outputs(network, Kind.pooling) == [(32, 13, 13), (64, 5, 5)]
    assert outputs(network, Kind.flatten) == [(576,)]
    # 13·13·32 and 5·5·64 windows of 2×2 pixels each
    assert network.pooling_operations == (13 * 13 * 32 + 5 * 5 * 64) * 4
    spatial = [layer for layer in network.layers if layer.axes is not None]
    fields = [layer.receptive_field for layer in spatial]
    assert fields == [(side, side) for side in (3, 4, 8, 10, 18)]
    assert spatial[-1].jump == (4, 4)
    assert planned(downsample={"operator": "none"}).parameters == 2_038_922


@pytest.mark.parametrize(
    ("operator", "window", "padding"),
    [
        *[(name, 2, 0) for name in ("strided", "all_conv", "conv_pool", "max_blur", "maxout")],
        *[(name, 4, 1) for name in ("max", "average", "weighted", "l2", "depthwise", "max_blur")],
    ],
)
def test_every_operator_has_the_grid_of_pooling(operator, window, padding):
    network = planned(downsample={"operator": operator, "window": window, "padding": padding})
    grids = [layer.output_shape[1:] for layer in network.layers if layer.axes is not None]
    assert (13, 13) in grids
    assert (5, 5) in grids
    assert outputs(network, Kind.flatten) == [(576,)]


SMALL = "⌊({} + 0 − {})/1⌋ + 1 = {}, and a size must be at least 1."
REFLECT = "conv.padding=full conv.padding_mode=reflect downsample.window=9 downsample.stride=5"


@pytest.mark.parametrize(
    ("settings", "layer", "message"),
    [
        ("conv.kernel_size=7", "block3.convolution",
         f"a 7×7 window does not fit its 2×2 input: {SMALL.format(2, 7, -4)}"),
        ("conv.kernel_size=[3,9]", "block3.convolution",
         f"a 3×9 window does not fit its 5×1 input along the width: {SMALL.format(1, 9, -7)}"),
        (f"{REFLECT} conv.kernel_size=9", "block2.convolution",
         ("padding_mode=reflect can add at most 5 pixels to an axis of 6, but a 9×9 kernel on a"
          " 6×6 input needs 8.")),
    ],
)  # fmt: skip
def test_errors_contain_the_layer_the_sizes_and_the_rule(settings, layer, message):
    with pytest.raises(GeometryError) as refused:
        planned(**values_of(settings))
    assert str(refused.value) == f"{layer}: {message}"


def test_costs_of_the_operators_by_hand():
    strided = planned(downsample={"operator": "strided"})
    assert strided.parameters == 93_322
    # 13·13·32·9 + 5·5·64·32·9 + 3·3·64·64·9 + 576·64 + 64·10
    assert strided.macs == 48_672 + 460_800 + 331_776 + 36_864 + 640
    control = planned(downsample={"operator": "conv_pool"})
    assert control.parameters == planned(downsample={"operator": "all_conv"}).parameters == 139_498
    # At full resolution 26·26·32·32·9 + 11·11·64·64·9 more than max pooling's network.
    assert control.macs == 2_794_240 + 6_230_016 + 4_460_544
    assert control.pooling_operations == 28_032
    maxout = planned(downsample={"operator": "maxout"})
    # 96 filters of 1·9 + 1, 192 of 32·9 + 1, then block 3 and the head unchanged
    assert maxout.parameters == 960 + 192 * 289 + 36_928 + 36_928 + 650
    assert maxout.pooling_operations == 96 * 26 * 26 + 192 * 11 * 11 + 28_032
    depthwise = planned(downsample={"operator": "depthwise"})
    assert depthwise.parameters == 93_322 + 4 * (32 + 64)
    assert depthwise.macs == 2_794_240 + 4 * (13 * 13 * 32 + 5 * 5 * 64)
    assert depthwise.pooling_operations == 0
    blurred = planned(downsample={"operator": "max_blur"})
    assert blurred.parameters == 93_322
    # Every 2×2 maximum with stride 1, and a 3×3 blur per output.
    assert blurred.pooling_operations == (
        (25 * 25 * 32 + 10 * 10 * 64) * 4 + (13 * 13 * 32 + 5 * 5 * 64) * 9
    )
    # 4 bytes: 26·26·32 twice, 25·25·32, 13·13·32; 11·11·64 twice, 10·10·64, 5·5·64; the rest
    values = 2 * 21_632 + 20_000 + 5_408 + 2 * 7_744 + 6_400 + 1_600 + 3 * 576 + 2 * 64 + 10
    assert blurred.activation_bytes(64) == 4 * 64 * values


@st.composite
def sizes(draw: st.DrawFn, least: int, most: tuple[int, int]) -> int | list[int]:
    """One number for both axes, or one for each."""
    height, width = (draw(st.integers(least, end)) for end in most)
    return draw(st.sampled_from([min(height, width), [height, width]]))


@st.composite
def configurations(draw: st.DrawFn) -> dict[str, Any]:
    """Values that are mostly legal; whether the layers fit is another question."""
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


def check_message(error: UserError) -> None:
    """An error names the key, or else the layer, the sizes, the rule and what would fit."""
    message = str(error)
    if isinstance(error, ConfigurationError):
        assert re.match(r"(conv|downsample|model)\.\w+ = ", message)
        return
    assert isinstance(error, GeometryError)
    assert re.match(r"block\d\.\w+: ", message)
    assert re.search(r"\d×\d+ (window|kernel)\b.*\d×\d+ input", message)
    assert "must be at least 1" in message or "can add at most" in message
    assert re.search(r"What fits: \w+\.\w+=|No change of one key makes it fit", message)


@settings(max_examples=120, deadline=None)
@given(
    values=configurations(),
    shape=st.tuples(st.sampled_from([1, 3]), st.integers(3, 34), st.integers(3, 34)),
)
def test_every_configuration_builds_as_planned_or_is_refused(values, shape):
    """The plan's sizes, parameters and multiply-accumulates equal torch's."""
    try:
        config = config_from_mapping(values)
        fitting_plan(config, shape)
    except UserError as error:
        check_message(error)
        return
    assert config_from_mapping(yaml.safe_load(yaml.safe_dump(config_to_mapping(config)))) == config
    network = Network(config, shape).eval()
    maps = torch.zeros(2, *shape)
    with torch.inference_mode():
        for layer, (name, module) in zip(
            network.plan.layers, network.named_children(), strict=True
        ):
            assert name == layer.name.replace(".", "_")
            with FlopCounterMode(display=False) as counted:
                maps = module(maps)
            assert tuple(maps.shape[1:]) == layer.output_shape
            if layer.parameters:  # two FLOPs per multiply-accumulate, two images
                assert counted.get_total_flops() == 2 * 2 * layer.macs
            assert sum(weight.numel() for weight in module.parameters()) == layer.parameters
    assert sum(weight.numel() for weight in network.parameters()) == network.plan.parameters


@pytest.mark.parametrize(
    ("settings", "fits"),
    [
        ("conv.kernel_size=7",
         "conv.kernel_size=4 conv.padding=same downsample.stride=1 model.downsample_after=[]"),
        ("conv.kernel_size=[3,12]", "conv.kernel_size=[3,4] conv.padding=same"),
        ("conv.stride=[1,3]",
         "conv.kernel_size=1 conv.padding=same conv.stride=1 model.downsample_after=[]"),
        ("downsample.operator=weighted downsample.window=20 downsample.padding=1",
         "downsample.window=7 model.downsample_after=[1]"),
        # A kernel of 2 or less fits, but would be smaller than the padding; so would a window of 2,
        # which is not weighted pooling. Weighting has no effect without downsampling.
        ("conv.padding=2 downsample.operator=weighted downsample.window=40",
         "downsample.window=12"),
        # The largest sizes that a configuration may have.
        ("conv.kernel_size=256", "conv.kernel_size=4 conv.padding=same"),
        ("downsample.window=256", "downsample.window=5"),
        ("conv.stride=256", "conv.stride=1"),
        ("conv.kernel_size=[256,256] conv.padding=[248,3]", "conv.padding=same"),
    ],
)  # fmt: skip
def test_suggestions_are_the_nearest_values_that_fit(settings, fits):
    config, overrides = config_from_mapping(values_of(settings)), fits.split()
    assert what_fits(config) == overrides
    for override in overrides:
        [(group, values)] = values_of(override).items()
        complete = config_to_mapping(config)
        plan(config_from_mapping({**complete, group: complete[group] | values}))
    with pytest.raises(GeometryError, match=re.escape(f"What fits: {overrides[0]}")):
        fitting_plan(config)
