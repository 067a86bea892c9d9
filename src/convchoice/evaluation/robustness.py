"""Robustness curves: accuracy and log-likelihood on transformed test images.

Pure functions of a network, images and labels. Pixels stay bytes until their batch; each batch is
scaled, transformed and classified, so that memory does not grow with the number of points.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from convchoice.config.schema import Curve
from convchoice.evaluation.image_transforms import (
    Transform,
    ink_lost,
    mean_ink,
    rescaled,
    rotated,
    shifted,
)
from convchoice.runs.evaluation_files import CurvePoint, Unit
from convchoice.training.batches import EVALUATION_BATCH, Batches

SHIFT_PIXELS = range(-10, 11)
SHIFT_KINDS = {"horizontal": (0, 1), "vertical": (1, 0), "diagonal": (1, 1)}
"""Rows and columns of a shift by one pixel; positive is down and to the right."""
ROTATION_DEGREES = range(0, 360, 15)  # anticlockwise about the centre
SCALE_FACTORS = tuple(tenths / 10 for tenths in range(5, 16))
CONSISTENCY_PIXELS = 4
"""The largest random shift: MNIST's 20×20 digits have a margin of 4 pixels, so little is lost."""
CONSISTENCY_SEED = 2019

Classify = Callable[[Tensor], Tensor]
"""Pixels (B, C, H, W) to logits (B, 10)."""
TRANSFORMS: dict[Curve, tuple[Callable[..., Tensor], Unit]] = {
    Curve.shift: (shifted, "pixels"),
    Curve.rotation: (rotated, "degrees"),
    Curve.scale: (rescaled, "factor"),
}


@torch.inference_mode()
def scores(
    network: Classify, images: Tensor, labels: Tensor, transform: Transform
) -> tuple[float, float]:
    """Accuracy (a fraction of 1) and mean negative log-likelihood (nats) on transformed images.

    Args:
        network: whose scores.
        images: uint8, (N, H, W) or (N, C, H, W), on the network's device.
        labels: int64 (N,), on the same device.
        transform: of a batch of pixels in 0 … 1.
    """
    correct, nll = 0, 0.0
    for batch, truth in Batches(images, labels, EVALUATION_BATCH):
        right, loss = _classify(network, transform(batch), truth)[1:]
        correct += right
        nll += loss
    return correct / len(labels), nll / len(labels)


def _classify(network: Classify, batch: Tensor, truth: Tensor) -> tuple[Tensor, int, float]:
    """Predicted classes (B,), number of correct ones, and summed negative log-likelihood."""
    logits = network(batch.contiguous(memory_format=torch.channels_last)).double()
    classes = logits.argmax(1)
    nll = functional.cross_entropy(logits, truth, reduction="sum").item()
    return classes, int((classes == truth).sum()), nll


def _steps(curve: Curve) -> Iterator[tuple[str, float, dict[str, Any]]]:
    """Kind and value of each point, and the arguments of its transform and of `ink_lost`."""
    if curve is Curve.shift:
        for kind, (down, right) in SHIFT_KINDS.items():
            for pixels in SHIFT_PIXELS:
                yield kind, pixels, {"rows": down * pixels, "columns": right * pixels}
    elif curve is Curve.rotation:
        for degrees in ROTATION_DEGREES:
            yield "", degrees, {"degrees": degrees}
    else:
        for factor in SCALE_FACTORS:
            yield "", factor, {"factor": factor}


def robustness_curve(
    curve: Curve, network: Classify, images: Tensor, labels: Tensor
) -> Iterator[CurvePoint]:
    """The points of a curve of `TRANSFORMS`; all of them keep the canvas. Arguments as `scores`."""
    ink = mean_ink(images)
    transform, unit = TRANSFORMS[curve]
    for kind, value, arguments in _steps(curve):
        accuracy, nll = scores(network, images, labels, partial(transform, **arguments))
        lost = ink_lost(ink, **arguments)
        yield CurvePoint(
            curve=curve, kind=kind, unit=unit, value=value, images=len(labels),
            accuracy=accuracy, nll=nll, ink_lost=lost,
        )  # fmt: skip


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
def consistency_curve(network: Classify, images: Tensor, labels: Tensor) -> Iterator[CurvePoint]:
    """The share of images with the same prediction, correct or not, under two random shifts.

    Source: Zhang (2019), Making convolutional networks shift-invariant again, ICML, with smaller
    shifts: he shifts over the whole crop. Accuracy and log-likelihood are means over both shifts.
    Arguments as `scores`.
    """
    ink, shifts = mean_ink(images), random_shifts(len(labels))
    same, correct, nll, first = 0, 0, 0.0, 0
    for batch, truth in Batches(images, labels, EVALUATION_BATCH):
        predictions = []
        for pair in (0, 1):
            chosen = shifts[first : first + len(truth), pair].tolist()
            moved = torch.stack([shifted(one, *by) for one, by in zip(batch, chosen, strict=True)])
            classes, right, loss = _classify(network, moved, truth)
            predictions.append(classes)
            correct += right
            nll += loss
        same += int((predictions[0] == predictions[1]).sum())
        first += len(truth)
    spread = range(-CONSISTENCY_PIXELS, CONSISTENCY_PIXELS + 1)
    lost = [ink_lost(ink, rows=rows, columns=columns) for rows in spread for columns in spread]
    yield CurvePoint(
        curve=Curve.consistency, unit="pixels", value=CONSISTENCY_PIXELS, images=len(labels),
        accuracy=correct / (2 * len(labels)), nll=nll / (2 * len(labels)),
        ink_lost=sum(lost) / len(lost), consistency=same / len(labels),
    )  # fmt: skip
