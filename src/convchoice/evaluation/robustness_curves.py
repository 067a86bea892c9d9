"""The curves of a trained network that its configuration names.

Accuracy and log-likelihood on shifted, rotated and rescaled test images, consistency under random
shifts, and which input sizes the network accepts; for equivariance see `equivariance`. Pixels stay
bytes until their batch; each batch is scaled, transformed and classified, so that memory does not
grow with the number of points. Several networks of one plan are measured together: each batch is
transformed once, and stacked networks classify it in one pass.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from convchoice.config.schema import Config, Curve
from convchoice.data.preparation import permuted
from convchoice.evaluation.equivariance import equivariance_curve
from convchoice.evaluation.image_transforms import (
    Transform,
    ink_lost,
    mean_ink,
    rescaled,
    resized,
    rotated,
    shifted,
)
from convchoice.networks.conv_arithmetic import GeometryError
from convchoice.networks.network import Network
from convchoice.networks.plan import Kind, Plan, plan
from convchoice.networks.stacked_networks import together
from convchoice.runs.evaluation_files import CurvePoint, Unit
from convchoice.training.batches import EVALUATION_BATCH, Batches

SHIFT_PIXELS = range(-10, 11)
SHIFT_KINDS = {"horizontal": (0, 1), "vertical": (1, 0), "diagonal": (1, 1)}
"""Rows and columns of a shift by one pixel; positive is down and to the right."""
DEGREES = range(0, 360, 15)  # anticlockwise about the centre
SCALE_FACTORS = tuple(tenths / 10 for tenths in range(5, 16))
CONSISTENCY_PIXELS = 4
"""The largest random shift: MNIST's 20×20 digits have a margin of 4 pixels, so little is lost."""
CONSISTENCY_SEED = 2019

INPUT_SIDES = tuple(sorted({*range(18, 57, 2), 25, 27, 29}))
"""Heights in pixels; single steps around the range that the lecture's network accepts, 26 to 29."""

Classify = Callable[[Tensor], Tensor]
"""Pixels (B, C, H, W) to the logits of a network (B, classes), or of S networks (S, B, classes)."""
Points = list[CurvePoint]
"""A point of a curve for each network, in their order."""
Step = tuple[str, float, dict[str, Any]]
"""Kind and value of a point, and the arguments of its transform and of `ink_lost`."""
TRANSFORMS: dict[Curve, tuple[Callable[..., Tensor], Unit, list[Step]]] = {
    Curve.shift: (shifted, "pixels", [
        (kind, pixels, {"rows": down * pixels, "columns": right * pixels})
        for kind, (down, right) in SHIFT_KINDS.items() for pixels in SHIFT_PIXELS
    ]),
    Curve.rotation: (rotated, "degrees", [("", each, {"degrees": each}) for each in DEGREES]),
    Curve.scale: (rescaled, "factor", [("", each, {"factor": each}) for each in SCALE_FACTORS]),
}  # fmt: skip


def measure_curves(
    networks: Sequence[Network],
    config: Config,
    curves: Sequence[Curve],
    images: Tensor,
    labels: Tensor,
) -> list[Points]:
    """All points of some curves, in the order of `Curve`, by network.

    Args:
        networks: trained, in evaluation mode, of one plan.
        config: their configuration; if it permutes pixels, images are transformed before.
        curves: which.
        images: uint8, (N, H, W) or (N, C, H, W), on the networks' device and on its canvas, not
            permuted.
        labels: int64 (N,), on the same device.
    """
    seed, network = config.data.permutation_seed, together(networks)

    def classify(pixels: Tensor) -> Tensor:
        logits: Tensor = network(pixels if seed is None else permuted(pixels, seed))
        return logits

    points: list[Points] = []
    for curve in (curve for curve in Curve if curve in curves):
        if config.network and curve in {Curve.equivariance, Curve.input_size}:
            continue  # the layers of a module of one's own are unknown
        if curve in TRANSFORMS:
            points += robustness_curve(curve, classify, images, labels)
        elif curve is Curve.consistency:
            points.append(consistency_point(classify, images, labels))
        elif curve is Curve.equivariance:
            of_each = (equivariance_curve(each, images) for each in networks)
            points += map(list, zip(*of_each, strict=True))
        else:
            points += input_size_curve(networks, config, images, labels)
    return [[of_each[place] for of_each in points] for place in range(len(networks))]


@torch.inference_mode()
def scores(
    network: Classify, images: Tensor, labels: Tensor, transform: Transform
) -> list[tuple[float, float]]:
    """Accuracy (a fraction of 1) and mean negative log-likelihood (nats) of each network.

    Args:
        network: one or several.
        images: uint8, (N, H, W) or (N, C, H, W), on the network's device.
        labels: int64 (N,), on the same device.
        transform: of a batch of pixels in 0 … 1.
    """
    batches = Batches(images, labels, EVALUATION_BATCH)
    classified = (_classify(network, transform(batch), truth)[1:] for batch, truth in batches)
    return _means(classified, len(labels))


def _means(sums: Iterable[tuple[Tensor, Tensor]], images: int) -> list[tuple[float, float]]:
    """Sums over batches, (S,) each, over the number of images, by network.

    They stay on the device until the end, so that no batch waits for the one before it.
    """
    correct, nll = (sum(each[1:], each[0]) for each in zip(*sums, strict=True))
    return [
        (right / images, loss / images)
        for right, loss in zip(correct.tolist(), nll.tolist(), strict=True)
    ]


def _classify(network: Classify, batch: Tensor, truth: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Classes (S, B), numbers of correct ones (S,), summed negative log-likelihoods (S,)."""
    logits = network(batch.contiguous(memory_format=torch.channels_last)).double()
    logits = logits.reshape(-1, *logits.shape[-2:])
    classes = logits.argmax(2)
    nll = [functional.cross_entropy(each, truth, reduction="sum") for each in logits]
    return classes, (classes == truth).sum(1), torch.stack(nll)


def robustness_curve(
    curve: Curve, network: Classify, images: Tensor, labels: Tensor
) -> Iterator[Points]:
    """The points of a curve of `TRANSFORMS`; all of them keep the canvas. Arguments as `scores`."""
    ink = mean_ink(images)
    transform, unit, steps = TRANSFORMS[curve]
    for kind, value, arguments in steps:
        lost = ink_lost(ink, **arguments)
        yield [
            CurvePoint(
                curve=curve, kind=kind, unit=unit, value=value, images=len(labels),
                accuracy=accuracy, nll=nll, ink_lost=lost,
            )
            for accuracy, nll in scores(network, images, labels, partial(transform, **arguments))
        ]  # fmt: skip


def random_shifts(images: int) -> Tensor:
    """Two shifts an image, (images, 2, 2): first and second, rows and columns.

    Each is uniform on −4 … 4 pixels in both directions. The generator is fixed, so that every run
    with the same images gets the same shifts.
    """
    generator = torch.Generator().manual_seed(CONSISTENCY_SEED)
    return torch.randint(
        -CONSISTENCY_PIXELS, CONSISTENCY_PIXELS + 1, (images, 2, 2), generator=generator
    )


@torch.inference_mode()
def consistency_point(network: Classify, images: Tensor, labels: Tensor) -> Points:
    """The share of images with the same prediction, correct or not, under two random shifts.

    Source: Zhang (2019), Making convolutional networks shift-invariant again, ICML, with smaller
    shifts: he shifts over the whole crop. Accuracy and log-likelihood are means over both shifts.
    Arguments as `scores`.
    """
    ink, shifts = mean_ink(images), random_shifts(len(labels))
    same, sums, first = list[Tensor](), list[tuple[Tensor, Tensor]](), 0
    for batch, truth in Batches(images, labels, EVALUATION_BATCH):
        predictions = []
        for pair in (0, 1):
            chosen = shifts[first : first + len(truth), pair].tolist()
            moved = torch.stack([shifted(one, *by) for one, by in zip(batch, chosen, strict=True)])
            classes, right, loss = _classify(network, moved, truth)
            predictions.append(classes)
            sums.append((right, loss))
        same.append((predictions[0] == predictions[1]).sum(1))
        first += len(truth)
    spread = range(-CONSISTENCY_PIXELS, CONSISTENCY_PIXELS + 1)
    lost = [ink_lost(ink, rows=rows, columns=columns) for rows in spread for columns in spread]
    return [
        CurvePoint(
            curve=Curve.consistency, unit="pixels", value=CONSISTENCY_PIXELS, images=len(labels),
            accuracy=accuracy, nll=nll, ink_lost=sum(lost) / len(lost),
            consistency=equal / len(labels),
        )
        for (accuracy, nll), equal in zip(
            _means(sums, 2 * len(labels)), torch.stack(same).sum(0).tolist(), strict=True
        )
    ]  # fmt: skip


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
    networks: Sequence[Network], config: Config, images: Tensor, labels: Tensor
) -> Iterator[Points]:
    """Accuracy and log-likelihood for inputs of 18 to 56 pixels, and which sizes are accepted.

    Args:
        networks: trained, of one plan.
        config: their configuration.
        images: uint8, (N, H, W) or (N, C, H, W), on the networks' device. An image that is not
            square keeps its proportions; its height is n.
        labels: int64 (N,), on the same device.
    """
    height, width = images.shape[-2:]
    for side in INPUT_SIDES:
        other_width = max(1, round(side * width / height))
        built = (network_for(each, config, side, other_width) for each in networks)
        others = [each for each in built if each is not None]
        measured: list[dict[str, Any]] = [{} for _ in networks]
        if others:
            transform = partial(resized, height=side, width=other_width)
            found = scores(together(others), images, labels, transform)
            measured = [{"accuracy": accuracy, "nll": nll} for accuracy, nll in found]
        yield [
            CurvePoint(
                curve=Curve.input_size, unit="pixels", value=side, images=len(labels),
                accepted=bool(others), **each,
            )
            for each in measured
        ]  # fmt: skip
