"""What the networks of an arm look like inside, as plain values for a comparison's JSON.

Filters and response maps are one seed's, the lowest that kept them. Use of pixels by gradient is a
mean over all seeds that did. An array travels as

    shape, largest, values_base64

with a signed byte q a value, in row-major order: the value is largest · q / 127. Rings are the
pixels at one distance from the nearest border, from 0 on; their numbers are relative, 1 being the
mean pixel of the image. Reads run folders through `run_folder`; never imports torch.
"""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from convchoice.analysis.statistics import mean_interval
from convchoice.errors import RunFolderError
from convchoice.runs.introspection import Inside
from convchoice.runs.run import Run

SHOWN_CLASS = 2
"""Of the images whose maps the runs kept, the one that is shown; else the first."""
STEPS = 127
"""Of a packed value, to each side of 0."""

Numbers = NDArray[np.float64]


def packed(values: ArrayLike) -> dict[str, Any]:
    """An array as shape, largest absolute value and signed bytes."""
    array = np.asarray(values, dtype=np.float64)
    largest = float(np.abs(array).max())
    steps = np.rint(STEPS * array / (largest or 1.0)).astype(np.int8)
    return {
        "shape": list(array.shape),
        "largest": largest,
        "values_base64": base64.b64encode(steps.tobytes()).decode("ascii"),
    }


def unpacked(block: Mapping[str, Any]) -> Numbers:
    """The array of a packed block, each value within half a 127th of the largest."""
    steps = np.frombuffer(base64.b64decode(block["values_base64"]), dtype=np.int8)
    values: Numbers = block["largest"] * steps.reshape(block["shape"]).astype(np.float64) / STEPS
    return values


def border_distances(height: int, width: int) -> NDArray[np.int64]:
    """Each pixel's distance from the nearest border, (H, W), 0 in the outermost ring."""
    rows, columns = np.ogrid[:height, :width]
    down = np.minimum(rows, height - 1 - rows)
    across = np.minimum(columns, width - 1 - columns)
    distances: NDArray[np.int64] = np.minimum(down, across)
    return distances


def ring_means(use: Numbers) -> list[float]:
    """The mean use (H, W) in each ring, from the border inwards, over the mean of all pixels."""
    rings = border_distances(*use.shape)
    sums = np.bincount(rings.ravel(), weights=use.ravel())
    return [float(mean) for mean in sums / np.bincount(rings.ravel()) / (use.mean() or 1.0)]


def half_pixels(gradient: Numbers) -> int:
    """How many pixels, the strongest first, hold half of a gradient's sum."""
    sums = np.cumsum(np.sort(gradient.ravel())[::-1])
    return int(np.searchsorted(sums, sums[-1] / 2)) + 1


def _band(values: Sequence[Sequence[float]]) -> dict[str, list[float | None]]:
    """Mean and 95 % interval over the rows of each column; no interval of a single row."""
    columns = list(zip(*values, strict=True))
    bounds = [mean_interval(column) for column in columns]
    return {
        "mean": [float(np.mean(column)) for column in columns],
        "low": [None if bound is None else bound.low for bound in bounds],
        "high": [None if bound is None else bound.high for bound in bounds],
    }


def _reads(inside: Inside) -> list[dict[str, Any]]:
    return [
        {
            "layer": layer,
            "rows": rows.tolist(),
            "columns": columns.tolist(),
            "rings": ring_means(np.outer(rows, columns).astype(np.float64)),
        }
        for layer, (rows, columns) in inside.reads.items()
    ]


def _gradient(insides: Sequence[Inside]) -> dict[str, Any]:
    gradients = [inside.gradient.astype(np.float64) for inside in insides]
    relative = [gradient / (gradient.mean() or 1.0) for gradient in gradients]
    return {
        "n": len(insides),
        "images": insides[0].gradient_images,
        **packed(np.mean(relative, axis=0)),
        "rings": _band([ring_means(gradient) for gradient in gradients]),
    }


def _middle_gradient(insides: Sequence[Inside]) -> dict[str, Any] | None:
    kept = [inside.middle_gradient for inside in insides if inside.middle_gradient is not None]
    if not kept:
        return None
    gradients = [gradient.astype(np.float64) for gradient in kept]
    shares = [gradient / (gradient.sum() or 1.0) for gradient in gradients]
    counts = _band([[half_pixels(gradient)] for gradient in gradients])
    return {
        "n": len(kept),
        "images": insides[0].gradient_images,
        **packed(np.mean(shares, axis=0)),
        "half_pixels": {part: values[0] for part, values in counts.items()},
    }


def _check_alike(runs: Sequence[Run], insides: Sequence[Inside]) -> None:
    """Refuse insides that were not measured alike.

    Raises:
        RunFolderError: naming the first run that differs from the first of all.
    """

    def layout(inside: Inside) -> tuple[Any, ...]:
        reads = {layer: np.outer(*both).tolist() for layer, both in inside.reads.items()}
        maps = {layer: values.shape for layer, values in inside.maps.items()}
        fields = {layer: intervals.tolist() for layer, intervals in inside.fields.items()}
        size = (inside.gradient.shape, inside.gradient_images, inside.filters.shape)
        return inside.images.tobytes(), inside.indices.tolist(), size, reads, maps, fields

    first = layout(insides[0])
    for run, inside in zip(runs, insides, strict=True):
        if layout(inside) != first:
            raise RunFolderError(
                f"{run.path}: its network's inside was not measured as that of {runs[0].path} was."
                " Evaluate both again."
            )


def inside_of_arm(runs: Sequence[Run]) -> dict[str, Any] | None:
    """What the report shows of an arm's networks; None where no run kept it.

    Args:
        runs: of the arm, by seed.

    Raises:
        RunFolderError: if a run's file is damaged, or two runs were not measured alike.
    """
    looked = [(run, inside) for run in runs if (inside := run.inside()) is not None]
    if not looked:
        return None
    kept, insides = [run for run, _ in looked], [inside for _, inside in looked]
    _check_alike(kept, insides)
    first = insides[0]
    labels = first.labels.tolist()
    shown = labels.index(SHOWN_CLASS) if SHOWN_CLASS in labels else 0
    pixels = first.images[shown]
    return {
        "seed": kept[0].seed,
        "image": {
            "index": int(first.indices[shown]),
            "label": labels[shown],
            "shape": list(pixels.shape),
            "pixels_base64": base64.b64encode(pixels.tobytes()).decode("ascii"),
        },
        "filters": packed(first.filters),
        "maps": [{"layer": layer, **packed(values[shown])} for layer, values in first.maps.items()],
        "fields": [
            {"layer": layer, "rows": intervals[0].tolist(), "columns": intervals[1].tolist()}
            for layer, intervals in first.fields.items()
        ],
        "reads": _reads(first),
        "gradient": _gradient(insides),
        "middle_gradient": _middle_gradient(insides),
    }


def check_one_image(blocks: Mapping[str, Mapping[str, Any] | None]) -> None:
    """Refuse arms that do not show one test image.

    Args:
        blocks: of `inside_of_arm`, by arm.

    Raises:
        RunFolderError: naming two arms with different ones.
    """
    indices = {arm: block["image"]["index"] for arm, block in blocks.items() if block is not None}
    first = next(iter(indices), None)
    for arm, index in indices.items():
        if first is not None and index != indices[first]:
            raise RunFolderError(
                f"arm {arm}: shows its inside at test image {index}, and {first} at"
                f" {indices[first]}. Evaluate both again: python -m convchoice.evaluate."
            )
