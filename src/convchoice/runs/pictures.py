"""Pictures of test images that a run answers wrongly, kept in its folder for the report.

The report is made from results alone and may not open the test set, but it shows the images that
flip between arms. An image that flips was answered wrongly by a run, so `evaluate`, which opens the
test set, lets each run keep some of those: at most `KEPT_BYTES` of pixels, the ones that were
answered wrong most narrowly first, as those are the ones that another arm gets right. They are kept
as the data set has them, before any canvas or permutation. Never imports torch.
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
        indices: (M,), where they stand in the test set, ascending.
        pixels: uint8 (M, H, W) or (M, C, H, W).
    """

    indices: NDArray[np.int64]
    pixels: Pixels

    def by_index(self) -> Mapping[int, Pixels]:
        """Each image's pixels by its index."""
        return dict(zip(self.indices.tolist(), self.pixels, strict=True))


def narrowly_wrong(
    logits: NDArray[np.float32], labels: NDArray[np.uint8], count: int
) -> NDArray[np.int64]:
    """Indices of the wrong answers, those by the narrowest margins, ascending.

    Args:
        logits: (N, classes).
        labels: (N,).
        count: at most so many.
    """
    wrong = np.flatnonzero(logits.argmax(axis=1) != labels)
    margins = logits[wrong].max(axis=1) - logits[wrong, labels[wrong]]
    return np.sort(wrong[np.argsort(margins, kind="stable")[:count]]).astype(np.int64)


def kept_pictures(
    logits: NDArray[np.float32], labels: NDArray[np.uint8], images: Pixels
) -> Pictures:
    """What a run keeps of the test images.

    Args:
        logits: (N, classes), the run's answers.
        labels: (N,).
        images: uint8 (N, H, W) or (N, C, H, W).
    """
    indices = narrowly_wrong(logits, labels, KEPT_BYTES // images[0].nbytes)
    return Pictures(indices, images[indices])


def write(path: Path, pictures: Pictures) -> None:
    """Write pictures as compressed arrays."""
    np.savez_compressed(path, indices=pictures.indices, pixels=pictures.pixels)


def read(path: Path) -> Pictures:
    """The pictures of a file.

    Raises:
        OSError: if it cannot be opened.
        KeyError, ValueError, zipfile.BadZipFile: if it holds anything but such arrays.
    """
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        indices, pixels = arrays["indices"], arrays["pixels"]
    if pixels.dtype != np.uint8 or pixels.ndim not in {3, 4} or indices.shape != pixels.shape[:1]:
        raise ValueError("an index and uint8 pixels an image are needed")
    return Pictures(indices.astype(np.int64), pixels)
