"""Some test images that a run predicts wrongly, stored in its folder for the report.

The report may not open the test set, but it shows the images whose prediction flips between arms.
Such an image is wrong in one of the runs, so each run stores some of its wrong ones, those with the
narrowest margins first, because another arm is most likely to get them right. They are stored as
the data set has them, before any canvas or permutation. Never imports torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

KEPT_BYTES = 500_000
"""Of pixels, before compression: 637 images of MNIST's size, 162 of CIFAR-10's."""

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Pictures:
    """Some images of a test set.

    Attributes:
        indices: (M,), their indices in the test set, ascending.
        pixels: uint8 (M, H, W) or (M, C, H, W).
    """

    indices: NDArray[np.int64]
    pixels: Pixels

    def by_index(self) -> Mapping[int, Pixels]:
        """Each image's pixels by its index."""
        return dict(zip(self.indices.tolist(), self.pixels, strict=True))


def kept_pictures(
    logits: NDArray[np.float32], labels: NDArray[np.uint8], images: Pixels, most: int = KEPT_BYTES
) -> Pictures:
    """The wrong predictions with the narrowest margins.

    Args:
        logits: (N, classes), the run's predictions.
        labels: (N,).
        images: uint8 (N, H, W) or (N, C, H, W).
        most: bytes of pixels.
    """
    wrong = np.flatnonzero(logits.argmax(axis=1) != labels)
    margins = logits[wrong].max(axis=1) - logits[wrong, labels[wrong]]
    narrowest = np.argsort(margins, kind="stable")[: most // images[0].nbytes]
    indices = np.sort(wrong[narrowest]).astype(np.int64)
    return Pictures(indices, images[indices])


def write(path: Path, pictures: Pictures) -> None:
    """Write pictures as compressed arrays."""
    np.savez_compressed(path, indices=pictures.indices, pixels=pictures.pixels)


def read(path: Path) -> Pictures:
    """Read the pictures of a file.

    Raises:
        Exception: of any type, if it holds anything but such arrays.
    """
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return Pictures(arrays["indices"].astype(np.int64), arrays["pixels"])
