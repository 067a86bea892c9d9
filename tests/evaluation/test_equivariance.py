"""Equivariance errors: 0 where theory says 0, not 0 elsewhere, and a naive computation."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from convchoice.config.validation import config_from_mapping
from convchoice.evaluation.equivariance import clean_cells, equivariance_curve, moves
from convchoice.evaluation.image_transforms import shifted
from convchoice.networks.conv_arithmetic import GeometryError
from convchoice.networks.network import Network
from convchoice.networks.plan import plan
from convchoice.networks.receptive_field import spatial_layers
from convchoice.runs.evaluation_files import CurvePoint

EXACT = 1e-12


def points_of(
    values: dict[str, Any], shape: tuple[int, int, int] = (1, 28, 28)
) -> tuple[dict[tuple[str, str, float], CurvePoint], Network, Tensor]:
    config = config_from_mapping(values)
    network = Network(config, shape).eval()
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (6, *shape[1:]), dtype=torch.uint8, generator=generator)
    points = list(equivariance_curve(network, images))
    found = {(point.kind, point.layer, point.value): point for point in points}
    assert len(found) == len(points)
    return found, network, images


SHAPES = {
    "lecture": {},
    "same": {"conv": {"padding": "same"}},
    "full": {"conv": {"padding": "full", "padding_mode": "reflect"}},
    "even kernel": {"conv": {"padding": "same", "kernel_size": 4}},
    "strided": {"downsample": {"operator": "strided"}},
    "all_conv": {"downsample": {"operator": "all_conv"}, "conv": {"padding": "same"}},
    "4×4 average": {"downsample": {"operator": "average", "window": 4, "padding": 1}},
    "weighted": {"downsample": {"operator": "weighted", "window": 3, "padding": 1}},
    "rectangular kernel": {"conv": {"kernel_size": [3, 4]}},
    "by three": {"downsample": {"window": 3, "stride": 3}, "conv": {"padding": "same"}},
}


@pytest.mark.parametrize("values", SHAPES.values(), ids=SHAPES)
def test_a_shift_by_whole_cells_has_no_interior_error(values):
    points, *_ = points_of(values)
    shifts = [point for point in points.values() if point.kind == "translation"]
    whole = [point for point in shifts if point.value % (point.jump_pixels or 1) == 0]
    assert {point.value for point in shifts} >= {1, 2, 3, 4}
    measured = [point.error_interior for point in whole if point.error_interior is not None]
    assert len(measured) >= len(whole) / 2
    assert max(measured) <= EXACT
    # The border's share is there, and cells that do not divide the shift cannot follow it.
    assert all(point.error_whole is not None and point.error_whole > 1e-3 for point in whole)
    part = [point for point in shifts if point.value % (point.jump_pixels or 1)]
    assert min(point.error_interior for point in part if point.error_interior is not None) > 0.01


def test_a_convolution_is_equivariant_to_rotation_and_scale_only_with_symmetric_weights():
    points, *_ = points_of({})
    for kind, value in (("rotation", 90), ("scale", 0.8), ("scale", 1.2)):
        assert (points[kind, "block1.convolution", value].error_interior or 0) > 0.05
    config = config_from_mapping({"model": {"filters": [3], "downsample_after": []}})
    network = Network(config, (1, 12, 12)).eval()
    weight = network.get_submodule("block1_convolution").weight
    with torch.no_grad():
        weight.copy_(sum(torch.rot90(weight, turns, (2, 3)) for turns in range(4)) / 4)  # type: ignore[operator, arg-type]
    images = torch.randint(0, 256, (3, 12, 12), dtype=torch.uint8)
    turned = [each for each in equivariance_curve(network, images) if each.kind == "rotation"]
    # The weights are float32: averaging four of them leaves their last digits unequal.
    assert all(point.error_whole is not None and point.error_whole < 1e-6 for point in turned)
    assert len(turned) == 2


def test_the_error_on_the_whole_map_by_a_naive_computation():
    points, network, images = points_of({"conv": {"padding": "same"}})
    pixels = images[:, None].double() / 255
    first = network.double().get_submodule("block1_convolution")
    rest = torch.nn.Sequential(*list(network.children())[:3])
    with torch.inference_mode():
        for name, layer, jump in (("convolution", first, 1), ("downsample", rest, 2)):
            for pixels_moved in (1, 2, 3):
                cells = math.floor(pixels_moved / jump + 0.5)
                off = layer(shifted(pixels, pixels_moved, pixels_moved)) - shifted(
                    layer(pixels), cells, cells
                )
                expected = float(off.norm() / layer(pixels).norm())
                measured = points["translation", f"block1.{name}", pixels_moved].error_whole
                assert measured == pytest.approx(expected, rel=1e-5)  # pixels are float32 / 255


@settings(max_examples=60)
@given(
    kernel=st.integers(1, 5),
    padding=st.sampled_from(["valid", "same", "full"]),
    operator=st.sampled_from(["max", "strided", "all_conv"]),
    window=st.integers(2, 3),
    side=st.integers(14, 24),
    first=st.integers(0, 4),
)
def test_clean_cells_are_those_that_no_other_pixel_changes(
    kernel, padding, operator, window, side, first
):
    """Changing everything outside the interval, padding included, does not change a clean cell."""
    config = config_from_mapping(
        {
            "conv": {"kernel_size": kernel, "padding": padding},
            "downsample": {"operator": operator, "window": window, "stride": window},
            "model": {"filters": [2, 2], "activation": "none", "downsample_after": [1]},
        }
    )
    try:
        layers = spatial_layers(plan(config, (1, side, side)).layers)
    except GeometryError:
        return
    network = Network(config, (1, side, side)).double().eval()
    last = side - 2
    generator = torch.Generator().manual_seed(side)
    image = torch.rand(1, 1, side, side, dtype=torch.float64, generator=generator)
    other = image.clone()
    outside = torch.ones(side, dtype=torch.bool)
    outside[first : last + 1] = False
    other[:, :, outside] += 5
    cells = clean_cells(layers, 0, (first, last))
    with torch.inference_mode():
        for layer, (low, high) in zip(layers, cells, strict=True):
            module = network.get_submodule(layer.name.replace(".", "_"))
            image, other = module(image), module(other)
            same = (image == other).all(dim=3).all(dim=1)[0]
            assert bool(same[max(low, 0) : high + 1].all())


def test_padding_behind_a_strided_convolution_that_crops_is_not_clean():
    """14 pixels, stride 3: cells 0 … 3 see pixels up to 10, 11 to 13 are cropped, and no cell 4."""
    config = config_from_mapping(
        {
            "conv": {"kernel_size": 3, "padding": "same"},
            "downsample": {"operator": "strided", "window": 3, "stride": 3},
            "model": {"filters": [2, 2], "activation": "none", "downsample_after": [1]},
        }
    )
    layers = spatial_layers(plan(config, (1, 14, 14)).layers)
    assert [layer.axes.height.after for layer in layers if layer.axes] == [-3, 1]
    # Cell 0 of the first layer sees padding; cell 3 of the second one reads the padding behind it.
    assert clean_cells(layers, 0, (0, 13)) == [(1, 3), (2, 2)]


def test_the_transforms_follow_from_the_image_and_the_jumps():
    def kinds(values: dict[str, Any], height: int, width: int) -> list[tuple[str, float]]:
        layers = spatial_layers(plan(config_from_mapping(values), (1, height, width)).layers)
        return [(move.kind, move.value) for move in moves(layers)]

    shifts = [("translation", pixels) for pixels in (1, 2, 3, 4)]
    scales = [("scale", 0.8), ("scale", 1.2)]
    assert kinds({}, 28, 28) == [*shifts, ("rotation", 90), *scales]
    assert kinds({}, 28, 32) == [*shifts, *scales]  # a quarter turn needs a square
    assert kinds({"conv": {"kernel_size": [3, 4]}}, 28, 28) == [*shifts, *scales]  # in every map
    by_three = {"downsample": {"window": 3, "stride": 3}, "conv": {"padding": "same"}}
    assert ("translation", 9) in kinds(by_three, 40, 40)
    assert ("translation", 9) not in kinds(by_three, 28, 28)


def test_a_map_without_an_interior_and_blank_images_have_no_error():
    # At 14 pixels the last maps are so small that every cell sees a border of a shifted image.
    points, network, _ = points_of({"conv": {"padding": "same"}}, (1, 14, 14))
    last = points["translation", "block3.convolution", 4]
    assert last.error_interior is None
    assert last.error_whole is not None
    for point in equivariance_curve(network, torch.zeros(2, 14, 14, dtype=torch.uint8)):
        assert (point.error_interior, point.error_whole) == (None, None)
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}
