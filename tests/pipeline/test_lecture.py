"""The nine slips of docs/lecture.md and its worked examples, on the project's own layers.

Numbers are the slides' or computed by hand. `test_lecture_page` compares the page with the code.
"""

from itertools import product

import pytest
import torch
from torch import Tensor, nn

from convchoice.config.composition import compose_values
from convchoice.config.schema import ConvConfig, Operator, Padding, PaddingMode
from convchoice.config.validation import config_from_mapping
from convchoice.errors import ConfigurationError
from convchoice.evaluation.image_transforms import shifted
from convchoice.evaluation.robustness_curves import network_for
from convchoice.networks.conv_arithmetic import Axes, Axis, convolution_axes
from convchoice.networks.layers import (
    Convolution,
    GlobalAverage,
    MaxOverFilters,
    gaussian_weights,
    pooling,
)
from convchoice.networks.network import Network
from convchoice.networks.plan import Kind, Plan, plan

# Slide "Pooling".
IMAGE = torch.tensor([[2, 3, 1, 9], [4, 7, 3, 5], [8, 2, 2, 2], [1, 3, 4, 5]], dtype=torch.float64)[
    None, None
]
EDGES = torch.tensor([[1, 0, -1]] * 3, dtype=torch.float64)
"""The page's filter for vertical edges."""
EXACT = 1e-12


def convolution(filter_: Tensor, size: int, **config: object) -> Convolution:
    """One filter (f, f), without bias, on one channel of size × size pixels."""
    values = ConvConfig(kernel_size=len(filter_), **config)
    layer = Convolution(1, 1, convolution_axes((size, size), values), values.padding_mode).double()
    nn.init.zeros_(layer.bias)
    with torch.no_grad():
        layer.weight.copy_(filter_[None, None])
    return layer.requires_grad_(requires_grad=False)


def noise(side: int) -> Tensor:
    generator = torch.Generator().manual_seed(4)
    return torch.rand(2, 1, side, side, dtype=torch.float64, generator=generator)


def relative(difference: Tensor, reference: Tensor) -> float:
    return float(difference.norm() / reference.norm())


def planned(*overrides: str) -> Plan:
    return plan(config_from_mapping(compose_values(overrides, "test")))


def test_the_convolution_of_the_page_by_hand():
    # (2 + 4 + 8) − (1 + 3 + 2), (3 + 7 + 2) − (9 + 5 + 2), (4 + 8 + 1) − (3 + 2 + 4),
    # (7 + 2 + 3) − (5 + 2 + 5)
    assert convolution(EDGES, 4)(IMAGE)[0, 0].tolist() == [[8.0, -4.0], [4.0, 0.0]]


def test_the_largest_of_four_turned_filters_is_equivariant_to_quarter_turns():
    """Slide "Pooling and Invariance"."""
    image, generator = noise(9), torch.Generator().manual_seed(1)
    filter_ = torch.rand(3, 3, dtype=torch.float64, generator=generator)
    layers = [convolution(torch.rot90(filter_, turns), 9) for turns in range(4)]

    def largest(images: Tensor) -> Tensor:
        return MaxOverFilters(4)(torch.cat([layer(images) for layer in layers], dim=1))

    def turned(images: Tensor) -> Tensor:
        return torch.rot90(images, 1, (2, 3))

    mean = GlobalAverage()
    assert relative(largest(turned(image)) - turned(largest(image)), image) <= EXACT
    assert relative(mean(largest(turned(image))) - mean(largest(image)), image) <= EXACT
    # One of the filters alone is not equivariant.
    assert relative(layers[0](turned(image)) - turned(layers[0](image)), image) > 0.01


def test_slip_1_the_lower_left_average_is_three_and_a_half():
    windows = Axes(Axis(4, 2, 2), Axis(4, 2, 2))
    assert pooling(Operator.max, windows)(IMAGE)[0, 0].tolist() == [[7, 9], [8, 5]]
    # The slide prints 3.25 for (8 + 2 + 1 + 3) / 4.
    assert pooling(Operator.average, windows)(IMAGE)[0, 0].tolist() == [[4, 4.5], [3.5, 3.25]]


def test_slip_2_equivariance_is_not_invariance():
    """With circular padding, without borders, a convolution is exactly equivariant to shifts."""
    image = noise(8)
    layer = convolution(EDGES, 8, padding=Padding.same, padding_mode=PaddingMode.circular)
    moved, output = torch.roll(image, (2, 1), (2, 3)), layer(image)
    assert relative(layer(moved) - torch.roll(output, (2, 1), (2, 3)), output) <= EXACT
    assert relative(layer(moved) - output, output) > 0.5
    # The mean of the map is invariant.
    mean = nn.Sequential(layer, nn.ReLU(), GlobalAverage())
    assert relative(mean(moved) - mean(image), mean(image)) <= EXACT


@pytest.mark.parametrize("padding", [Padding.valid, Padding.same])
@pytest.mark.parametrize(("stride", "shift"), list(product([1, 2, 3], [1, 2, 3, 4, 6])))
def test_slip_3_a_convolution_is_equivariant_to_multiples_of_its_stride(padding, stride, shift):
    image, cells = noise(36), shift // stride
    layer = convolution(EDGES, 36, padding=padding, stride=stride)
    output = layer(image)
    error = layer(shifted(image, shift, shift)) - shifted(output, cells, cells)
    inside = slice(cells + 1, -1)
    interior = relative(error[..., inside, inside], output)
    assert interior <= EXACT if shift % stride == 0 else interior > 0.1
    if stride < 3:  # otherwise no window crosses the border of the shifted image
        assert relative(error, output) > 0.05


@pytest.mark.parametrize(
    ("head", "sizes"), [("flatten", range(26, 30)), ("global_average", range(18, 60))]
)
def test_slip_4_sizes_that_each_head_accepts(head, sizes):
    config = config_from_mapping({"model": {"head": head}})
    network = Network(config).eval()
    assert [n for n in range(10, 60) if network_for(network, config, n, n)] == list(sizes)
    for size in (sizes[0], sizes[-1]):
        assert network(torch.zeros(1, 1, size, size)).shape == (1, 10)
    if head == "flatten":
        for size in (25, 30):
            with pytest.raises(RuntimeError, match="mat1 and mat2 shapes cannot be multiplied"):
                network(torch.zeros(1, 1, size, size))


@pytest.mark.parametrize("size", [5, 28, 31])
@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5, 6, 7])
def test_slip_5_the_padding_formula_is_for_stride_1_and_odd_filters(size, kernel):
    same = convolution_axes((size, size), ConvConfig(kernel, Padding.same))[0]
    assert same.output == size
    keeping = [pad for pad in range(kernel) if Axis(size, kernel, 1, pad, pad).output == size]
    if kernel % 2:
        assert keeping == [(kernel - 1) // 2] == [same.before] == [same.after]
    else:
        assert keeping == []
        assert (same.before, same.after) == (kernel // 2 - 1, kernel // 2)


def test_slip_6_a_stride_of_2_halves_only_roughly():
    for size, padding, output in ((28, 0, 13), (28, 1, 14), (27, 0, 13)):
        layer = convolution(EDGES, size, stride=2, padding=padding)
        image = torch.ones(1, 1, size, size, dtype=torch.float64)
        assert layer(image).shape[2:] == (output, output)


@pytest.mark.parametrize(
    ("padding", "corner", "edge", "centre"),
    [(Padding.valid, 1, 3, 9), (Padding.same, 4, 6, 9), (Padding.full, 9, 9, 9)],
)
def test_slip_7_padding_makes_the_use_of_pixels_more_equal_not_equal(padding, corner, edge, centre):
    # With weights of 1 the gradient of the outputs' sum counts the outputs that use a pixel.
    image = torch.zeros(1, 1, 5, 5, dtype=torch.float64, requires_grad=True)
    convolution(torch.ones(3, 3), 5, padding=padding)(image).sum().backward()
    assert image.grad is not None
    uses = image.grad[0, 0]
    assert {uses[y, x].item() for y, x in product((0, 4), repeat=2)} == {corner}
    assert {uses[place].item() for place in ((0, 2), (2, 0), (2, 4), (4, 2))} == {edge}
    assert uses[2, 2] == centre


def test_slip_8_pooling_shrinks_the_flatten_head_and_no_convolution():
    def parts(network: Plan) -> tuple[int, int, int]:
        convolutions = [each for each in network.layers if each.kind is Kind.convolution]
        [hidden] = [each for each in network.layers if each.name == "head.hidden"]
        pooled = [each for each in network.layers if each.name.endswith("downsample")]
        assert sum(each.parameters for each in pooled) == 0
        return sum(each.parameters for each in convolutions), *hidden.input_shape, hidden.parameters

    # 9·32 + 32, 32·9·64 + 64, 64·9·64 + 64; then weights and biases of 64 hidden units.
    assert parts(planned("downsample=max")) == (55_744, 576, 576 * 64 + 64)
    assert parts(planned("downsample=none")) == (55_744, 30_976, 30_976 * 64 + 64)


def test_slip_9_a_2x2_weighted_window_is_average_pooling():
    for sigma in (0.1, 1.0, 30.0):
        assert gaussian_weights(2, 2, sigma).flatten().tolist() == [0.25] * 4
        with pytest.raises(ConfigurationError, match="exactly average pooling"):
            planned("downsample=weighted", "downsample.window=2", f"downsample.sigma={sigma}")
