"""What is inside a trained network: filters, response maps, and which pixels it uses.

`evaluate` measures it on a few test images, the same for every arm, because the report may neither
load a network nor open the test set. Positions are those of the network's input, after any canvas
or permutation. The file holds arrays of numbers only. Never imports torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float32]
Places = NDArray[np.int64]

_MAP, _ROWS, _COLUMNS, _FIELD = "map/", "reads_of_rows/", "reads_of_columns/", "field/"
"""Prefixes of a layer's name, in the names of the file's arrays."""


@dataclass(frozen=True)
class Introspection:
    """Measurements inside one trained network.

    Attributes:
        images: uint8 (M, H, W) or (M, C, H, W), the shown images, as the network's input.
        indices: (M,), their indices in the test set.
        labels: (M,), their classes.
        filters: (F, C, f_h, f_w), the first filters of the first layer; if a layer does not share
            its weights, those of the output in the middle.
        maps: by layer (M, K, H', W'), its first channels' responses to the images, in the order of
            the layers.
        reads: by layer how often its cells read each row (H,) and each column (W,) of the image; a
            pixel is read as often as its row's count times its column's.
        fields: by layer [[top, bottom], [left, right]], the receptive field of the cell in the
            middle of its map; pixels beyond the image are padding.
        gradient_images: number of test images that the gradients are means over.
        gradient: (H, W), mean |∂ largest logit / ∂ pixel|, pixels from 0 to 1, summed over the
            image's channels.
        middle_gradient: (H, W), mean |∂ middle cell / ∂ pixel| of the last map, summed over its
            channels before the derivative; None for a network without maps.
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


def write(path: Path, inside: Introspection) -> None:
    """Write the measurements as compressed arrays; filters and maps in half precision."""
    largest = np.finfo(np.float16).max

    def half(values: Numbers) -> NDArray[np.float16]:
        return np.clip(values, -largest, largest).astype(np.float16)

    names = ("images", "indices", "labels", "gradient_images", "gradient", "middle_gradient")
    found = {name: getattr(inside, name) for name in names}
    arrays: dict[str, Any] = {name: item for name, item in found.items() if item is not None}
    arrays["filters"] = half(inside.filters)
    arrays |= {_MAP + layer: half(values) for layer, values in inside.maps.items()}
    arrays |= {_ROWS + layer: rows for layer, (rows, _) in inside.reads.items()}
    arrays |= {_COLUMNS + layer: columns for layer, (_, columns) in inside.reads.items()}
    arrays |= {_FIELD + layer: intervals for layer, intervals in inside.fields.items()}
    np.savez_compressed(path, **arrays)


def read(path: Path) -> Introspection:
    """Read the measurements of a file.

    Raises:
        Exception: of any type, if it holds anything but such arrays.
    """
    with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}

    def layers(prefix: str, kind: type[Any]) -> dict[str, Any]:
        named = {name.removeprefix(prefix): name for name in arrays if name.startswith(prefix)}
        return {layer: arrays[name].astype(kind) for layer, name in named.items()}

    rows, columns = layers(_ROWS, np.int64), layers(_COLUMNS, np.int64)
    middle = arrays.get("middle_gradient")
    return Introspection(
        images=arrays["images"],
        indices=arrays["indices"].astype(np.int64),
        labels=arrays["labels"].astype(np.int64),
        filters=arrays["filters"].astype(np.float32),
        maps=layers(_MAP, np.float32),
        reads={layer: (rows[layer], columns[layer]) for layer in rows},
        fields=layers(_FIELD, np.int64),
        gradient_images=int(arrays["gradient_images"]),
        gradient=arrays["gradient"].astype(np.float32),
        middle_gradient=None if middle is None else middle.astype(np.float32),
    )
