"""Patches and pooled windows of response maps on a GPU: Triton kernels that move each value once.

Triton comes with PyTorch's builds for CUDA. Maps are (N, C, H, W), in either order of N and C in
memory; only whole planes must be contiguous. Padding is zero.
"""

from math import prod
from typing import Any

import torch
import triton
from torch import Tensor
from torch.autograd import Function
from triton import language as tl

from convchoice.networks.conv_arithmetic import Axes

BLOCK = 1024


@triton.jit
def _gather(
    maps, patches, count, image_stride, channel_stride, rows,
    C: tl.constexpr, H: tl.constexpr, W: tl.constexpr, h: tl.constexpr, w: tl.constexpr,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, DOWN: tl.constexpr, ACROSS: tl.constexpr,
    ABOVE: tl.constexpr, LEFT: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    position = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    channel = tl.program_id(1).to(tl.int64)
    image = position // (h * w)
    top, left = position // w % h * DOWN - ABOVE, position % w * ACROSS - LEFT
    maps += channel * channel_stride + image.to(tl.int64) * image_stride
    patches += (channel // C * rows + channel % C * (ROWS * COLUMNS)) * count + position
    for place in range(ROWS * COLUMNS):
        y, x = top + place // COLUMNS, left + place % COLUMNS
        inside = (position < count) & (y >= 0) & (y < H) & (x >= 0) & (x < W)
        value = tl.load(maps + y * W + x, mask=inside, other=0)
        tl.store(patches + place * count, value, mask=position < count)


@triton.jit
def _sum_windows(
    patches, maps, count, pixels, image_stride, channel_stride, rows,
    C: tl.constexpr, H: tl.constexpr, W: tl.constexpr, h: tl.constexpr, w: tl.constexpr,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, DOWN: tl.constexpr, ACROSS: tl.constexpr,
    ABOVE: tl.constexpr, LEFT: tl.constexpr, SUM: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    pixel = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    channel = tl.program_id(1).to(tl.int64)
    image, y, x = pixel // (H * W), pixel // W % H + ABOVE, pixel % W + LEFT
    patches += (channel // C * rows + channel % C * (ROWS * COLUMNS)) * count
    total = tl.zeros([BLOCK], SUM)
    for place in range(ROWS * COLUMNS):
        top, left = y - place // COLUMNS, x - place % COLUMNS
        i, j = top // DOWN, left // ACROSS
        inside = (pixel < pixels) & (top >= 0) & (i < h) & (left >= 0) & (j < w)
        inside = inside & (top % DOWN == 0) & (left % ACROSS == 0)
        window = place * count + image * (h * w) + i * w + j
        total += tl.load(patches + window, mask=inside, other=0)
    maps += channel * channel_stride + image.to(tl.int64) * image_stride
    tl.store(maps + pixel % (H * W), total, mask=pixel < pixels)


@triton.jit
def _largest(
    maps, pooled, chosen, count, H: tl.constexpr, W: tl.constexpr,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    window = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = window < count
    w: tl.constexpr = W // COLUMNS
    h: tl.constexpr = H // ROWS
    corner = window // (h * w) * (H * W) + window // w % h * (ROWS * W) + window % w * COLUMNS
    largest = tl.load(maps + corner, mask=inside)
    place = tl.zeros([BLOCK], tl.uint8)
    for each in tl.static_range(1, ROWS * COLUMNS):
        value = tl.load(maps + corner + each // COLUMNS * W + each % COLUMNS, mask=inside)
        larger = (value > largest) | (value != value)  # NaN is the largest, as in PyTorch
        largest = tl.where(larger, value, largest)
        place = tl.where(larger, each, place).to(tl.uint8)
    tl.store(pooled + window, largest, mask=inside)
    tl.store(chosen + window, place, mask=inside)


@triton.jit
def _spread(
    gradient, chosen, maps, count, H: tl.constexpr, W: tl.constexpr,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, IS_MAX: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    pixel = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    w: tl.constexpr = W // COLUMNS
    h: tl.constexpr = H // ROWS
    row, column = pixel // W % H, pixel % W
    inside = (pixel < count) & (row < h * ROWS) & (column < w * COLUMNS)
    window = pixel // (H * W) * (h * w) + row // ROWS * w + column // COLUMNS
    value = tl.load(gradient + window, mask=inside, other=0)
    if IS_MAX:
        place = tl.load(chosen + window, mask=inside, other=0)
        value = tl.where(place == row % ROWS * COLUMNS + column % COLUMNS, value, 0)
    else:
        value = value / (ROWS * COLUMNS)
    tl.store(maps + pixel, value, mask=pixel < count)


class Patches(Function):
    """The windows of S networks' maps, (N, S·C, H, W) → (S, rows, N·H'·W').

    The first C·f_h·f_w rows are ordered as a flattened weight of a convolution; then there is a row
    of ones, and rows of zeros. The gradient of a pixel is the sum over the windows that hold it.
    """

    @staticmethod
    def forward(
        context: Any, maps: Tensor, seeds: int, axes: Axes, before: tuple[int, int], rows: int
    ) -> Tensor:
        """Copy each window; `before` are the pixels of padding above and to the left."""
        if maps.stride()[2:] != (maps.shape[3], 1):
            maps = maps.contiguous()
        images, channels, *sizes = maps.shape
        context.like = torch.empty_like(maps, device="meta")  # sizes and order in memory
        context.sizes = (
            channels // seeds, *sizes, *axes.output, *axes.kernel, *axes.stride, *before,
        )  # fmt: skip
        count, ones = images * prod(axes.output), channels // seeds * prod(axes.kernel)
        patches = maps.new_empty(seeds, rows, count)
        patches[:, ones], patches[:, ones + 1 :] = 1, 0
        grid, strides = (triton.cdiv(count, BLOCK), channels), maps.stride()[:2]
        _gather[grid](maps, patches, count, *strides, rows, *context.sizes, BLOCK)
        return patches

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Any, ...]:
        """Sum the gradients of each pixel."""
        maps = torch.empty_like(context.like, device=gradient.device)
        gradient, (rows, count) = gradient.contiguous(), gradient.shape[1:]
        pixels, channels = maps[:, 0].numel(), maps.shape[1]
        given = (pixels, *maps.stride()[:2], rows, *context.sizes)
        sums = tl.float64 if maps.dtype is torch.float64 else tl.float32
        grid = (triton.cdiv(pixels, BLOCK), channels)
        _sum_windows[grid](gradient, maps, count, *given, sums, BLOCK)
        return maps, None, None, None, None


class PooledWindows(Function):
    """Max or average pooling of windows that do not overlap; of equal maxima the first counts.

    Torch keeps 8 bytes for each maximum and asks of each pixel which windows hold it.
    """

    @staticmethod
    def forward(context: Any, maps: Tensor, kernel: tuple[int, int], is_max: bool) -> Tensor:
        """(N, C, H, W) → (N, C, ⌊H/f_h⌋, ⌊W/f_w⌋); fewer than 2³¹ values."""
        context.turned = not maps.is_contiguous()
        maps = (maps.transpose(0, 1) if context.turned else maps).contiguous()
        context.sizes, context.kernel, context.is_max = maps.shape, kernel, is_max
        pooled = maps.new_empty(*maps.shape[:2], *map(int.__floordiv__, maps.shape[2:], kernel))
        if is_max:
            chosen = torch.empty_like(pooled, dtype=torch.uint8)
            grid = (triton.cdiv(pooled.numel(), BLOCK),)
            _largest[grid](maps, pooled, chosen, pooled.numel(), *maps.shape[2:], *kernel, BLOCK)
            context.save_for_backward(chosen)
        else:
            pooled = torch.nn.functional.avg_pool2d(maps, kernel)
        return pooled.transpose(0, 1) if context.turned else pooled

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        """Give the gradient of a window to its largest pixel, or equal shares to all."""
        gradient = (gradient.transpose(0, 1) if context.turned else gradient).contiguous()
        [chosen] = context.saved_tensors or [gradient]
        maps = gradient.new_empty(context.sizes)
        grid, sizes = (triton.cdiv(maps.numel(), BLOCK),), (*maps.shape[2:], *context.kernel)
        _spread[grid](gradient, chosen, maps, maps.numel(), *sizes, context.is_max, BLOCK)
        return maps.transpose(0, 1) if context.turned else maps, None, None
