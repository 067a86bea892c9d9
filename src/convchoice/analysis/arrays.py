"""Arrays inside a JSON result: small numbers as signed bytes, images as bytes, both in base64."""

import base64
import binascii
import math
from typing import Annotated, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, model_validator

from convchoice.analysis.model import Model

STEPS = 127
"""Steps of a packed value to each side of 0."""
Shape = Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1, max_length=4)]


def _decoded(text: str, shape: list[int]) -> bytes:
    try:
        content = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"is not base64: {error}") from error
    if len(content) != math.prod(shape):
        raise ValueError(f"holds {len(content)} values, and its shape is {shape}.")
    return content


class PackedArray(Model):
    """An array of numbers; a signed byte q is the value largest · q / 127."""

    shape: Shape
    """Sizes of the axes."""
    largest: float = Field(ge=0)
    """Largest absolute value."""
    values_base64: str
    """Signed bytes in row-major order, as base64."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        _decoded(self.values_base64, self.shape)
        return self

    def unpacked(self) -> NDArray[np.float64]:
        """The array; each value is within half a 127th of the largest."""
        steps = np.frombuffer(_decoded(self.values_base64, self.shape), dtype=np.int8)
        values: NDArray[np.float64] = self.largest * steps.reshape(self.shape).astype(np.float64)
        return values / STEPS


def packed(values: ArrayLike) -> PackedArray:
    """Pack an array; see `PackedArray`."""
    array = np.asarray(values, dtype=np.float64)
    largest = float(np.abs(array).max())
    steps = np.rint(STEPS * array / (largest or 1.0)).astype(np.int8)
    return PackedArray(
        shape=list(array.shape),
        largest=largest,
        values_base64=base64.b64encode(steps.tobytes()).decode("ascii"),
    )


class ImagePixels(Model):
    """An image as the network receives it."""

    shape: Shape
    """(height, width) or (channels, height, width)."""
    pixels_base64: str
    """Unsigned bytes in row-major order, as base64."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        _decoded(self.pixels_base64, self.shape)
        return self

    def pixels(self) -> NDArray[np.uint8]:
        """The pixels, uint8, in the image's shape."""
        content = _decoded(self.pixels_base64, self.shape)
        return np.frombuffer(content, dtype=np.uint8).reshape(self.shape)


def image_pixels(pixels: NDArray[np.uint8]) -> ImagePixels:
    """The stored form of an image."""
    text = base64.b64encode(pixels.tobytes()).decode("ascii")
    return ImagePixels(shape=list(pixels.shape), pixels_base64=text)
