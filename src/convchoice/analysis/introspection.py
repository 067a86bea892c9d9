"""What the networks of an arm look like from inside, from run folders.

Filters and responses are those of the lowest seed that recorded them; use of pixels is a mean over
all seeds that did.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convchoice.analysis import result_arm as models
from convchoice.analysis.arms import band, sample
from convchoice.analysis.measure import EDGE_USE
from convchoice.analysis.result_arm import Gradient, Introspection, MiddleGradient
from convchoice.analysis.result_model import PackedArray
from convchoice.errors import RunFolderError
from convchoice.runs.evaluation_files import Introspection as RunIntrospection
from convchoice.runs.run import Run

SHOWN_CLASS = 2
"""Class of the image that is shown, if the runs recorded one; else the first image."""

Numbers = NDArray[np.float64]


def border_distances(height: int, width: int) -> NDArray[np.int64]:
    """Each pixel's distance from the nearest border, (H, W), 0 in the outermost ring."""
    rows, columns = np.arange(height), np.arange(width)
    down, across = np.minimum(rows, rows[::-1]), np.minimum(columns, columns[::-1])
    return np.minimum.outer(down, across)


def ring_means(use: Numbers) -> list[float]:
    """The mean use (H, W) in each ring, from the border inwards, over the mean of all pixels."""
    rings = border_distances(*use.shape)
    sums = np.bincount(rings.ravel(), weights=use.ravel())
    return [float(mean) for mean in sums / np.bincount(rings.ravel()) / (use.mean() or 1.0)]


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
    half, images = models.Estimate(mean=counts.mean, low=low, high=high), records[0].gradient_images
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
        image=models.ShownImage.of(first.images[shown], index=index, label=labels[shown]),
        filters=PackedArray.of(first.filters),
        maps=[models.LayerMap.of(maps[shown], layer=layer) for layer, maps in first.maps.items()],
        fields=[
            models.ReceptiveField(layer=layer, rows=rows, columns=columns)
            for layer, intervals in first.fields.items()
            for rows, columns in [intervals.tolist()]
        ],
        reads=[
            models.PixelReads(
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
