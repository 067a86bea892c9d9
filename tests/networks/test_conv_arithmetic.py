"""Output sizes and padding, against hand-computed answers and Keras's "same"."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convchoice.config.schema import ConvConfig, DownsampleConfig, Operator, Padding
from convchoice.networks.conv_arithmetic import (
    Axes,
    Axis,
    GeometryError,
    blur_axes,
    check_fit,
    convolution_axes,
    learned_axes,
    pooling_axes,
    same_padding,
)


@settings(max_examples=150, deadline=None)
@given(size=st.integers(1, 30), kernel=st.integers(1, 7), stride=st.integers(1, 4))
def test_same_padding_is_the_smallest_with_ceil_outputs(size, kernel, stride):
    before, after = same_padding(size, kernel, stride)
    outputs = Axis(size, kernel, stride, before, after).output
    assert outputs == math.ceil(size / stride)
    assert after - before in {0, 1}
    assert after == 0 or Axis(size, kernel, stride, before, after - 1).output == outputs - 1


def test_height_and_width_are_independent():
    conv = ConvConfig([5, 2], [4, 1], stride=[3, 1])
    assert convolution_axes((28, 20), conv) == (Axis(28, 5, 3, 4, 4), Axis(20, 2, 1, 1, 1))
    full = convolution_axes((9, 9), ConvConfig([3, 4], Padding.full))
    assert full == (Axis(9, 3, 1, 2, 2), Axis(9, 4, 1, 3, 3))


def test_axes_of_the_operators_by_hand():
    config = DownsampleConfig(Operator.max_blur)
    dense = pooling_axes((26, 11), config, stride=1)
    assert dense == (Axis(26, 2, 1), Axis(11, 2, 1))
    # 25 maxima → 13 blurs, centred on the 1st, 3rd … 25th; 10 → 5, centred on the 1st … 9th.
    assert blur_axes(dense, config) == (Axis(25, 3, 2, 1, 1), Axis(10, 3, 2, 1, 0))
    assert learned_axes((26, 11), config) == (Axis(26, 3, 2, 0, 1), Axis(11, 3, 2, 0, 0))


def test_kernel_fits_with_at_least_one_position_and_one_pixel():
    for fits in (Axis(3, 3, 1), Axis(2, 3, 1, 1, 0)):
        check_fit("layer", Axes(fits, fits))
    for small in (Axis(2, 3, 1), Axis(1, 1, 1, 1, -1)):
        with pytest.raises(GeometryError, match="along the width"):
            check_fit("layer", Axes(Axis(3, 3, 1), small))
