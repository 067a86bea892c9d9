"""Introspection of a trained network: filters, response maps of a few digits, use of pixels.

The use of pixels is measured twice. From geometry: how often each pixel is read. And by gradients
of the trained network: the mean over test images of |∂ largest logit / ∂ pixel|, and, for the
effective receptive field (Luo et al. 2016, Understanding the effective receptive field), the same
of the cell in the middle of the last map, summed over its channels.
"""

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convchoice.config.schema import Config
from convchoice.data.preparation import test_images
from convchoice.networks.layers import Convolution, DenseMap, LocallyConnected
from convchoice.networks.network import Network
from convchoice.networks.receptive_field import (
    central_cell,
    field_along,
    image_reads,
    spatial_layers,
    stage_ends,
)
from convchoice.runs.evaluation_files import Introspection, Numbers, Places
from convchoice.training.batches import scaled

CLASSES_SHOWN = (0, 1, 2)
"""The first test image of each is shown: round, straight, and both at once on MNIST."""
FILTERS_KEPT = 12
CHANNELS_KEPT = 4
"""The first ones: if seed and shapes agree, they have the same initial weights in every arm, so the
same channel of two arms can be compared."""
GRADIENT_IMAGES = 200
"""Of each run; the seeds of an arm differ more than its images."""
GRADIENT_BATCH = 50
"""Images at a time: all their response maps are kept for the backward pass."""


def chosen_images(labels: NDArray[np.integer], count: int | None) -> Places:
    """Indices of `count` test images, sorted, the same for every run; None takes all.

    Stratified by class, and within a class spread evenly over the file: MNIST's first 5,000 test
    images are cleaner than its last 5,000, so the first `count` would overestimate every network.
    """
    if count is None or count >= len(labels):
        return np.arange(len(labels))
    by_class = np.argsort(labels, kind="stable")
    return np.sort(by_class[np.arange(count) * len(labels) // count])


def first_of_classes(labels: NDArray[np.integer], classes: Iterable[int]) -> Places:
    """The index of the first image of each class in labels (N,); absent classes are left out."""
    places = (np.flatnonzero(labels == label) for label in classes)
    return np.array([found[0] for found in places if len(found)], dtype=np.int64)


def first_filters(network: Network) -> Tensor:
    """The first filters of the first layer, (F, C, f_h, f_w).

    If positions do not share their filters, those of the middle position are taken; the filters
    of a dense layer are as large as the image.
    """
    layer, module = network.plan.layers[0], next(network.children())
    if isinstance(module, Convolution):
        return module.weight[:FILTERS_KEPT]
    filters, _, width = layer.output_shape
    row, column = central_cell(layer)
    position = row * width + column
    if isinstance(module, LocallyConnected):
        own = module.weight[position].T[:FILTERS_KEPT]
        return own.reshape(-1, module.channels, *module.axes.kernel)
    assert isinstance(module, DenseMap)  # noqa: S101 - a block begins with one of the three
    # A row of the weights is a unit, and the units of a position are adjacent.
    units = module.weight[position * filters :][: min(FILTERS_KEPT, filters)]
    return units.reshape(-1, *layer.input_shape)


def response_maps(network: Network, images: Tensor) -> dict[str, Numbers]:
    """The first channels of the last layer of each stage, by layer, for uint8 images (M, H, W)."""
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
        images: uint8 (N, H, W) or (N, C, H, W), the network's input, on its device.

    Returns:
        The second is None for a network without maps.
    """
    batches = torch.split(images, GRADIENT_BATCH)
    sums = [_summed_gradients(network, scaled(batch)) for batch in batches]
    largest, middle = (torch.stack(each).sum(0) / len(images) for each in zip(*sums, strict=True))
    return largest, middle if spatial_layers(network.plan.layers) else None


def _summed_gradients(network: Network, pixels: Tensor) -> tuple[Tensor, Tensor]:
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


def introspect(network: Network, config: Config, images: Tensor, labels: Tensor) -> Introspection:
    """The measurements that a run stores.

    Args:
        network: trained, in evaluation mode; it is not changed.
        config: its configuration.
        images: uint8 (N, H, W) or (N, C, H, W), the test set.
        labels: (N,).
    """
    device = next(network.parameters()).device
    classes = labels.numpy()

    def inputs(indices: Places) -> Tensor:
        return test_images(images[torch.from_numpy(indices)].to(device), config.data)

    shown = first_of_classes(classes, CLASSES_SHOWN)
    many = chosen_images(classes, GRADIENT_IMAGES)
    pictures = inputs(shown)
    gradient, middle = pixel_gradients(network, inputs(many))
    windowed = [layer for layer in spatial_layers(network.plan.layers) if layer.axes is not None]
    reads, fields = {}, {}
    for count, layer in enumerate(windowed, start=1):
        before, cell = windowed[:count], central_cell(layer)
        fields[layer.name] = np.array([field_along(before, axis, cell[axis]) for axis in (0, 1)])
        if count in {1, len(windowed)}:
            rows, columns = image_reads(before)
            reads[layer.name] = (np.array(rows), np.array(columns))
    return Introspection(
        images=pictures.cpu().numpy(),
        indices=shown,
        labels=classes[shown],
        filters=_array(first_filters(network)),
        maps=response_maps(network, pictures),
        reads=reads,
        fields=fields,
        gradient_images=len(many),
        gradient=_array(gradient),
        middle_gradient=None if middle is None else _array(middle),
    )
