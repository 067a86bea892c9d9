"""What the result's models are made of: the base model, names, counts, intervals, arrays."""

import base64
import binascii
import math
from collections.abc import Iterable, Sized
from enum import StrEnum
from typing import Annotated, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from convchoice.config.field_types import NAME_PATTERN

Name = Annotated[str, Field(pattern=f"^{NAME_PATTERN.pattern}$")]
"""Name of an arm or a study."""
Count = Annotated[int, Field(ge=0)]
Probability = Annotated[float, Field(ge=0, le=1)]
Matrix = list[list[int]]
MOST_SEEDS = 1_000_000
"""No number of seeds above this is computed."""
STEPS = 127
"""Steps of a packed value to each side of 0."""
Shape = Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1, max_length=4)]


class Scale(StrEnum):
    """The scale on which an interval of a mean is computed, so that it stays where values can be.

    natural: any number; log: above 0 (losses, counts); logit: between 0 and 1 (accuracies).
    """

    natural = "natural"
    log = "log"
    logit = "logit"


class Interval(NamedTuple):
    """A two-sided interval, in the unit of the values that it was computed from."""

    low: float
    high: float


class Model(BaseModel):
    """A part of a result: immutable, finite numbers, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def same_length(what: str, items: Iterable[Sized]) -> None:
    """Raise ValueError unless all items have the same length."""
    lengths = [len(item) for item in items]
    if len(set(lengths)) > 1:
        raise ValueError(f"{what} must have the same length, not {lengths}.")


def _decoded(text: str, shape: list[int]) -> bytes:
    try:
        content = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"is not base64: {error}") from error
    if len(content) != math.prod(shape):
        raise ValueError(f"holds {len(content)} values, and its shape is {shape}.")
    return content


def _encoded(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


class PackedArray(Model):
    """An array of numbers; a signed byte q is the value largest · q / 127."""

    shape: Shape = Field(description="Sizes of the axes.")
    largest: float = Field(ge=0, description="Largest absolute value.")
    values_base64: str = Field(description="Signed bytes in row-major order, as base64.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        _decoded(self.values_base64, self.shape)
        return self

    @classmethod
    def of(cls, values: ArrayLike, **fields: object) -> Self:
        """Pack an array, with the other fields of a subclass."""
        array = np.asarray(values, dtype=np.float64)
        largest = float(np.abs(array).max())
        steps = np.rint(STEPS * array / (largest or 1.0)).astype(np.int8)
        packed = {"largest": largest, "values_base64": _encoded(steps.tobytes())}
        return cls.model_validate({"shape": list(array.shape), **packed, **fields})

    def unpacked(self) -> NDArray[np.float64]:
        """The array; each value is within half a 127th of the largest."""
        steps = np.frombuffer(_decoded(self.values_base64, self.shape), dtype=np.int8)
        values: NDArray[np.float64] = self.largest * steps.reshape(self.shape).astype(np.float64)
        return values / STEPS


class ImagePixels(Model):
    """An image as the network receives it."""

    shape: Shape = Field(description="(height, width) or (channels, height, width).")
    pixels_base64: str = Field(description="Unsigned bytes in row-major order, as base64.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        _decoded(self.pixels_base64, self.shape)
        return self

    @classmethod
    def of(cls, pixels: NDArray[np.uint8], **fields: object) -> Self:
        """The stored form of an image, with the other fields of a subclass."""
        stored = {"shape": list(pixels.shape), "pixels_base64": _encoded(pixels.tobytes())}
        return cls.model_validate({**stored, **fields})

    def pixels(self) -> NDArray[np.uint8]:
        """The pixels, uint8, in the image's shape."""
        content = _decoded(self.pixels_base64, self.shape)
        return np.frombuffer(content, dtype=np.uint8).reshape(self.shape)
