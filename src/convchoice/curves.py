"""The chosen curves of a trained network: which measure belongs to which name."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from convchoice.curve_points import CurvePoint
from convchoice.equivariance import equivariance_curve
from convchoice.input_size import input_size_curve
from convchoice.network import Network
from convchoice.robustness import consistency_curve, rotation_curve, scale_curve, shift_curve
from convchoice.schema import Config, Curve

MEASURES = {
    Curve.shift: shift_curve,
    Curve.rotation: rotation_curve,
    Curve.scale: scale_curve,
    Curve.consistency: consistency_curve,
    Curve.equivariance: equivariance_curve,
}


def chosen_images(labels: NDArray[np.uint8], count: int | None) -> NDArray[np.int64]:
    """Which test images the curves are measured on: indices, sorted, the same for every run.

    Stratified by digit, and within a digit spread evenly over the file: MNIST's first 5,000 test
    images are cleaner than its last 5,000, so the first `count` would flatter every network.

    Args:
        labels: (N,).
        count: how many; None, or more than there are, takes all.
    """
    by_digit = np.argsort(labels, kind="stable")
    if count is None or count >= len(labels):
        return np.arange(len(labels))
    return np.sort(by_digit[np.arange(count) * len(labels) // count])


def measure_curves(
    network: Network, config: Config, curves: Sequence[Curve], images: Tensor, labels: Tensor
) -> list[CurvePoint]:
    """Every point of the chosen curves, in the order of `Curve`.

    Args:
        network: trained, in evaluation mode.
        config: its configuration.
        curves: which.
        images: uint8, (N, H, W) or (N, C, H, W), on the network's device.
        labels: int64 (N,), likewise.
    """
    points: list[CurvePoint] = []
    for curve in (curve for curve in Curve if curve in curves):
        if curve is Curve.input_size:
            points += input_size_curve(network, config, images, labels)
        else:
            points += MEASURES[curve](network, images, labels)
    return points
