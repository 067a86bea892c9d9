"""The curves of a trained network that its configuration names."""

from collections.abc import Sequence

from torch import Tensor

from convchoice.config.schema import Config, Curve
from convchoice.data.preparation import permuted
from convchoice.evaluation.equivariance import equivariance_curve
from convchoice.evaluation.input_size import input_size_curve
from convchoice.evaluation.robustness import TRANSFORMS, consistency_curve, robustness_curve
from convchoice.networks.network import Network
from convchoice.runs.evaluation_files import CurvePoint


def measure_curves(
    network: Network, config: Config, curves: Sequence[Curve], images: Tensor, labels: Tensor
) -> list[CurvePoint]:
    """All points of some curves, in the order of `Curve`.

    Args:
        network: trained, in evaluation mode.
        config: its configuration; if it permutes pixels, images are transformed before.
        curves: which.
        images: uint8, (N, H, W) or (N, C, H, W), on the network's device and on its canvas, not
            permuted.
        labels: int64 (N,), on the same device.
    """
    seed = config.data.permutation_seed

    def classify(pixels: Tensor) -> Tensor:
        logits: Tensor = network(pixels if seed is None else permuted(pixels, seed))
        return logits

    points: list[CurvePoint] = []
    for curve in (curve for curve in Curve if curve in curves):
        if curve in TRANSFORMS:
            points += robustness_curve(curve, classify, images, labels)
        elif curve is Curve.consistency:
            points += consistency_curve(classify, images, labels)
        elif curve is Curve.equivariance:
            points += equivariance_curve(network, images)
        else:
            points += input_size_curve(network, config, images, labels)
    return points
