"""The measured points of a run's curves, and their table: one row a point, in long form.

    curve           shift, rotation, scale, consistency, equivariance or input_size
    kind            of a shift: horizontal, vertical, diagonal; of an equivariance: translation,
                    rotation, scale; else empty
    layer           of an equivariance: the planned layer's name; else empty
    unit            of `value`: pixels, degrees or factor
    value           how far, how much, how large
    jump_pixels     of an equivariance: pixels from one cell of the layer to the next
    images          measured
    accepted        1, or 0 where the network does not take such an input: nothing is measured then
    accuracy        a fraction of 1
    nll             mean negative log-likelihood, nats
    ink_lost        mean share of an image's ink that leaves the canvas
    consistency     share of images that get one answer twice
    error_interior  relative equivariance error on the cells that no border reaches
    error_whole     relative equivariance error on the whole map

What a point does not have is empty. Never imports torch; files are opened by `run_folder` alone.
"""

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

import numpy as np

from convchoice.config.schema import Curve
from convchoice.errors import RunFolderError

UNITS = ("pixels", "degrees", "factor")
SHARES = ("accuracy", "ink_lost", "consistency")
"""Measures between 0 and 1; the others are only known not to be negative."""
MEASURES = ("accuracy", "nll", "ink_lost", "consistency", "error_interior", "error_whole")
FIX = "Evaluate the run again: convchoice evaluate."

Key = tuple[Curve, str, str, float]


@dataclass(frozen=True)
class CurvePoint:
    """One measured point; its fields are the table's columns."""

    curve: Curve
    kind: str
    layer: str
    unit: str
    value: float
    jump_pixels: int | None
    images: int
    accepted: bool = True
    accuracy: float | None = None
    nll: float | None = None
    ink_lost: float | None = None
    consistency: float | None = None
    error_interior: float | None = None
    error_whole: float | None = None

    @property
    def key(self) -> Key:
        """What tells it from the other points of a run."""
        return (self.curve, self.kind, self.layer, self.value)


COLUMNS = tuple(item.name for item in fields(CurvePoint))


def table_text(points: Iterable[CurvePoint]) -> str:
    """The table as CSV; floats are written so that they read back the same."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    for point in points:
        row = [getattr(point, name) for name in COLUMNS]
        row[COLUMNS.index("curve")] = point.curve.name
        row[COLUMNS.index("accepted")] = int(point.accepted)
        writer.writerow("" if cell is None else cell for cell in row)
    return file.getvalue()


def _number(text: str) -> float | None:
    if not text:
        return None
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is not finite")
    return number


def _point(row: Sequence[str]) -> CurvePoint:
    """The typed form of a row; ValueError or KeyError for anything that `table_text` cannot write.

    A measure out of its range is refused too: such a table was not written here.
    """
    if len(row) != len(COLUMNS):
        raise ValueError(f"{len(row)} cells instead of {len(COLUMNS)}")
    cells = dict(zip(COLUMNS, row, strict=True))
    numbers = {name: _number(cells[name]) for name in ("value", *MEASURES)}
    value = numbers.pop("value")
    if value is None or cells["unit"] not in UNITS or cells["accepted"] not in {"0", "1"}:
        raise ValueError("value, unit or accepted is not legal")
    for name, number in numbers.items():
        most = 1.0 if name in SHARES else math.inf
        if number is not None and not 0 <= number <= most:
            raise ValueError(f"{name} = {number} is out of its range")
    images = int(cells["images"])
    if images < 1:
        raise ValueError(f"images = {images} is out of its range")
    return CurvePoint(
        curve=Curve[cells["curve"]],
        kind=cells["kind"],
        layer=cells["layer"],
        unit=cells["unit"],
        value=value,
        jump_pixels=int(cells["jump_pixels"]) if cells["jump_pixels"] else None,
        images=images,
        accepted=cells["accepted"] == "1",
        **numbers,
    )


def points_of_table(text: str, origin: str) -> list[CurvePoint]:
    """The points of a table's text.

    Args:
        text: as `table_text` gives it.
        origin: the file's name, for the messages.

    Raises:
        RunFolderError: for other columns, a row that is cut short or not legal, or a point twice.
    """
    rows = list(csv.reader(io.StringIO(text)))
    if not rows or tuple(rows[0]) != COLUMNS:
        raise RunFolderError(f"{origin}: has not the columns {', '.join(COLUMNS)}. {FIX}")
    points = []
    for number, row in enumerate(rows[1:], start=2):
        try:
            points.append(_point(row))
        except (KeyError, ValueError) as error:
            raise RunFolderError(f"{origin}: line {number}: {error}. {FIX}") from error
    if len({point.key for point in points}) != len(points):
        raise RunFolderError(f"{origin}: has a point twice. {FIX}")
    return points


def summary_metrics(points: Sequence[CurvePoint]) -> dict[str, float]:
    """A few numbers of the curves, for `metrics.json`, those of absent curves left out.

    Returns:
        `test/shift_accuracy`, `test/rotation_accuracy` and `test/scale_accuracy`: the mean over the
        curve's points (a fraction of 1); `test/shift_consistency`: a fraction of 1;
        `test/input_sizes_accepted`: a count; `test/translation_error`, `test/rotation_error` and
        `test/scale_error`: the relative equivariance error on the whole maps, mean over layers and
        points.
    """
    found: dict[str, float] = {}

    def put(name: str, values: Iterable[float | None]) -> None:
        measured = [value for value in values if value is not None]
        if measured:
            found[f"test/{name}"] = float(np.mean(measured))

    by_curve = {curve: [point for point in points if point.curve is curve] for curve in Curve}
    for curve in (Curve.shift, Curve.rotation, Curve.scale):
        put(f"{curve.name}_accuracy", (point.accuracy for point in by_curve[curve]))
    put("shift_consistency", (point.consistency for point in by_curve[Curve.consistency]))
    sizes = by_curve[Curve.input_size]
    if sizes:
        found["test/input_sizes_accepted"] = float(sum(point.accepted for point in sizes))
    for kind in ("translation", "rotation", "scale"):
        errors = by_curve[Curve.equivariance]
        put(f"{kind}_error", (point.error_whole for point in errors if point.kind == kind))
    return found
