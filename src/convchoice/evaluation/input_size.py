"""Whether a trained network works with inputs of another size, and how well.

The question is the lecture's ("works with inputs of different size"): the network is fed the digit
itself larger or smaller, the whole canvas resized to n × n pixels, and its layers are laid on that
input anew with the weights that it learned. (A digit of one size on a larger canvas is another
question, that of `data.canvas` and of shifts.)
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from torch import Tensor

from convchoice.config.schema import Config, Curve
from convchoice.data.image_transforms import resized
from convchoice.evaluation.robustness import scores
from convchoice.networks.conv_arithmetic import GeometryError
from convchoice.networks.network import Network
from convchoice.networks.plan import Kind, Plan, plan
from convchoice.runs.curve_points import CurvePoint

INPUT_SIDES = tuple(sorted({*range(18, 57, 2), 25, 27, 29}))
"""Heights in pixels; single steps where the lecture's network, 26 to 29, begins and ends."""


def accepts(trained: Plan, other: Plan) -> bool:
    """Whether the weights of one plan fit another that was laid on an input of another size.

    Each layer must have as many parameters as before, and a flattened map must have its grid: a
    dense layer's weights belong to places, so another grid with as many cells would not do.
    """
    return len(trained.layers) == len(other.layers) and all(
        ours.parameters == theirs.parameters
        and (ours.kind is not Kind.flatten or ours.input_shape == theirs.input_shape)
        for ours, theirs in zip(trained.layers, other.layers, strict=True)
    )


def network_for(network: Network, config: Config, height: int, width: int) -> Network | None:
    """The trained network laid on another input, or None where its weights do not fit there.

    Decided by the plan alone.

    Args:
        network: trained.
        config: its configuration.
        height: of the input, pixels.
        width: likewise.
    """
    shape = (network.plan.layers[0].input_shape[0], height, width)
    try:
        other = plan(config, shape)
    except GeometryError:
        return None
    if not accepts(network.plan, other):
        return None
    laid = Network(config, shape)
    laid.load_state_dict(network.state_dict())
    return laid.to(next(network.parameters()).device).eval()


def input_size_curve(
    network: Network, config: Config, images: Tensor, labels: Tensor
) -> Iterator[CurvePoint]:
    """Accuracy and log-likelihood for inputs of 18 to 56 pixels; sizes that do not fit are said so.

    Args:
        network: trained.
        config: its configuration.
        images: uint8, (N, H, W) or (N, C, H, W), on the network's device. An image that is not
            square keeps its proportions; its height is n.
        labels: int64 (N,), likewise.
    """
    height, width = images.shape[-2:]
    for side in INPUT_SIDES:
        other_width = max(1, round(side * width / height))
        laid = network_for(network, config, side, other_width)
        point = CurvePoint(
            Curve.input_size, "", "", "pixels", side, None, len(labels), accepted=laid is not None
        )
        if laid is not None:
            fed = partial(resized, height=side, width=other_width)
            accuracy, nll = scores(laid, images, labels, fed)
            point = replace(point, accuracy=accuracy, nll=nll)
        yield point
