"""The explorer's arithmetic, run by Node, against the networks' layers."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from convchoice.config.field_types import from_mapping, plain_values
from convchoice.config.schema import (
    Config,
    ConvConfig,
    DownsampleConfig,
    Operator,
    Padding,
    PaddingMode,
)
from convchoice.config.validation import block_rules
from convchoice.errors import ConfigurationError
from convchoice.networks.conv_arithmetic import (
    Axes,
    GeometryError,
    check_fit,
    convolution_axes,
    pooling_axes,
)
from convchoice.networks.layers import Convolution, binomial_weights, gaussian_weights, pooling
from node import computed

Settings = dict[str, Any]
Run = Callable[[str, Any], Any]

SIZES = ((1, 4), (4, 3), (7, 9))
PADS: tuple[tuple[str, int], ...] = (
    ("valid", 0), ("same", 0), ("full", 0), ("pixels", 0), ("pixels", 1), ("pixels", 2),
)  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A function from an expression over `sums` and `given` to its value."""
    return lambda expression, given: computed(
        ["explorer_arithmetic"],
        f"(sums => {expression})(explorerArithmetic)",
        tmp_path,
        given=given,
    )


def grid() -> list[Settings]:
    """All combinations of sizes, kernels, strides and paddings, with each operator."""
    laid = itertools.product(SIZES, range(1, 6), range(1, 3), PADS)
    settings: list[Settings] = []
    for (height, width), kernel, stride, (padding, pixels) in laid:
        numbers = {
            "height": height, "width": width, "kernel": kernel, "stride": stride,
            "padding": padding, "pixels": pixels, "sigma": 0.8, "mode": "zeros",
        }  # fmt: skip
        modes = ["zeros"] if padding == "valid" else [mode.value for mode in PaddingMode]
        settings += [{**numbers, "operator": "convolution", "mode": mode} for mode in modes]
        if padding in {"valid", "pixels"}:
            settings += [
                {**numbers, "operator": operator}
                for operator in ("max", "average", "weighted", "l2")
            ]
    return settings


def filled(settings: Settings, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """An input and weights of both signs, so that a 0 in the padding would be the maximum."""
    generator = torch.Generator().manual_seed(seed)
    shape, kernel = (settings["height"], settings["width"]), settings["kernel"]
    image = torch.randn(shape, generator=generator, dtype=torch.float64) - 0.5
    return image, torch.randn((kernel, kernel), generator=generator, dtype=torch.float64)


def checked_blocks(config: Config) -> Config:
    config = from_mapping(Config, plain_values(config), "")
    for key, rule in block_rules(config):
        raise ConfigurationError(key, None, rule)
    return config


def project_axes(settings: Settings) -> Axes:
    """The layout by the rules of the networks, with their errors."""
    sizes = settings["height"], settings["width"]
    pixels = settings["pixels"] if settings["padding"] == "pixels" else 0
    kernel, stride = settings["kernel"], settings["stride"]
    if settings["operator"] == "convolution":
        word = settings["padding"]
        padding = pixels if word == "pixels" else Padding[word]
        conv = ConvConfig(kernel, padding, PaddingMode[settings["mode"]], stride)
        conv = checked_blocks(Config(conv=conv)).conv
        axes = convolution_axes(sizes, conv)
        check_fit("window", axes, conv.padding_mode)
        return axes
    downsample = DownsampleConfig(Operator[settings["operator"]], kernel, stride, pixels)
    checked_blocks(Config(downsample=downsample))
    axes = pooling_axes(sizes, downsample)
    check_fit("window", axes)
    return axes


def project_output(
    settings: Settings, axes: Axes, image: torch.Tensor, weights: torch.Tensor
) -> torch.Tensor:
    maps = image[None, None]
    if settings["operator"] == "convolution":
        layer = Convolution(1, 1, axes, PaddingMode[settings["mode"]]).double()
        with torch.no_grad():
            layer.weight.copy_(weights[None, None])
            assert layer.bias is not None
            layer.bias.zero_()
            return layer(maps)[0, 0]
    made: torch.Tensor = pooling(Operator[settings["operator"]], axes, settings["sigma"])(maps)
    return made[0, 0]


WORK_OUT = """given.map(({ settings, image }) => {
  const problem = sums.refusal(settings);
  if (problem) return {
    refusal: problem.text,
    suggestions: sums.suggestions(settings).map(
      ({ changes }) => sums.refusal({ ...settings, ...changes })),
  };
  const axes = sums.layOut(settings);
  return {
    axes: axes.map(({ before, after, output }) => [before, after, output]),
    formulas: axes.map(sums.formula), left: axes.map(sums.leftOver),
    output: sums.outputMap(image, settings),
  };
})"""


def test_sizes_outputs_and_messages_equal_the_networks(run):
    every = grid()
    inputs = [filled(settings, seed) for seed, settings in enumerate(every)]
    given = [
        {"settings": {**settings, "weights": weights.tolist()}, "image": image.tolist()}
        for settings, (image, weights) in zip(every, inputs, strict=True)
    ]
    valid = 0
    for settings, (image, weights), ours in zip(every, inputs, run(WORK_OUT, given), strict=True):
        if "refusal" in ours:
            with pytest.raises((ConfigurationError, GeometryError)) as refused:
                project_axes(settings)
            assert ours["refusal"] in str(refused.value), settings
            # There are suggestions, and each one is valid.
            assert ours["suggestions"], settings
            assert set(ours["suggestions"]) == {None}, settings
            continue
        axes = project_axes(settings)
        valid += 1
        assert ours["axes"] == [[each.before, each.after, each.output] for each in axes]
        assert ours["formulas"] == [each.formula for each in axes]
        for axis, left in zip(axes, ours["left"], strict=True):
            last = (axis.output - 1) * axis.stride - axis.before + axis.kernel - 1
            assert left == max(0, axis.size - 1 - last)
        output = torch.tensor(ours["output"], dtype=torch.float64)
        expected = project_output(settings, axes, image, weights)
        torch.testing.assert_close(output, expected, msg=str(settings))
    assert 400 < valid < len(every) - 150


def test_numbers_out_of_range_name_their_field(run):
    settings = {
        "operator": "convolution", "height": 8, "width": 9, "kernel": 3, "stride": 1,
        "padding": "valid", "pixels": 1, "mode": "zeros", "sigma": 1,
    }  # fmt: skip
    wrong = [
        ({"height": None}, "height"), ({"width": 29}, "width"), ({"kernel": 0}, "kernel"),
        ({"kernel": 2.5}, "kernel"), ({"stride": 0}, "stride"),
        ({"padding": "pixels", "pixels": -1}, "pixels"),
        ({"operator": "weighted", "sigma": 0}, "sigma"),
    ]  # fmt: skip
    both = "given.map(s => [sums.refusal(s).field, sums.suggestions(s).map(each => each.changes)])"
    found = run(both, [{**settings, **changes} for changes, _ in wrong])
    for (_, field), (named, suggestions) in zip(wrong, found, strict=True):
        assert named == field
        assert any(field in each for each in suggestions)


def test_the_filters_by_hand_and_the_projects_weights(run):
    names = "Object.entries(sums.FILTERS).map(([name, made]) => [name, given.map(made)])"
    made = {name: dict(enumerate(sizes, 1)) for name, sizes in run(names, list(range(1, 8)))}
    vertical, horizontal = made["vertical edges"], made["horizontal edges"]
    assert vertical[3] == [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]  # Sobel's
    assert vertical[2] == [[-1, 1], [-1, 1]]
    assert vertical[4][0] == [-1, -1, 1, 1]
    assert made["outline"][3] == [[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]]
    assert made["sharpen"][2] == [[4, -1], [-1, -1]]
    gaussians = run("given.map(size => sums.gaussian(size, 1.3))", list(range(1, 8)))
    for size in range(1, 8):
        assert np.array_equal(vertical[size], np.transpose(horizontal[size]))
        assert np.sum(vertical[size]) == 0
        np.testing.assert_allclose(made["mean"][size], np.full((size, size), 1 / size**2))
        np.testing.assert_allclose(made["blur"][size], binomial_weights(size, size))
        expected = gaussian_weights(size, size, 1.3).flatten()
        np.testing.assert_allclose(gaussians[size - 1], expected)
