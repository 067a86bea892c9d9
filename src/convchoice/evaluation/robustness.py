"""What a trained network answers to transformed digits: accuracy and log-likelihood by transform.

Pure functions of a network, images and labels. Pixels stay bytes until their batch; each batch is
scaled, transformed and answered, so memory does not grow with the number of points. Transforms cost
a twentieth of the answers, so runs of one arm do not share transformed images.
"""

from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from convchoice.config.schema import Curve
from convchoice.data.image_transforms import (
    Transform,
    gathered_shifts,
    ink_lost_by_rotation,
    ink_lost_by_scale,
    ink_lost_by_shift,
    mean_ink,
    rescaled,
    rotated,
    shifted,
)
from convchoice.runs.curve_points import CurvePoint
from convchoice.training.batches import EVALUATION_BATCH, Batches

SHIFT_PIXELS = range(-10, 11)
SHIFT_KINDS = {"horizontal": (0, 1), "vertical": (1, 0), "diagonal": (1, 1)}
"""Rows and columns that one pixel of each shift moves; positive is down and to the right."""
ROTATION_DEGREES = range(0, 360, 15)
SCALE_FACTORS = tuple(tenths / 10 for tenths in range(5, 16))
CONSISTENCY_PIXELS = 4
"""The farthest random shift: MNIST's 20×20 digits have a margin of 4 pixels, so little is lost."""
CONSISTENCY_SEED = 2019


def channels_last(images: Tensor) -> Tensor:
    """In the memory format that the network keeps."""
    return images.contiguous(memory_format=torch.channels_last)


@torch.inference_mode()
def scores(
    network: nn.Module, images: Tensor, labels: Tensor, transform: Transform
) -> tuple[float, float]:
    """Accuracy (a fraction of 1) and mean negative log-likelihood (nats) on transformed images.

    Args:
        network: (B, C, H, W) → logits (B, 10).
        images: uint8, (N, H, W) or (N, C, H, W), on the network's device.
        labels: int64 (N,), likewise.
        transform: of a batch of pixels in 0 … 1.
    """
    correct, nll = 0, 0.0
    for batch, answers in Batches(images, labels, EVALUATION_BATCH):
        logits = network(channels_last(transform(batch))).double()
        correct += int((logits.argmax(1) == answers).sum())
        nll += functional.cross_entropy(logits, answers, reduction="sum").item()
    return correct / len(labels), nll / len(labels)


def shift_curve(network: nn.Module, images: Tensor, labels: Tensor) -> Iterator[CurvePoint]:
    """Digits moved by −10 … 10 pixels on the canvas: to the side, up or down, and both at once.

    What leaves the canvas is lost; `ink_lost` says how much.

    Args:
        network: as for `scores`, which has the arguments and their shapes.
        images: likewise.
        labels: likewise.
    """
    ink = mean_ink(images)
    measured: dict[tuple[int, int], tuple[float, float]] = {}  # no shift is one of every kind
    for kind, (down, right) in SHIFT_KINDS.items():
        for pixels in SHIFT_PIXELS:
            rows, columns = down * pixels, right * pixels
            if (rows, columns) not in measured:
                move = partial(shifted, rows=rows, columns=columns)
                measured[rows, columns] = scores(network, images, labels, move)
            accuracy, nll = measured[rows, columns]
            lost = ink_lost_by_shift(ink, rows, columns)
            yield CurvePoint(
                Curve.shift, kind, "", "pixels", pixels, None, len(labels),
                accuracy=accuracy, nll=nll, ink_lost=lost,
            )  # fmt: skip


def rotation_curve(network: nn.Module, images: Tensor, labels: Tensor) -> Iterator[CurvePoint]:
    """Digits turned anticlockwise by 0°, 15°, … 345° about the centre of the canvas.

    Args:
        network: as for `scores`, which has the arguments and their shapes.
        images: likewise.
        labels: likewise.
    """
    ink = mean_ink(images)
    for degrees in ROTATION_DEGREES:
        accuracy, nll = scores(network, images, labels, partial(rotated, degrees=degrees))
        lost = ink_lost_by_rotation(ink, degrees)
        yield CurvePoint(
            Curve.rotation, "", "", "degrees", degrees, None, len(labels),
            accuracy=accuracy, nll=nll, ink_lost=lost,
        )  # fmt: skip


def scale_curve(network: nn.Module, images: Tensor, labels: Tensor) -> Iterator[CurvePoint]:
    """Digits shrunk and enlarged by 0.5, 0.6, … 1.5 about the centre of the same canvas.

    Args:
        network: as for `scores`, which has the arguments and their shapes.
        images: likewise.
        labels: likewise.
    """
    ink = mean_ink(images)
    for factor in SCALE_FACTORS:
        accuracy, nll = scores(network, images, labels, partial(rescaled, factor=factor))
        lost = ink_lost_by_scale(ink, factor)
        yield CurvePoint(
            Curve.scale, "", "", "factor", factor, None, len(labels),
            accuracy=accuracy, nll=nll, ink_lost=lost,
        )  # fmt: skip


def random_shifts(images: int) -> Tensor:
    """Two shifts an image, (images, 2, 2): first and second, rows and columns.

    Each is uniform on −4 … 4 pixels in either direction. The generator is fixed, so every run that
    is measured on the same images sees the same shifts.
    """
    generator = torch.Generator().manual_seed(CONSISTENCY_SEED)
    return torch.randint(
        -CONSISTENCY_PIXELS, CONSISTENCY_PIXELS + 1, (images, 2, 2), generator=generator
    )


@torch.inference_mode()
def consistency_curve(network: nn.Module, images: Tensor, labels: Tensor) -> Iterator[CurvePoint]:
    """The share of images that get the same answer, right or wrong, under two random shifts.

    Source: Zhang (2019), Making convolutional networks shift-invariant again, ICML. His shifts go
    over the whole crop; these go as far as `CONSISTENCY_PIXELS`. Accuracy and log-likelihood are
    means over both shifts.

    Args:
        network: as for `scores`, which has the arguments and their shapes.
        images: likewise.
        labels: likewise.
    """
    ink, shifts = mean_ink(images), random_shifts(len(labels))
    same, correct, nll, first = 0, 0, 0.0, 0
    for batch, truth in Batches(images, labels, EVALUATION_BATCH):
        answers = []
        for pair in (0, 1):
            chosen = shifts[first : first + len(truth), pair].to(batch.device)
            moved = gathered_shifts(batch, chosen, CONSISTENCY_PIXELS)
            logits = network(channels_last(moved)).double()
            answers.append(logits.argmax(1))
            correct += int((answers[-1] == truth).sum())
            nll += functional.cross_entropy(logits, truth, reduction="sum").item()
        same += int((answers[0] == answers[1]).sum())
        first += len(truth)
    spread = range(-CONSISTENCY_PIXELS, CONSISTENCY_PIXELS + 1)
    lost = [ink_lost_by_shift(ink, rows, columns) for rows in spread for columns in spread]
    yield CurvePoint(
        Curve.consistency, "", "", "pixels", CONSISTENCY_PIXELS, None, len(labels),
        accuracy=correct / (2 * len(labels)), nll=nll / (2 * len(labels)),
        ink_lost=sum(lost) / len(lost), consistency=same / len(labels),
    )  # fmt: skip
