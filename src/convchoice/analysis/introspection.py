"""What the networks of an arm look like from inside, from run folders.

Filters and responses are those of the lowest seed that recorded them; use of pixels is a mean over
all seeds that did. A ring is the set of pixels at one distance from the nearest border, from 0; its
value is relative: 1 is the mean pixel of the image.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from convchoice.analysis.curves import Band, band
from convchoice.analysis.measure import EDGE_USE, sample
from convchoice.analysis.result_types import Count, ImagePixels, Model, PackedArray
from convchoice.errors import RunFolderError
from convchoice.runs.evaluation_files import Introspection as RunIntrospection
from convchoice.runs.run import Run

SHOWN_CLASS = 2
"""Class of the image that is shown, if the runs recorded one; else the first image."""
Numbers = NDArray[np.float64]


class ShownImage(ImagePixels):
    """The test image of the responses, the same in every arm."""

    index: Count = Field(description="Index in the test set.")
    label: Count = Field(description="True class.")


class LayerMap(PackedArray):
    """Responses of a layer's first channels to the image, (channels, height, width)."""

    layer: str = Field(description="The layer's name.")


class ReceptiveField(Model):
    """Pixels that the middle cell of a layer sees; beyond the image they are padding."""

    layer: str = Field(description="The layer's name.")
    rows: tuple[int, int] = Field(description="First and last row.")
    columns: tuple[int, int] = Field(description="First and last column.")


class PixelReads(Model):
    """How often a layer's cells read each pixel, by geometry alone: rows × columns."""

    layer: str = Field(description="The layer's name.")
    rows: list[Count] = Field(description="Reads of each row.")
    columns: list[Count] = Field(description="Reads of each column.")
    rings: list[float] = Field(
        description="Of each ring, from the border inwards, relative to the mean pixel."
    )


class Gradient(PackedArray):
    """Mean absolute gradient of the largest logit by pixel, relative to the mean pixel."""

    n: Count = Field(description="Seeds.")
    images: Count = Field(description="Test images that the gradient is averaged over.")
    rings: Band = Field(description="Mean in each ring over seeds.")


class Estimate(Model):
    """A mean over seeds and its 95 % t interval; bounds are null for a single seed."""

    mean: float = Field(description="Mean.")
    low: float | None = Field(description="Lower bound.")
    high: float | None = Field(description="Upper bound.")


class MiddleGradient(PackedArray):
    """Mean absolute gradient of the last map's middle cell by pixel, as shares of the sum."""

    n: Count = Field(description="Seeds.")
    images: Count = Field(description="Test images that the gradient is averaged over.")
    half_pixels: Estimate = Field(description="Strongest pixels that hold half of the sum.")


class Introspection(Model):
    """What an arm's networks look like from inside."""

    seed: Count = Field(description="Seed of filters and maps: the lowest that recorded them.")
    image: ShownImage = Field(description="The image of `maps`.")
    filters: PackedArray = Field(description="First filters, (filters, channels, height, width).")
    maps: list[LayerMap] = Field(description="Responses of each block's stages.")
    fields: list[ReceptiveField] = Field(description="Empty behind a dense first layer.")
    reads: list[PixelReads] = Field(description="Of the first and the last map; may be empty.")
    gradient: Gradient = Field(description="Use of pixels as learned.")
    middle_gradient: MiddleGradient | None = Field(
        default=None,
        description="The effective receptive field; null behind a dense first layer.",
    )


def ring_means(use: Numbers) -> list[float]:
    """The mean use (H, W) in each ring, from the border inwards, over the mean of all pixels."""
    down, across = (np.minimum(np.arange(size), np.arange(size)[::-1]) for size in use.shape)
    rings = np.minimum.outer(down, across).ravel()  # distances from the nearest border
    sums = np.bincount(rings, weights=use.ravel())
    return [float(mean) for mean in sums / np.bincount(rings) / (use.mean() or 1.0)]


def measured(run: Run, metric: str) -> float | None:
    """A metric of a run, for claims: recorded, or measured inside the network; None if neither."""
    if metric not in run.metrics and metric == EDGE_USE and (inside := run.inside()) is not None:
        return ring_means(inside.gradient.astype(np.float64))[0]
    return run.metrics.get(metric)


def half_pixels(gradient: Numbers) -> int:
    """How many pixels, the strongest first, hold half of a gradient's sum."""
    sums = np.cumsum(np.sort(gradient.ravel())[::-1])
    return int(np.searchsorted(sums, sums[-1] / 2)) + 1


def _gradient(records: Sequence[RunIntrospection]) -> Gradient:
    gradients = [record.gradient.astype(np.float64) for record in records]
    relative = [gradient / (gradient.mean() or 1.0) for gradient in gradients]
    rings = [ring_means(gradient) for gradient in gradients]
    images, by_ring = records[0].gradient_images, band(list(zip(*rings, strict=True)), "gradient")
    return Gradient.of(np.mean(relative, axis=0), n=len(records), images=images, rings=by_ring)


def _middle_gradient(records: Sequence[RunIntrospection]) -> MiddleGradient | None:
    kept = [each.middle_gradient for each in records if each.middle_gradient is not None]
    if not kept:
        return None
    gradients = [gradient.astype(np.float64) for gradient in kept]
    shares = [gradient / (gradient.sum() or 1.0) for gradient in gradients]
    counts = sample([half_pixels(gradient) for gradient in gradients], "half_pixels")
    low, high = counts.interval_95 or (None, None)
    half, images = Estimate(mean=counts.mean, low=low, high=high), records[0].gradient_images
    return MiddleGradient.of(np.mean(shares, axis=0), n=len(kept), images=images, half_pixels=half)


def _layout(record: RunIntrospection) -> tuple[Any, ...]:
    reads = {layer: np.outer(*both).tolist() for layer, both in record.reads.items()}
    maps = {layer: values.shape for layer, values in record.maps.items()}
    fields = {layer: intervals.tolist() for layer, intervals in record.fields.items()}
    size = (record.gradient.shape, record.gradient_images, record.filters.shape)
    return record.images.tobytes(), record.indices.tolist(), size, reads, maps, fields


def arm_introspection(runs: Sequence[Run]) -> Introspection | None:
    """What is shown of an arm's networks; None if no run recorded it.

    Args:
        runs: of the arm, by seed.

    Raises:
        RunFolderError: if a run's file is damaged, or two runs recorded different things.
    """
    recorded = [(run, record) for run in runs if (record := run.inside()) is not None]
    if not recorded:
        return None
    first_run, first = recorded[0]
    for run, record in recorded:
        if _layout(record) != _layout(first):
            raise RunFolderError(
                f"{run.path}: its introspection has other images, layers or sizes than that of"
                f" {first_run.path}. Evaluate both again."
            )
    labels = first.labels.tolist()
    shown = labels.index(SHOWN_CLASS) if SHOWN_CLASS in labels else 0
    records = [record for _, record in recorded]
    index = int(first.indices[shown])
    return Introspection(
        seed=first_run.seed,
        image=ShownImage.of(first.images[shown], index=index, label=labels[shown]),
        filters=PackedArray.of(first.filters),
        maps=[LayerMap.of(maps[shown], layer=layer) for layer, maps in first.maps.items()],
        fields=[
            ReceptiveField(layer=layer, rows=rows, columns=columns)
            for layer, intervals in first.fields.items()
            for rows, columns in [intervals.tolist()]
        ],
        reads=[
            PixelReads(
                layer=layer,
                rows=rows.tolist(),
                columns=columns.tolist(),
                rings=ring_means(np.outer(rows, columns).astype(np.float64)),
            )
            for layer, (rows, columns) in first.reads.items()
        ],
        gradient=_gradient(records),
        middle_gradient=_middle_gradient(records),
    )


def check_one_image(found: Mapping[str, Introspection | None]) -> None:
    """Refuse arms that show different test images.

    Raises:
        RunFolderError: naming two arms with different ones.
    """
    indices = {arm: each.image.index for arm, each in found.items() if each is not None}
    for (first, a), (arm, b) in pairwise(indices.items()):
        if a != b:
            raise RunFolderError(
                f"arm {arm}: shows test image {b}, and {first} shows {a}."
                " Evaluate both again: convchoice evaluate."
            )
