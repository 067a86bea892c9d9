"""A made-up inside of a network: a convolution, a pooling and another convolution on 8×8 pixels."""

import numpy as np

from convchoice.runs.evaluation_files import Introspection


def introspected(seed: int = 0, *, edge: float = 0.5, padded: bool = False) -> Introspection:
    """What a run of a small network would keep.

    Args:
        seed: of the numbers that are made up.
        edge: the gradient of the outermost pixels, beside 1 of the others.
        padded: whether the first layer reads the outermost pixels more often.
    """
    draw = np.random.default_rng(seed)
    gradient = np.ones((8, 8), dtype=np.float32)
    gradient[[0, -1], :] = gradient[:, [0, -1]] = edge
    middle = np.zeros((8, 8), dtype=np.float32)
    middle[2:6, 2:6] = 1
    first = [2, 3, 3, 3, 3, 3, 3, 2] if padded else [1, 2, 3, 3, 3, 3, 2, 1]
    return Introspection(
        images=np.random.default_rng(0).integers(0, 256, (3, 8, 8)).astype(np.uint8),
        indices=np.array([3, 2, 1]),
        labels=np.array([0, 1, 2]),
        filters=draw.normal(size=(5, 1, 3, 3)).astype(np.float32),
        maps={
            "block1.detector": draw.random((3, 4, 6, 6)).astype(np.float32),
            "block1.downsample": draw.random((3, 4, 3, 3)).astype(np.float32),
            "block2.detector": (1 + seed) * np.ones((3, 4, 1, 1), dtype=np.float32),
        },
        reads={
            "block1.convolution": (np.array(first), np.array(first)),
            "block2.convolution": (np.array([1, 2, 4, 4, 4, 4, 2, 1]), np.array([1] * 8)),
        },
        fields={
            "block1.convolution": np.array([[3, 5], [3, 5]]),
            "block1.downsample": np.array([[2, 5], [2, 5]]),
            "block2.convolution": np.array([[-1, 8], [0, 7]]),
        },
        gradient_images=100,
        gradient=gradient,
        middle_gradient=middle,
    )
