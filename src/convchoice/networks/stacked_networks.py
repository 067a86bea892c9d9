"""Networks of one plan as one, so that each kernel of a GPU computes all of them.

The maps of S networks lie side by side as groups of channels, (N, S·C, H, W). Layers without
weights work on each channel by itself and are used as they are; the weights of the others are
stacked along a new first axis. No layer mixes values of two networks, so each network has the
numbers that it has alone, up to rounding. Why some layers have a form of their own here is in
docs/decisions/stacked-networks.md.
"""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.func import functional_call, stack_module_state, vmap
from torch.nn import functional

from convchoice.networks.layers import Convolution, LocallyConnected, padded
from convchoice.networks.network import Network

FEW_CHANNELS = 4
"""Input channels up to which a convolution is patches and a product."""

Weights = dict[str, Tensor]
"""The parameters of S layers by name, each (S, …)."""


def _patches(maps: Tensor, seeds: int, layer: Convolution | LocallyConnected) -> Tensor:
    """The windows of each network's maps, (N, S·C, H, W) → (N, S, C·f_h·f_w + 1, H', W').

    A patch is ordered as a flattened weight of a convolution, and ends with a 1 for the bias.
    """
    (rows, columns), (down, across) = layer.axes.kernel, layer.axes.stride
    maps = padded(maps, layer.axes, layer.border_mode)
    windows = maps.view(len(maps), seeds, -1, *maps.shape[2:])
    # Views, (N, S, C, H', W', f_h, f_w); `functional.unfold` launches a kernel for each image.
    windows = windows.unfold(3, rows, down).unfold(4, columns, across)
    channels, *output = windows.shape[2:5]
    size = channels * rows * columns
    patches = maps.new_ones(len(maps), seeds, size + 1, *output)
    split = patches[:, :, :size].view(len(maps), seeds, channels, rows, columns, *output)
    split.copy_(windows.permute(0, 1, 2, 5, 6, 3, 4))
    return patches


def _convolution(layer: Convolution, weights: Weights, maps: Tensor) -> Tensor:
    """One grouped convolution, or patches and a batched product."""
    weight, bias = weights["weight"], weights.get("bias")
    seeds = len(weight)
    if bias is not None and layer.in_channels <= FEW_CHANNELS:
        patches = _patches(maps, seeds, layer)
        filters = torch.cat([weight.flatten(2), bias.unsqueeze(2)], 2)  # (S, F, C·f_h·f_w + 1)
        products = filters @ patches.flatten(3)  # (N, S, F, positions)
        return products.view(len(maps), -1, *patches.shape[3:])
    if not layer.native:
        maps = padded(maps, layer.axes, layer.border_mode)
    bias = None if bias is None else bias.flatten()
    groups = seeds * layer.groups
    weight = weight.flatten(0, 1)
    if torch.is_autocast_enabled(maps.device.type):  # faster then, and slower in float32 and TF32
        weight = weight.contiguous(memory_format=torch.channels_last)
    return functional.conv2d(maps, weight, bias, layer.stride, layer.padding, groups=groups)


def _locally_connected(layer: LocallyConnected, weights: Weights, maps: Tensor) -> Tensor:
    """Patches and a product for each position of each network."""
    patches = _patches(maps, len(weights["weight"]), layer)
    filters = torch.cat([weights["weight"], weights["bias"].unsqueeze(2)], 2)
    products = torch.einsum("nskp,spkf->nsfp", patches.flatten(3), filters)
    return products.reshape(len(maps), -1, *patches.shape[3:])


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


class _MaxOfWindows(Function):
    """Max pooling of windows that do not overlap."""

    @staticmethod
    def forward(context: Any, maps: Tensor, kernel: tuple[int, int]) -> Tensor:
        largest, chosen = functional.max_pool2d(maps, kernel, return_indices=True)
        context.save_for_backward(chosen)
        context.sizes = maps.shape
        return largest

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        [chosen] = context.saved_tensors
        spread = gradient.new_zeros(context.sizes)
        spread.flatten(2).scatter_(2, chosen.flatten(2), gradient.flatten(2))
        return spread, None


class _MeanOfWindows(Function):
    """Average pooling of windows that do not overlap."""

    @staticmethod
    def forward(context: Any, maps: Tensor, kernel: tuple[int, int]) -> Tensor:
        context.kernel, context.sizes = kernel, maps.shape
        return functional.avg_pool2d(maps, kernel)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (rows, columns), (height, width) = context.kernel, gradient.shape[2:]
        spread = gradient.new_zeros(context.sizes)
        whole = spread[:, :, : height * rows, : width * columns]
        windows = whole.view(*spread.shape[:2], height, rows, width, columns)
        windows.copy_((gradient / (rows * columns))[:, :, :, None, :, None])
        return spread, None


class SeparateWindows(nn.Module):
    """Pooling of windows that do not overlap and have no padding, with a faster backward pass.

    Args:
        layer: max or average pooling.
    """

    def __init__(self, layer: nn.MaxPool2d | nn.AvgPool2d) -> None:
        """Take over the layer's windows."""
        super().__init__()
        self.kernel = layer.kernel_size
        self.function = _MaxOfWindows if isinstance(layer, nn.MaxPool2d) else _MeanOfWindows

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) → (N, C, H', W'). Of equal maxima the first has the gradient."""
        pooled: Tensor = self.function.apply(maps, self.kernel)  # type: ignore[no-untyped-call]
        return pooled


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
