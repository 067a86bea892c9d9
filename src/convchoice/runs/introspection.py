"""What a trained network looks like inside: filters, response maps, and its use of pixels.

`evaluate` measures it on a few test images, chosen by a rule and the same for every arm, and each
run keeps it in its folder for the report, which may neither load a network nor open the test set.
All places are those of the network's input, after any canvas or permutation. Arrays of numbers in
one compressed file, nothing that could be executed. Never imports torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float32]
Places = NDArray[np.int64]

MAP, READ_ROWS, READ_COLUMNS, FIELD = "map/", "reads_of_rows/", "reads_of_columns/", "field/"
"""Before a layer's name, in the names of a file's arrays."""
FOUR_AXES = 4
"""Of filters (F, C, f_h, f_w) and of maps (M, K, H, W)."""
INTERVALS = (2, 2)
"""Shape of a receptive field: rows and columns, of each the first and the last."""


@dataclass(frozen=True)
class Inside:
    """One trained network, looked into.

    Attributes:
        images: uint8 (M, H, W) or (M, C, H, W), the images shown, as the network gets them.
        indices: (M,), where they stand in the test set.
        labels: (M,), their true classes.
        filters: (F, C, f_h, f_w), the first layer's first filters; where a layer does not share its
            weights, those of the output in the middle.
        maps: by layer (M, K, H', W'), its first channels' answers to the images, in the order of
            the layers.
        reads: by layer how often its cells read each row (H,) and each column (W,) of the image:
            a pixel is read as often as its row's count times its column's.
        fields: by layer [[top, bottom], [left, right]], the pixels that the cell in the middle of
            its map sees; beyond the image they are padding.
        gradient_images: test images that the gradients are means over.
        gradient: (H, W), mean |∂ largest logit / ∂ pixel|, pixels from 0 to 1, channels added up.
        middle_gradient: (H, W), mean |∂ middle cell / ∂ pixel| of the last map, its channels added
            up before the derivative; None where no map's cells see a place each.
    """

    images: NDArray[np.uint8]
    indices: Places
    labels: Places
    filters: Numbers
    maps: Mapping[str, Numbers]
    reads: Mapping[str, tuple[Places, Places]]
    fields: Mapping[str, Places]
    gradient_images: int
    gradient: Numbers
    middle_gradient: Numbers | None


def _halved(values: Numbers) -> NDArray[np.float16]:
    """In half precision, which is finer than any shade of a picture; its range is kept to."""
    largest = np.finfo(np.float16).max
    return np.clip(values, -largest, largest).astype(np.float16)


def write(path: Path, inside: Inside) -> None:
    """Write it as compressed arrays."""
    arrays: dict[str, Any] = {
        "images": inside.images,
        "indices": inside.indices,
        "labels": inside.labels,
        "gradient_images": np.array(inside.gradient_images),
        "gradient": inside.gradient,
        "filters": _halved(inside.filters),
    }
    if inside.middle_gradient is not None:
        arrays["middle_gradient"] = inside.middle_gradient
    for layer, values in inside.maps.items():
        arrays[MAP + layer] = _halved(values)
    for layer, (rows, columns) in inside.reads.items():
        arrays[READ_ROWS + layer], arrays[READ_COLUMNS + layer] = rows, columns
    for layer, intervals in inside.fields.items():
        arrays[FIELD + layer] = intervals
    np.savez_compressed(path, **arrays)


def read(path: Path) -> Inside:
    """What a file holds.

    Raises:
        OSError: if it cannot be opened.
        KeyError, ValueError, zipfile.BadZipFile: if it holds anything but such arrays.
    """
    with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    for name, array in arrays.items():
        if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
            raise ValueError(f"{name} holds something else than finite numbers")
    inside = Inside(
        images=arrays["images"],
        indices=arrays["indices"].astype(np.int64),
        labels=arrays["labels"].astype(np.int64),
        filters=_single(arrays["filters"]),
        maps={layer: _single(array) for layer, array in _of_layers(arrays, MAP).items()},
        reads={
            layer: (rows.astype(np.int64), arrays[READ_COLUMNS + layer].astype(np.int64))
            for layer, rows in _of_layers(arrays, READ_ROWS).items()
        },
        fields={
            layer: array.astype(np.int64) for layer, array in _of_layers(arrays, FIELD).items()
        },
        gradient_images=int(arrays["gradient_images"]),
        gradient=_single(arrays["gradient"]),
        middle_gradient=(
            _single(arrays["middle_gradient"]) if "middle_gradient" in arrays else None
        ),
    )
    _check(inside)
    return inside


def _single(values: NDArray[Any]) -> Numbers:
    return values.astype(np.float32)


def _of_layers(arrays: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }


def _check(inside: Inside) -> None:
    """Refuse arrays whose shapes do not belong together, naming the first."""
    images = inside.images
    pixels = images.shape[-2:]
    shown = images.shape[:1]
    legal = {
        "images": images.dtype == np.uint8 and images.ndim in {3, 4} and min(pixels) > 0,
        "indices": inside.indices.shape == shown,
        "labels": inside.labels.shape == shown,
        "filters": inside.filters.ndim == FOUR_AXES and inside.filters.size,
        "gradient_images": inside.gradient_images > 0,
        "gradient": inside.gradient.shape == pixels,
        "middle_gradient": (
            inside.middle_gradient is None or inside.middle_gradient.shape == pixels
        ),
    }
    for layer, values in inside.maps.items():
        legal[MAP + layer] = values.ndim == FOUR_AXES and values.shape[:1] == shown and values.size
    for layer, (rows, columns) in inside.reads.items():
        legal[READ_ROWS + layer] = (*rows.shape, *columns.shape) == pixels
    for layer, intervals in inside.fields.items():
        legal[FIELD + layer] = intervals.shape == INTERVALS
    for name, holds in legal.items():
        if not holds:
            raise ValueError(f"{name} has not the shape or the type that belongs there")
