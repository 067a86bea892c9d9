"""What docs/lecture.md says of the slides, shown on the project's own layers.

The slides' worked examples, then their nine slips with the right values. Numbers are the slides' or
worked by hand; `test_lecture_page` compares the page with the code.
"""

from itertools import product

import pytest
import torch
from torch import Tensor, nn

from convchoice.config.composition import compose_values
from convchoice.config.schema import ConvConfig, Operator, Padding, PaddingMode
from convchoice.config.validation import config_from_mapping
from convchoice.data.image_transforms import shifted
from convchoice.errors import ConfigurationError
from convchoice.evaluation.equivariance import equivariance_curve
from convchoice.evaluation.input_size import network_for
from convchoice.networks.conv_arithmetic import Axes, Axis, convolution_axes
from convchoice.networks.layers import Convolution, GlobalAverage
from convchoice.networks.network import Network
from convchoice.networks.plan import Kind, Plan, plan
from convchoice.networks.pooling import MaxOverFilters, gaussian_weights, pooling

# Slide "Pooling".
IMAGE = torch.tensor([[2, 3, 1, 9], [4, 7, 3, 5], [8, 2, 2, 2], [1, 3, 4, 5]], dtype=torch.float64)[
    None, None
]
MAXIMA = [[7.0, 9.0], [8.0, 5.0]]
PRINTED_AVERAGES = [[4.0, 4.5], [3.25, 3.25]]
RIGHT_AVERAGES = [[4.0, 4.5], [3.5, 3.25]]
EDGES = torch.tensor([[1, 0, -1]] * 3, dtype=torch.float64)
"""A filter that looks for vertical edges; the page convolves the slide's image with it."""
EXACT = 1e-12


def convolution(filter_: Tensor, size: int, **config: object) -> Convolution:
    """One filter (f, f), without bias, on one channel of size × size pixels."""
    laid = ConvConfig(kernel_size=len(filter_), **config)
    layer = Convolution(1, 1, *convolution_axes((size, size), laid), laid.padding_mode).double()
    with torch.no_grad():
        layer.weight.copy_(filter_[None, None])
        assert layer.bias is not None
        layer.bias.zero_()
    return layer.requires_grad_(requires_grad=False)


def pooled(operator: Operator) -> list[list[float]]:
    """The slide's image in 2×2 windows with stride 2."""
    axes = Axes(Axis(4, 2, 2), Axis(4, 2, 2))
    values: list[list[float]] = pooling(operator, axes)(IMAGE)[0, 0].tolist()
    return values


def noise(side: int) -> Tensor:
    source = torch.Generator().manual_seed(4)
    return torch.rand(2, 1, side, side, dtype=torch.float64, generator=source)


def lecture(*overrides: str) -> Plan:
    return plan(config_from_mapping(compose_values(overrides, "test")))


# --- worked examples -------------------------------------------------------------------------


def test_the_page_convolves_its_image_by_hand() -> None:
    # (2 + 4 + 8) − (1 + 3 + 2), (3 + 7 + 2) − (9 + 5 + 2), (4 + 8 + 1) − (3 + 2 + 4),
    # (7 + 2 + 3) − (5 + 2 + 5)
    by_hand = [[8.0, -4.0], [4.0, 0.0]]
    assert convolution(EDGES, 4)(IMAGE)[0, 0].tolist() == by_hand
    # Flipped, as mathematicians convolve, it would have the other sign.
    flipped = convolution(EDGES.flip(0, 1), 4)(IMAGE)[0, 0]
    assert torch.equal(flipped, -torch.tensor(by_hand, dtype=torch.float64))


def test_patches_become_vectors_and_vectors_a_map() -> None:
    """Each patch of the image cut out by hand, flattened, multiplied, put back in its place."""
    layer = convolution(EDGES, 4)
    vectors = torch.stack(
        [IMAGE[0, 0, row : row + 3, column : column + 3].flatten()
         for row, column in product(range(2), range(2))]
    )  # fmt: skip
    assert vectors[0].tolist() == [2, 3, 1, 4, 7, 3, 8, 2, 2]
    assert torch.equal(layer(IMAGE)[0, 0], (vectors @ EDGES.flatten()).reshape(2, 2))


def test_a_five_by_five_image_leaves_three_by_three_and_with_a_border_five_by_five() -> None:
    """Slides "Valid Padding" and "Same Padding"."""
    image = torch.ones(1, 1, 5, 5, dtype=torch.float64)
    assert convolution(EDGES, 5)(image).shape[2:] == (3, 3)
    assert convolution(EDGES, 5, padding=1)(image).shape[2:] == (5, 5)
    assert convolution(EDGES, 5, padding=Padding.same)(image).shape[2:] == (5, 5)


def test_the_slides_pooled_values() -> None:
    assert pooled(Operator.max) == MAXIMA
    assert pooled(Operator.average) == RIGHT_AVERAGES


def test_the_largest_of_four_turned_filters_follows_quarter_turns() -> None:
    """Slide "Pooling and Invariance": exact where the filters are one filter's quarter turns."""
    image, source = noise(9), torch.Generator().manual_seed(1)
    one = torch.rand(3, 3, dtype=torch.float64, generator=source)
    turned_image = torch.rot90(image, 1, (2, 3))
    filters = [convolution(torch.rot90(one, turns), 9) for turns in range(4)]

    def largest(images: Tensor) -> Tensor:
        return MaxOverFilters(4)(torch.cat([layer(images) for layer in filters], dim=1))

    expected = torch.rot90(largest(image), 1, (2, 3))
    torch.testing.assert_close(largest(turned_image), expected, rtol=EXACT, atol=EXACT)
    mean = GlobalAverage()
    torch.testing.assert_close(
        mean(largest(turned_image)), mean(largest(image)), rtol=EXACT, atol=EXACT
    )
    # A single one of the filters does neither.
    alone = filters[0](turned_image) - torch.rot90(filters[0](image), 1, (2, 3))
    assert alone.norm() > 0.01 * filters[0](image).norm()


# --- the nine slips --------------------------------------------------------------------------


def test_slip_1_the_lower_left_average_is_three_and_a_half() -> None:
    averages = pooled(Operator.average)
    assert averages[1][0] == (8 + 2 + 1 + 3) / 4 == 3.5
    printed = [value for row in (*MAXIMA, *PRINTED_AVERAGES) for value in row]
    ours = [value for row in (*pooled(Operator.max), *averages) for value in row]
    wrong = [place for place in range(8) if ours[place] != printed[place]]
    assert wrong == [6]  # the lower left average; the other seven are right


def test_slip_2_equivariance_is_not_invariance() -> None:
    """On a torus, where there is no border, a convolution is exactly the one and not the other."""
    image = noise(8)
    layer = convolution(EDGES, 8, padding=Padding.same, padding_mode=PaddingMode.circular)
    moved = torch.roll(image, (2, 1), (2, 3))
    made = layer(image)
    equivariance = (layer(moved) - torch.roll(made, (2, 1), (2, 3))).norm() / made.norm()
    invariance = (layer(moved) - made).norm() / made.norm()
    assert equivariance <= EXACT
    assert invariance > 0.5
    # The mean of the map is invariant.
    mean = nn.Sequential(layer, nn.ReLU(), GlobalAverage())
    assert (mean(moved) - mean(image)).norm() / mean(image).norm() <= EXACT


def test_slip_3_a_border_breaks_equivariance() -> None:
    image = noise(12)
    for padding in (Padding.valid, Padding.same):
        layer = convolution(EDGES, 12, padding=padding)
        off = layer(shifted(image, 1, 1)) - shifted(layer(image), 1, 1)
        assert off.norm() > 0.1 * layer(image).norm()
        assert off[:, :, 2:-2, 2:-2].norm() <= EXACT * layer(image).norm()


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_slip_3_a_stride_follows_only_the_shifts_that_it_divides(stride: int) -> None:
    config = config_from_mapping(
        {"conv": {"stride": stride}, "model": {"filters": [4], "downsample_after": []}}
    )
    network = Network(config).eval()
    images = (noise(28)[:, 0] * 255).to(torch.uint8)
    points = [
        point
        for point in equivariance_curve(network, images)
        if point.kind == "translation" and point.layer == "block1.convolution"
    ]
    assert {point.value for point in points} >= {1, 2, 3, 4}
    for point in points:
        assert point.error_interior is not None
        if point.value % stride == 0:
            assert point.error_interior <= EXACT
        else:
            assert point.error_interior > 0.05


def test_slip_4_the_flatten_head_takes_26_to_29_pixels() -> None:
    config = config_from_mapping({})
    network = Network(config).eval()
    taken = [side for side in range(10, 60) if network_for(network, config, side, side)]
    assert taken == [26, 27, 28, 29]
    for side in taken:
        assert network(torch.zeros(1, 1, side, side)).shape == (1, 10)
    for side in (25, 30):
        with pytest.raises(RuntimeError, match="mat1 and mat2 shapes cannot be multiplied"):
            network(torch.zeros(1, 1, side, side))


def test_slip_4_a_global_average_takes_18_pixels_and_more() -> None:
    config = config_from_mapping({"model": {"head": "global_average"}})
    network = Network(config).eval()
    taken = [side for side in range(10, 60) if network_for(network, config, side, side)]
    assert taken == list(range(18, 60))  # 18 is what an output of the last convolution sees
    assert network(torch.zeros(1, 1, 56, 18)).shape == (1, 10)


@pytest.mark.parametrize("size", [5, 28, 31])
def test_slip_5_the_padding_formula_is_for_stride_1_and_odd_filters(size: int) -> None:
    for kernel in (1, 3, 5, 7):
        pad = (kernel - 1) // 2
        assert Axis(size, kernel, 1, pad, pad).output == size
        same = convolution_axes((size, size), ConvConfig(kernel, Padding.same))[0]
        assert (same.before, same.after) == (pad, pad)
        # With a stride the size is not kept.
        assert kernel == 1 or Axis(size, kernel, 2, pad, pad).output < size
    for kernel in (2, 4, 6):
        # (f − 1)/2 is no whole number, and neither neighbour keeps the size.
        outputs = [Axis(size, kernel, 1, pad, pad).output for pad in range(kernel)]
        assert size not in outputs
        same = convolution_axes((size, size), ConvConfig(kernel, Padding.same))[0]
        assert (same.before, same.after) == (kernel // 2 - 1, kernel // 2)
        assert same.output == size


def test_slip_6_a_stride_of_2_halves_only_roughly() -> None:
    image = torch.ones(1, 1, 28, 28, dtype=torch.float64)
    assert convolution(EDGES, 28, stride=2)(image).shape[2:] == (13, 13)  # ⌊25/2⌋ + 1
    assert convolution(EDGES, 28, stride=2, padding=1)(image).shape[2:] == (14, 14)
    smaller = image[..., :27, :27]
    assert convolution(EDGES, 27, stride=2)(smaller).shape[2:] == (13, 13)  # as of 28


def pixel_uses(padding: Padding) -> Tensor:
    """How many outputs of a 3×3 convolution use each pixel of a 5×5 image.

    With weights of 1 that is the gradient of the sum of the outputs.
    """
    image = torch.zeros(1, 1, 5, 5, dtype=torch.float64, requires_grad=True)
    convolution(torch.ones(3, 3), 5, padding=padding)(image).sum().backward()
    assert image.grad is not None
    return image.grad[0, 0]


def counted_uses(axes: Axes) -> Tensor:
    """The same by counting: every position of the filter ticks the pixels that it lies on."""
    height, width = axes
    uses = torch.zeros(height.size, width.size, dtype=torch.float64)
    for row, column in product(range(height.output), range(width.output)):
        top, left = row - height.before, column - width.before
        for y, x in product(range(top, top + height.kernel), range(left, left + width.kernel)):
            if 0 <= y < height.size and 0 <= x < width.size:
                uses[y, x] += 1
    return uses


@pytest.mark.parametrize(
    ("padding", "corner", "edge", "centre"),
    [(Padding.valid, 1, 3, 9), (Padding.same, 4, 6, 9), (Padding.full, 9, 9, 9)],
)
def test_slip_7_padding_makes_the_use_of_pixels_more_equal_not_equal(
    padding: Padding, corner: int, edge: int, centre: int
) -> None:
    uses = pixel_uses(padding)
    assert {uses[y, x].item() for y, x in product((0, 4), repeat=2)} == {corner}
    assert {uses[place].item() for place in ((0, 2), (2, 0), (2, 4), (4, 2))} == {edge}
    assert uses[2, 2] == centre
    assert torch.equal(uses, counted_uses(convolution_axes((5, 5), ConvConfig(3, padding))))


def test_slip_8_pooling_shrinks_the_flatten_head_and_no_convolution() -> None:
    with_pooling, without = lecture("downsample=max"), lecture("downsample=none")
    convolutions = [
        sum(layer.parameters for layer in network.layers if layer.kind is Kind.convolution)
        for network in (with_pooling, without)
    ]
    assert convolutions == [55_744, 55_744]  # 9·32 + 32, 32·9·64 + 64, 64·9·64 + 64
    hidden, other = (
        next(layer for layer in network.layers if layer.name == "head.hidden")
        for network in (with_pooling, without)
    )
    assert (hidden.input_shape, other.input_shape) == ((576,), (30_976,))
    more = without.parameters - with_pooling.parameters
    assert more == other.parameters - hidden.parameters == (30_976 - 576) * 64


@pytest.mark.parametrize("operator", [Operator.max, Operator.average, Operator.weighted])
def test_slip_8_pooling_has_no_parameters(operator: Operator) -> None:
    axes = Axes(Axis(8, 4, 2, 1, 1), Axis(8, 4, 2, 1, 1))
    assert not list(pooling(operator, axes).parameters())


@pytest.mark.parametrize("sigma", [0.1, 1.0, 30.0])
def test_slip_9_a_2x2_weighted_window_is_average_pooling(sigma: float) -> None:
    assert gaussian_weights(2, 2, sigma).flatten().tolist() == [0.25] * 4
    axes = Axes(Axis(4, 2, 2), Axis(4, 2, 2))
    assert pooling(Operator.weighted, axes, sigma)(IMAGE)[0, 0].tolist() == RIGHT_AVERAGES
    with pytest.raises(ConfigurationError, match="exactly average pooling"):
        lecture("downsample=weighted", "downsample.window=2", f"downsample.sigma={sigma}")
