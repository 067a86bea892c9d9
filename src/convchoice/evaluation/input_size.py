"""Whether a trained network accepts inputs of another size, and how accurate it is on them.

The question is the lecture's ("works with inputs of different size"). The whole canvas is resized
to n × n pixels, and the layers are applied to it with the trained weights. (A digit of unchanged
size on a larger canvas is another question, see `data.canvas` and the shift curve.)
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

from torch import Tensor

from convchoice.config.schema import Config, Curve
from convchoice.evaluation.image_transforms import resized
from convchoice.evaluation.robustness import scores
from convchoice.networks.conv_arithmetic import GeometryError
from convchoice.networks.network import Network
from convchoice.networks.plan import Kind, Plan, plan
from convchoice.runs.evaluation_files import CurvePoint

INPUT_SIDES = tuple(sorted({*range(18, 57, 2), 25, 27, 29}))
"""Heights in pixels; single steps around the range that the lecture's network accepts, 26 to 29."""


def accepts(trained: Plan, other: Plan) -> bool:
    """Whether the weights of one plan fit another plan for an input of another size.

    Each layer must have as many parameters as before. A flattened map must have the same grid,
    because the weights of a dense layer belong to positions.
    """
    return len(trained.layers) == len(other.layers) and all(
        ours.parameters == theirs.parameters
        and (ours.kind is not Kind.flatten or ours.input_shape == theirs.input_shape)
        for ours, theirs in zip(trained.layers, other.layers, strict=True)
    )


def network_for(network: Network, config: Config, height: int, width: int) -> Network | None:
    """The trained network for inputs of other pixels, or None if its weights do not fit."""
    shape = (network.plan.layers[0].input_shape[0], height, width)
    try:
        fits = accepts(network.plan, plan(config, shape))
    except GeometryError:
        return None
    if not fits:
        return None
    other = Network(config, shape)
    other.load_state_dict(network.state_dict())
    return other.to(next(network.parameters()).device).eval()


def input_size_curve(
    network: Network, config: Config, images: Tensor, labels: Tensor
) -> Iterator[CurvePoint]:
    """Accuracy and log-likelihood for inputs of 18 to 56 pixels, and which sizes are accepted.

    Args:
        network: trained.
        config: its configuration.
        images: uint8, (N, H, W) or (N, C, H, W), on the network's device. An image that is not
            square keeps its proportions; its height is n.
        labels: int64 (N,), on the same device.
    """
    height, width = images.shape[-2:]
    for side in INPUT_SIDES:
        other_width = max(1, round(side * width / height))
        other = network_for(network, config, side, other_width)
        measured: dict[str, Any] = {}
        if other is not None:
            transform = partial(resized, height=side, width=other_width)
            accuracy, nll = scores(other, images, labels, transform)
            measured = {"accuracy": accuracy, "nll": nll}
        yield CurvePoint(
            curve=Curve.input_size, unit="pixels", value=side, images=len(labels),
            accepted=other is not None, **measured,
        )  # fmt: skip
