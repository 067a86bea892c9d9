"""The measured points of a run's curves, and their table: one row a point, in long form.

Never imports torch; the file is opened by `run` and `run_folder`.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter, with_config

from convchoice.config.schema import Curve

MEASURES = ("accuracy", "nll", "ink_lost", "consistency", "error_interior", "error_whole")
FIX = "Evaluate the run again: convchoice evaluate."

Unit = Literal["pixels", "degrees", "factor"]
Key = tuple[Curve, str, str, float]
Share = Annotated[float, Field(ge=0, le=1)] | None
Positive = Annotated[float, Field(ge=0, allow_inf_nan=False)] | None


def _curve(value: str | Curve) -> Curve:
    return Curve[value] if isinstance(value, str) else value


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True)
class CurvePoint:
    """One measured point; its fields are the columns of the table, None an empty cell.

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

    curve: Annotated[Curve, BeforeValidator(_curve)]
    kind: str
    layer: str
    unit: Unit
    value: Annotated[float, Field(allow_inf_nan=False)]
    jump_pixels: int | None
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


def table_text(points: Iterable[CurvePoint]) -> str:
    """The table as CSV; floats are written so that they are read back unchanged."""
    file = io.StringIO()
    writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")  # None becomes an empty cell
    writer.writeheader()
    for point in points:
        coded = {"curve": point.curve.name, "accepted": int(point.accepted)}
        writer.writerow(vars(point) | coded)
    return file.getvalue()


def points_of_table(path: Path) -> list[CurvePoint]:
    """The points of a file that holds a `table_text`.

    Raises:
        Exception: of any type, if it holds anything else.
    """
    with path.open(newline="", encoding="utf-8") as file:
        return points_of_rows(csv.DictReader(file, restkey="more"))


def points_of_rows(rows: Iterable[Mapping[str, str]]) -> list[CurvePoint]:
    """The points of rows of a table.

    Raises:
        ValidationError: if a row is no point.
    """
    empty = {"kind": "", "layer": "", "jump_pixels": None}
    cells = [{name: cell for name, cell in row.items() if cell} for row in rows]
    return TypeAdapter(list[CurvePoint]).validate_python([empty | row for row in cells])


def _summarised(point: CurvePoint) -> tuple[str, float | None]:
    """The metric that a point contributes to, and its value there."""
    match point.curve:
        case Curve.consistency:
            return "test/shift_consistency", point.consistency
        case Curve.equivariance:
            return f"test/{point.kind}_error", point.error_whole
        case Curve.input_size:
            return "test/input_sizes_accepted", point.accepted
        case _:
            return f"test/{point.curve.name}_accuracy", point.accuracy


def summary_metrics(points: Sequence[CurvePoint]) -> dict[str, float]:
    """A few numbers of the curves, for `metrics.json`; those of absent curves are left out.

    Returns:
        `test/shift_accuracy`, `test/rotation_accuracy` and `test/scale_accuracy`: mean over the
        curve's points (a fraction of 1); `test/shift_consistency`: a fraction of 1;
        `test/input_sizes_accepted`: a count; `test/translation_error`, `test/rotation_error` and
        `test/scale_error`: relative equivariance error on the whole maps, mean over layers and
        points.
    """
    values: dict[str, list[float]] = {}
    for name, value in map(_summarised, points):
        if value is not None:
            values.setdefault(name, []).append(value)
    return {
        name: float(np.sum(found) if name == "test/input_sizes_accepted" else np.mean(found))
        for name, found in values.items()
    }
