"""What runs record for every figure of a report: curves, and the inside of a network."""

from typing import Any

import numpy as np
from pydantic import BaseModel

from convchoice.runs.evaluation_files import Introspection
from made_up_runs import curve_points


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


HOSTILE = '"><svg onload=alert(1)>'
LAYERS = ("block1.convolution", "block1.detector", "block1.downsample")
RECORDED: dict[str, Any] = {
    "epochs": 2,
    "picture_shape": (28, 28),
    "curves": curve_points(0.9, layers=LAYERS),
    "inside": introspected(),
}
PADDED = {
    **RECORDED,
    "curves": curve_points(0.75, layers=LAYERS),
    "inside": introspected(1, edge=0.75, padded=True),
    "config": {"conv": {"padding": "same"}},
    "metrics": {"cost/macs": 698_560},
}


def renamed(value: Any, names: dict[str, str]) -> Any:
    """A result with other names, unchecked, as no file can hold it."""
    if isinstance(value, BaseModel):
        fields = {name: renamed(getattr(value, name), names) for name in type(value).model_fields}
        return value.model_copy(update=fields)
    if isinstance(value, dict):
        return {renamed(key, names): renamed(item, names) for key, item in value.items()}
    if type(value) is list:
        return [renamed(item, names) for item in value]
    return names.get(value, value) if type(value) is str else value
