"""The files that an evaluation adds to a run folder: predictions, pictures, curves, introspection.

The report may neither load a network nor open the test set, so that what it shows is stored here,
as numbers only. A reader raises an exception of any type for a file that holds anything else; `run`
turns it into a `RunFolderError`. Never imports torch.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, TypeAdapter, with_config

from convchoice.config.schema import Curve
from convchoice.errors import RunFolderError
from convchoice.runs.run_folder import CURVES, INSIDE, PICTURES, PREDICTIONS

EVALUATE_AGAIN = "Evaluate the run again: convchoice evaluate."
COMPACT = (
    "is of a compact run folder, without logits and with few weights or none. Take the run folder"
    " that it was copied from, or delete this one and train it again."
)
KEPT_BYTES = 500_000
"""Of pixels, before compression: 637 images of MNIST's size, 162 of CIFAR-10's."""
MEASURES = ("accuracy", "nll", "ink_lost", "consistency", "error_interior", "error_whole")

Bytes = NDArray[np.uint8]
Labels = NDArray[np.unsignedinteger[Any]]
Numbers = NDArray[np.float32]
Places = NDArray[np.int64]
Unit = Literal["pixels", "degrees", "factor"]
Key = tuple[Curve, str, str, float]
Share = Annotated[float, Field(ge=0, le=1)] | None
Positive = Annotated[float, Field(ge=0, allow_inf_nan=False)] | None


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a file by name; nothing in it is executed."""
    with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def write_predictions(folder: Path, logits: Numbers, labels: Labels) -> None:
    """Write the test set's logits (N, classes) and labels (N,)."""
    np.savez_compressed(folder / PREDICTIONS, logits=logits, labels=labels)


def read_predictions(path: Path) -> tuple[Numbers, Labels]:
    """The logits and labels that `write_predictions` wrote."""
    arrays = _arrays(path)
    if "classes" in arrays:
        raise RunFolderError(f"{path}: {COMPACT}")
    return arrays["logits"].astype(np.float32), arrays["labels"].astype(np.uint16)


def has_logits(path: Path) -> bool:
    """Whether predictions are logits, and not the predicted classes alone."""
    return "logits" in _arrays(path)


def write_classes(folder: Path, classes: Labels, labels: Labels) -> None:
    """Write predicted classes (N,) and labels (N,) in the place of logits and labels."""
    kind = np.min_scalar_type(max(classes.max(), labels.max()))
    predicted, true = classes.astype(kind), labels.astype(kind)
    np.savez_compressed(folder / PREDICTIONS, classes=predicted, labels=true)


def read_classes(path: Path) -> tuple[Labels, Labels]:
    """Predicted classes and labels, which `write_predictions` or `write_classes` wrote."""
    arrays = _arrays(path)
    if "classes" in arrays:
        return arrays["classes"].astype(np.uint16), arrays["labels"].astype(np.uint16)
    logits, labels = read_predictions(path)
    return logits.argmax(axis=1).astype(np.uint16), labels


def kept_pictures(logits: Numbers, labels: Labels, most: int) -> Places:
    """The images whose prediction is most likely to be right in another arm.

    Args:
        logits: (N, classes), the run's predictions.
        labels: (N,).
        most: number of images.

    Returns:
        Indices, ascending, of the wrong predictions with the narrowest margins.
    """
    wrong = np.flatnonzero(logits.argmax(axis=1) != labels)
    margins = logits[wrong].max(axis=1) - logits[wrong, labels[wrong]]
    narrowest = np.argsort(margins, kind="stable")[:most]
    return np.sort(wrong[narrowest]).astype(np.int64)


def write_pictures(folder: Path, logits: Numbers, labels: Labels, images: Bytes) -> None:
    """Write `kept_pictures`, for the images whose prediction flips between arms.

    `images` (N, H, W) or (N, C, H, W) are those of the data set, before any canvas or permutation.
    """
    indices = kept_pictures(logits, labels, KEPT_BYTES // images[0].nbytes)
    np.savez_compressed(folder / PICTURES, indices=indices, pixels=images[indices])


def read_pictures(path: Path) -> dict[int, Bytes]:
    """The pixels that `write_pictures` wrote, (H, W) or (C, H, W) by the image's index."""
    arrays = _arrays(path)
    return dict(zip(arrays["indices"].tolist(), arrays["pixels"], strict=True))


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, kw_only=True)
class CurvePoint:
    """One measured point of a curve; its fields are the columns of the table, None an empty cell.

    Attributes:
        kind: of a shift: horizontal, vertical, diagonal; of an equivariance: translation, rotation,
            scale; else empty.
        layer: of an equivariance: the planned layer's name; else empty.
        value: the shift, the angle, the factor or the size.
        jump_pixels: of an equivariance: pixels from one cell of the layer to the next.
        images: number of measured images.
        accepted: False if the network does not accept such an input; nothing is measured then.
        accuracy: a fraction of 1.
        nll: mean negative log-likelihood, nats.
        ink_lost: mean share of an image's ink that leaves the canvas.
        consistency: share of images with the same prediction twice.
        error_interior: relative equivariance error on the cells that no border reaches.
        error_whole: relative equivariance error on the whole map.
    """

    curve: Curve
    kind: str = ""
    layer: str = ""
    unit: Unit
    value: Annotated[float, Field(allow_inf_nan=False)]
    jump_pixels: int | None = None
    images: Annotated[int, Field(gt=0)]
    accepted: bool = True
    accuracy: Share = None
    nll: Positive = None
    ink_lost: Share = None
    consistency: Share = None
    error_interior: Positive = None
    error_whole: Positive = None

    @property
    def key(self) -> Key:
        """Identity of the point within its run."""
        return (self.curve, self.kind, self.layer, self.value)


COLUMNS = tuple(item.name for item in fields(CurvePoint))


def curves_table(points: Iterable[CurvePoint]) -> str:
    """A row a point, in CSV; floats are written so that they are read back unchanged."""
    file = io.StringIO()
    writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")  # None becomes an empty cell
    writer.writeheader()
    for point in points:
        writer.writerow(vars(point) | {"accepted": int(point.accepted)})
    return file.getvalue()


def write_curves(folder: Path, points: Sequence[CurvePoint]) -> None:
    """Write the measured points; without any, no file is written."""
    if points:
        (folder / CURVES).write_text(curves_table(points), encoding="utf-8")


def read_curves(path: Path) -> list[CurvePoint]:
    """The points that `write_curves` wrote."""
    with path.open(newline="", encoding="utf-8") as file:
        return points_of_rows(csv.DictReader(file, restkey="more"))


def points_of_rows(rows: Iterable[Mapping[str, str]]) -> list[CurvePoint]:
    """The points of rows of a table.

    Raises:
        ValidationError: if a row is no point.
    """
    cells = [{name: cell for name, cell in row.items() if cell} for row in rows]
    return TypeAdapter(list[CurvePoint]).validate_python(cells)


def summary_metrics(points: Iterable[CurvePoint]) -> dict[str, float]:
    """A few numbers of the curves, for `metrics.json`; those of absent curves are left out.

    Returns:
        `test/shift_accuracy`, `test/rotation_accuracy` and `test/scale_accuracy`: mean over the
        curve's points (a fraction of 1); `test/shift_consistency`: a fraction of 1;
        `test/input_sizes_accepted`: a count; `test/translation_error`, `test/rotation_error` and
        `test/scale_error`: relative equivariance error on the whole maps, mean over layers and
        points.
    """
    values: dict[str, list[float]] = {}
    for point in points:
        name, value = f"{point.curve}_accuracy", point.accuracy
        match point.curve:
            case Curve.consistency:
                name, value = "shift_consistency", point.consistency
            case Curve.equivariance:
                name, value = f"{point.kind}_error", point.error_whole
            case Curve.input_size:
                name, value = "input_sizes_accepted", float(point.accepted)
        if value is not None:
            values.setdefault(f"test/{name}", []).append(value)
    return {
        name: float(np.sum(found) if name == "test/input_sizes_accepted" else np.mean(found))
        for name, found in values.items()
    }


@dataclass(frozen=True)
class Introspection:
    """Filters, response maps and use of pixels of one trained network.

    Measured on a few test images, the same for every arm. Positions are those of the network's
    input, after any canvas or permutation.

    Attributes:
        images: uint8 (M, H, W) or (M, C, H, W), the shown images, as the network's input.
        indices: (M,), their indices in the test set.
        labels: (M,), their classes.
        filters: (F, C, f_h, f_w), the first filters of the first layer; if a layer does not share
            its weights, those of the output in the middle.
        maps: by layer (M, K, H', W'), its first channels' responses to the images, in the order of
            the layers.
        reads: by layer how often its cells read each row (H,) and each column (W,) of the image; a
            pixel is read as often as its row's count times its column's.
        fields: by layer [[top, bottom], [left, right]], the receptive field of the cell in the
            middle of its map; pixels beyond the image are padding.
        gradient_images: number of test images that the gradients are means over.
        gradient: (H, W), mean |∂ largest logit / ∂ pixel|, pixels from 0 to 1, summed over the
            image's channels.
        middle_gradient: (H, W), mean |∂ middle cell / ∂ pixel| of the last map, summed over its
            channels before the derivative; None for a network without maps.
    """

    images: Bytes
    indices: Places
    labels: Places
    filters: Numbers
    maps: Mapping[str, Numbers]
    reads: Mapping[str, tuple[Places, Places]]
    fields: Mapping[str, Places]
    gradient_images: int
    gradient: Numbers
    middle_gradient: Numbers | None


def _half(values: Numbers) -> NDArray[np.float16]:
    largest = np.finfo(np.float16).max
    return np.clip(values, -largest, largest).astype(np.float16)


def write_introspection(folder: Path, inside: Introspection) -> None:
    """Write the measurements; filters and maps in half precision."""
    names = ("images", "indices", "labels", "gradient_images", "gradient", "middle_gradient")
    arrays = {name: getattr(inside, name) for name in names}
    if inside.middle_gradient is None:
        del arrays["middle_gradient"]
    arrays["filters"] = _half(inside.filters)
    arrays |= {f"map/{layer}": _half(values) for layer, values in inside.maps.items()}
    arrays |= {f"reads_of_rows/{layer}": rows for layer, (rows, _) in inside.reads.items()}
    arrays |= {f"reads_of_columns/{layer}": columns for layer, (_, columns) in inside.reads.items()}
    arrays |= {f"field/{layer}": intervals for layer, intervals in inside.fields.items()}
    np.savez_compressed(folder / INSIDE, **arrays)


def read_introspection(path: Path) -> Introspection:
    """The measurements that `write_introspection` wrote."""
    arrays = _arrays(path)

    def by_layer(prefix: str, kind: type[Any]) -> dict[str, Any]:
        return {
            name.removeprefix(prefix): values.astype(kind)
            for name, values in arrays.items()
            if name.startswith(prefix)
        }

    rows, columns = by_layer("reads_of_rows/", np.int64), by_layer("reads_of_columns/", np.int64)
    middle = arrays.get("middle_gradient")
    return Introspection(
        images=arrays["images"],
        indices=arrays["indices"].astype(np.int64),
        labels=arrays["labels"].astype(np.int64),
        filters=arrays["filters"].astype(np.float32),
        maps=by_layer("map/", np.float32),
        reads={layer: (rows[layer], columns[layer]) for layer in rows},
        fields=by_layer("field/", np.int64),
        gradient_images=int(arrays["gradient_images"]),
        gradient=arrays["gradient"].astype(np.float32),
        middle_gradient=None if middle is None else middle.astype(np.float32),
    )
