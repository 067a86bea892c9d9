"""Networks of one plan as one, so that each kernel of a GPU computes all of them.

The maps of S networks lie side by side as groups of channels, (N, S·C, H, W). Layers without
weights work on each channel by itself and are used as they are; the weights of the others are
stacked along a new first axis. No layer mixes values of two networks, so each network has the
numbers that it has alone, up to rounding. Why some layers have a form of their own here is in
docs/decisions/stacked-networks.md.
"""

import copy
import math
import sys
from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from subprocess import CalledProcessError
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn import functional

from convchoice.config.schema import PaddingMode
from convchoice.networks.layers import Convolution, LocallyConnected, padded
from convchoice.networks.network import Network

FEW_CHANNELS = 4
"""Input channels up to which each image has a product of its own."""
MOST_VALUES, MOST_CHANNELS = 2**31, 2**16
"""Values of maps, and of one channel's patches, that a kernel numbers with 32 bits; blocks of a
grid's second axis."""
MOST_PIXELS = 64
"""Of a pooling window; its loop is unrolled."""

Weights = dict[str, Tensor]
"""The parameters of S layers by name, each (S, …)."""


@cache
def _compiled_kernels(device: torch.device) -> Any:
    """The module of Triton kernels; None without Triton, or where it cannot compile them."""
    if find_spec("triton") is None:
        return None
    try:
        kernels = import_module("convchoice.networks.triton_kernels")
        kernels.PooledWindows.apply(torch.zeros(1, 1, 2, 2, device=device), (2, 2), True)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - Triton raises many types
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        compiles = isinstance(error, CalledProcessError) or "compiler" in str(error).lower()
        fix = (
            " They need a C compiler and Python's headers: install gcc and python3-dev, or set CC."
        )
        print(
            f"warning: PyTorch's own layers replace the Triton kernels, and are slower: {reason}"
            f"{fix if compiles else ''}",
            file=sys.stderr,
        )
        return None
    return kernels


def kernels_of(device: torch.device) -> str:
    """What computes stacked layers on a GPU: ``triton``, or ``torch`` where Triton cannot."""
    return "triton" if _compiled_kernels(device) else "torch"


def triton_kernels(maps: Tensor) -> Any:
    """The module of Triton kernels, for maps on a GPU that are not too large; else None."""
    fits = maps.numel() < MOST_VALUES and maps.shape[1] < MOST_CHANNELS
    return _compiled_kernels(maps.device) if maps.is_cuda and fits else None


def _patches(maps: Tensor, seeds: int, layer: Convolution | LocallyConnected) -> Tensor:
    """The windows of each network's maps, (N, S·C, H, W) → (S, rows, N·H'·W').

    The rows are those of a flattened weight of a convolution, C·f_h·f_w; then one of ones, for the
    bias, and zeros up to a multiple of four, because tensor cores are slow for other sizes.
    """
    if torch.is_autocast_enabled(maps.device.type):
        maps = maps.to(torch.get_autocast_dtype(maps.device.type))
    axes, before = layer.axes, layer.axes.before
    size = maps.shape[1] // seeds * math.prod(axes.kernel)
    rows = size + 4 - size % 4
    kernels = triton_kernels(maps)
    if math.prod(axes.kernel) * len(maps) * math.prod(axes.output) >= MOST_VALUES:
        kernels = None
    if kernels is None or layer.border_mode is not PaddingMode.zeros:
        maps, before = padded(maps, axes, layer.border_mode), (0, 0)
    if kernels:
        patches: Tensor = kernels.Patches.apply(maps, seeds, axes, before, rows)
        return patches
    windows = maps.view(len(maps), seeds, -1, *maps.shape[2:])
    for side in (0, 1):
        windows = windows.unfold(3 + side, axes.kernel[side], axes.stride[side])
    patches = windows.permute(1, 2, 5, 6, 0, 3, 4).reshape(seeds, size, -1)
    with_ones = torch.cat([patches, patches.new_ones(seeds, 1, patches.shape[2])], 1)
    return functional.pad(with_ones, (0, 0, 0, rows - size - 1))


def _with_bias(weight: Tensor, bias: Tensor, patches: Tensor) -> Tensor:
    """Weights along axis 2, then the bias, then zeros: one for each row of the patches."""
    filters = torch.cat([weight, bias.unsqueeze(2)], 2)
    zeros = patches.shape[1] - filters.shape[2]
    return functional.pad(filters, [0, 0] * (filters.ndim - 3) + [0, zeros])


def _convolution(layer: Convolution, weights: Weights, maps: Tensor) -> Tensor:
    """Patches and a batched product; of single channels a grouped convolution."""
    weight, bias = weights["weight"], weights.get("bias")
    seeds, images = len(weight), len(maps)
    if bias is None:  # depthwise
        maps, groups = padded(maps, layer.axes, layer.border_mode), seeds * layer.groups
        return functional.conv2d(maps, weight.flatten(0, 1), None, layer.stride, groups=groups)
    patches = _patches(maps, seeds, layer)
    filters = _with_bias(weight.flatten(2), bias, patches)  # (S, F, rows)
    if layer.in_channels <= FEW_CHANNELS:
        # A product for each image: the gradient of so few weights is slow as a single one.
        of_images = patches.view(*patches.shape[:2], images, -1).permute(2, 0, 1, 3)
        return (filters @ of_images).view(images, -1, *layer.axes.output)
    # (S, F, N·H'·W') → (N, S·F, H', W'), without a copy.
    return (filters @ patches).view(-1, images, *layer.axes.output).transpose(0, 1)


def _locally_connected(layer: LocallyConnected, weights: Weights, maps: Tensor) -> Tensor:
    """Patches and a product for each position of each network."""
    patches = _patches(maps, len(weights["weight"]), layer)
    filters = _with_bias(weights["weight"], weights["bias"], patches)
    of_images = patches.view(*patches.shape[:2], len(maps), -1)
    products: Tensor = torch.einsum("sknp,spkf->nsfp", of_images, filters)
    return products.reshape(len(maps), -1, *layer.axes.output)


FORMS: dict[type[nn.Module], Callable[[Any, Weights, Tensor], Tensor]] = {
    Convolution: _convolution,
    LocallyConnected: _locally_connected,
}
"""Layers that are computed in a form of their own; `torch.func.vmap` stacks the others."""


class StackedLayer(nn.Module):
    """S layers, or modules of one's own, as one.

    Args:
        layers: differ only in the values of their parameters.
    """

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        """Stack the parameters; buffers are the same in all layers."""
        super().__init__()
        self.seeds = len(layers)
        stacked, _ = stack_module_state(list(layers))
        self.names = list(stacked)
        # A convolution copies its maps to the memory format of its weights: channels first here.
        self.stacked = nn.ParameterList(
            nn.Parameter(each.contiguous(), each.requires_grad) for each in stacked.values()
        )
        self.buffer_names = [name for name, _ in layers[0].named_buffers()]
        for place, (_, buffer) in enumerate(layers[0].named_buffers()):
            self.register_buffer(f"buffer{place}", buffer, persistent=False)
        # In a list, so that its parameters are not registered as parameters of this module.
        self._template = [copy.deepcopy(layers[0]).to("meta")]

    def weights(self) -> Weights:
        """The stacked parameters."""
        return dict(zip(self.names, self.stacked, strict=True))

    def forward(self, maps: Tensor) -> Tensor:
        """(N, S·C, …) → (N, S·F, …)."""
        [layer] = self._template
        if type(layer) in FORMS:
            return FORMS[type(layer)](layer, self.weights(), maps)
        buffers = dict(zip(self.buffer_names, self.buffers(), strict=True))

        def one(weights: Weights, inputs: Tensor) -> Tensor:
            outputs: Tensor = functional_call(layer, (weights, buffers), (inputs,))
            return outputs

        inputs = maps.reshape(len(maps), self.seeds, -1, *maps.shape[2:])
        outputs: Tensor = vmap(one, (0, 1), 1)(self.weights(), inputs)
        return outputs.flatten(1, 2)


class SeparateWindows(nn.Module):
    """Pooling of windows that do not overlap and have no padding, on a GPU by its own kernels.

    Args:
        layer: max or average pooling.
    """

    def __init__(self, layer: nn.MaxPool2d | nn.AvgPool2d) -> None:
        """Keep the layer."""
        super().__init__()
        self.layer = layer

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) → (N, C, H', W')."""
        kernels, window = triton_kernels(maps), cast("tuple[int, int]", self.layer.kernel_size)
        if kernels is None or math.prod(window) > MOST_PIXELS:
            return self.layer(maps)  # type: ignore[no-any-return]
        is_max = isinstance(self.layer, nn.MaxPool2d)
        return kernels.PooledWindows.apply(maps, window, is_max)  # type: ignore[no-any-return]


def _stacked(layers: Sequence[nn.Module]) -> nn.Module:
    """The layers of S networks at one place as one layer."""
    [first, *_] = layers
    if any(True for _ in first.parameters()):
        return StackedLayer(layers)
    if isinstance(first, nn.MaxPool2d | nn.AvgPool2d):
        separate = first.stride == first.kernel_size and first.padding == (0, 0)
        return SeparateWindows(first) if separate else first
    return first


class StackedNetworks(nn.Module):
    """Networks of one plan as one module.

    Args:
        networks: S networks that differ only in the values of their parameters.
    """

    def __init__(self, networks: Sequence[Network]) -> None:
        """Stack the networks layer by layer."""
        super().__init__()
        self.plan = networks[0].plan
        self.count = len(networks)
        self.network = copy.deepcopy(networks[0])
        for name, _ in networks[0].named_children():
            layers = [network.get_submodule(name) for network in networks]
            setattr(self.network, name, _stacked(layers))

    def forward(self, images: Tensor) -> Tensor:
        """The logits of each network, (S, N, classes).

        Args:
            images: (S, N, C, H, W), a batch for each network, or (N, C, H, W), one for all.
        """
        if images.ndim == 4:  # noqa: PLR2004 - images, channels, height, width
            images = images.expand(self.count, *images.shape)
        maps = images.transpose(0, 1).flatten(1, 2).contiguous()
        logits: Tensor = self.network(maps)
        return logits.view(len(logits), self.count, -1).transpose(0, 1)

    def states(self) -> list[dict[str, Tensor]]:
        """The parameters of each network, named as in its own `state_dict`."""
        stacked = {
            f"{child}.{name}": values.detach()
            for child, layer in self.network.named_children()
            if isinstance(layer, StackedLayer)
            for name, values in layer.weights().items()
        }
        return [
            {name: values[place].clone() for name, values in stacked.items()}
            for place in range(self.count)
        ]


def together(networks: Sequence[Network]) -> Network | StackedNetworks:
    """The networks as one module, whose logits are (S, N, classes).

    A single network stays as it is, with logits (N, classes) and the same bits.
    """
    return networks[0] if len(networks) == 1 else StackedNetworks(networks)
