"""A trained network looked into: filters, response maps of a few digits, and its use of pixels.

Use of pixels is told twice. Counted, from geometry alone, as `sizes.reading` has it. And by
gradient, of what was learned: the mean over test images of |∂ largest logit / ∂ pixel|, and, for
the effective receptive field (Luo et al. 2016, Understanding the effective receptive field), the
same of the cell in the middle of the last map, its channels added up.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from convchoice.config.schema import Config, PaddingMode
from convchoice.data.preparation import test_images
from convchoice.evaluation.image_subset import chosen_images, first_of_classes
from convchoice.networks.layers import Convolution, DenseMap, LocallyConnected
from convchoice.networks.network import Network
from convchoice.networks.plan import PlannedLayer
from convchoice.networks.receptive_field import (
    central_cell,
    field_along,
    image_reads,
    spatial_layers,
    stage_ends,
)
from convchoice.runs.introspection import Inside, Numbers, Places
from convchoice.training.batches import scaled

CLASSES_SHOWN = (0, 1, 2)
"""The first test image of each is shown: round, straight, and both at once on MNIST."""
FILTERS_KEPT = 12
CHANNELS_KEPT = 4
"""The first ones: where the seed and the shapes agree, they began from the same weights in every
arm, so the same channel of two arms is the one to compare."""
GRADIENT_IMAGES = 200
"""Of each run; an arm's seeds differ more than its images do."""
GRADIENT_BATCH = 50
"""Images at a time: their response maps are all held for the way back."""


def first_filters(network: Network, count: int = FILTERS_KEPT) -> Tensor:
    """The first filters of the first layer, (F, C, f_h, f_w).

    Where positions do not share their filters, those of the position in the middle are taken; a
    dense layer's filters are as large as the image.
    """
    layer, module = network.plan.layers[0], next(network.children())
    if isinstance(module, Convolution):
        return module.weight[:count]
    filters, _, width = layer.output_shape
    row, column = central_cell(layer)
    position = row * width + column
    if isinstance(module, LocallyConnected):
        kernel = [axis.kernel for axis in module.axes]
        return module.weight[position].T[:count].reshape(-1, module.channels, *kernel)
    assert isinstance(module, DenseMap)  # noqa: S101 - a block begins with one of the three
    # A row of the weights is a unit, and the units of a position lie together.
    units = module.weight[position * filters : position * filters + min(count, filters)]
    return units.reshape(-1, *layer.input_shape)


def response_maps(network: Network, images: Tensor) -> dict[str, Numbers]:
    """The first channels of each block's stages, by layer, for images (M, H, W) of bytes."""
    wanted = {layer.name for layer in stage_ends(network.plan.layers)}
    maps, kept = scaled(images), {}
    with torch.no_grad():
        for layer, module in zip(network.plan.layers, network.children(), strict=True):
            maps = module(maps)
            if layer.name in wanted:
                kept[layer.name] = _array(maps[:, :CHANNELS_KEPT])
    return kept


def pixel_gradients(network: Network, images: Tensor) -> tuple[Tensor, Tensor | None]:
    """Mean |gradient| of the largest logit and of the last map's middle cell, (H, W) each.

    Args:
        network: in evaluation mode.
        images: uint8 (N, H, W) or (N, C, H, W), as the network gets them, on its device.

    Returns:
        The second is None where the network has no map whose cells see a place each.
    """
    sums = [
        _summed_gradients(network, scaled(some)) for some in torch.split(images, GRADIENT_BATCH)
    ]
    largest, middle = (torch.stack(each).sum(0) / len(images) for each in zip(*sums, strict=True))
    return largest, middle if spatial_layers(network.plan.layers) else None


def _summed_gradients(network: Network, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Of a batch (B, C, H, W): |gradient| summed over images and channels, (H, W) each."""
    spatial = spatial_layers(network.plan.layers)
    values = pixels.requires_grad_()
    middle = 0 * pixels[:, :, 0, 0]
    for place, module in enumerate(network.children(), start=1):
        values = module(values)
        if place == len(spatial):
            row, column = central_cell(spatial[-1])
            middle = values[:, :, row, column]
    [of_middle] = torch.autograd.grad(middle.sum(), pixels, retain_graph=True)
    [of_largest] = torch.autograd.grad(values.amax(1).sum(), pixels)
    return of_largest.abs().sum((0, 1)), of_middle.abs().sum((0, 1))


def _array(values: Tensor) -> Numbers:
    return values.detach().float().cpu().numpy()


def _reads(layers: Sequence[PlannedLayer], mode: PaddingMode) -> dict[str, tuple[Places, Places]]:
    """How often the first and the last of some windowed layers read the image."""
    ends = [layers[:1], layers] if layers else []
    return {
        last.name: (np.array(rows), np.array(columns))
        for *before, last in ends
        for rows, columns in [image_reads([*before, last], mode)]
    }


def _fields(layers: Sequence[PlannedLayer]) -> dict[str, Places]:
    """What the cell in the middle of each windowed layer's map sees."""
    return {
        layer.name: np.array(
            [
                field_along(layers[:count], side, cell)
                for side, cell in enumerate(central_cell(layer))
            ]
        )
        for count, layer in enumerate(layers, start=1)
    }


def look_inside(network: Network, config: Config, images: Tensor, labels: Tensor) -> Inside:
    """All that a run keeps of its network's inside.

    Args:
        network: trained, in evaluation mode; it is left as it is.
        config: its configuration.
        images: the test set's, uint8 (N, H, W) or (N, C, H, W), as the data set has them.
        labels: (N,).
    """
    device = next(network.parameters()).device
    classes = labels.numpy()

    def fed(indices: Places) -> Tensor:
        return test_images(images[torch.from_numpy(indices)].to(device), config.data)

    shown = first_of_classes(classes, CLASSES_SHOWN)
    many = chosen_images(classes, GRADIENT_IMAGES)
    pictures = fed(shown)
    gradient, middle = pixel_gradients(network, fed(many))
    windowed = [layer for layer in spatial_layers(network.plan.layers) if layer.axes is not None]
    return Inside(
        images=pictures.cpu().numpy(),
        indices=shown,
        labels=classes[shown],
        filters=_array(first_filters(network)),
        maps=response_maps(network, pictures),
        reads=_reads(windowed, config.conv.padding_mode),
        fields=_fields(windowed),
        gradient_images=len(many),
        gradient=_array(gradient),
        middle_gradient=None if middle is None else _array(middle),
    )
