"""The chosen curves of a trained network: which measure belongs to which name."""

from collections.abc import Sequence

from torch import Tensor, nn

from convchoice.config.schema import Config, Curve
from convchoice.data.preparation import permuted
from convchoice.evaluation.equivariance import equivariance_curve
from convchoice.evaluation.input_size import input_size_curve
from convchoice.evaluation.robustness import (
    consistency_curve,
    rotation_curve,
    scale_curve,
    shift_curve,
)
from convchoice.networks.network import Network
from convchoice.runs.curve_points import CurvePoint

ANSWERS = {
    Curve.shift: shift_curve,
    Curve.rotation: rotation_curve,
    Curve.scale: scale_curve,
    Curve.consistency: consistency_curve,
}


class _Permutation(nn.Module):
    """The fixed permutation of pixels that a network was trained behind."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.seed = seed

    def forward(self, images: Tensor) -> Tensor:
        return permuted(images, self.seed)


def measure_curves(
    network: Network, config: Config, curves: Sequence[Curve], images: Tensor, labels: Tensor
) -> list[CurvePoint]:
    """Every point of the chosen curves, in the order of `Curve`.

    Args:
        network: trained, in evaluation mode.
        config: its configuration; where it permutes pixels, transformed images are permuted last.
        curves: which.
        images: uint8, (N, H, W) or (N, C, H, W), on the network's device and its canvas, with
            their pixels in their places.
        labels: int64 (N,), likewise.
    """
    points: list[CurvePoint] = []
    seed = config.data.permutation_seed
    answering = network if seed is None else nn.Sequential(_Permutation(seed), network)
    for curve in (curve for curve in Curve if curve in curves):
        if curve is Curve.input_size:
            points += input_size_curve(network, config, images, labels)
        elif curve is Curve.equivariance:
            points += equivariance_curve(network, images, labels)
        else:
            points += ANSWERS[curve](answering, images, labels)
    return points
