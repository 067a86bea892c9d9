"""Networks from inside in `comparison.json`: filters, responses, receptive fields, use of pixels.

A ring is the set of pixels at one distance from the nearest border, from 0. The value of a ring is
relative: 1 is the mean pixel of the image.
"""

from convchoice.analysis.arrays import ImagePixels, PackedArray
from convchoice.analysis.model import Count, Model
from convchoice.analysis.result_curves import Band


class ShownImage(ImagePixels):
    """The test image of the responses, the same in every arm."""

    index: Count
    """Index in the test set."""
    label: Count
    """True class."""


class LayerMap(PackedArray):
    """Responses of a layer's first channels to the image, (channels, height, width)."""

    layer: str
    """The layer's name."""


class ReceptiveField(Model):
    """Pixels that the middle cell of a layer sees; beyond the image they are padding."""

    layer: str
    """The layer's name."""
    rows: tuple[int, int]
    """First and last row."""
    columns: tuple[int, int]
    """First and last column."""


class PixelReads(Model):
    """How often a layer's cells read each pixel, by geometry alone."""

    layer: str
    """The layer's name."""
    rows: list[Count]
    """Reads of each row; a pixel is read rows × columns times."""
    columns: list[Count]
    """Reads of each column."""
    rings: list[float]
    """Mean reads in each ring, from the border inwards, relative to the mean pixel."""


class Gradient(PackedArray):
    """Mean absolute gradient of the largest logit by pixel, relative to the mean pixel."""

    n: Count
    """Seeds."""
    images: Count
    """Test images that the gradient is averaged over."""
    rings: Band
    """Mean in each ring over seeds."""


class Estimate(Model):
    """A mean and its 95 % t interval."""

    mean: float
    """Mean over seeds."""
    low: float | None
    """Lower bound; null for a single seed."""
    high: float | None
    """Upper bound; null for a single seed."""


class MiddleGradient(PackedArray):
    """Mean absolute gradient of the last map's middle cell by pixel, as shares of the sum."""

    n: Count
    """Seeds."""
    images: Count
    """Test images that the gradient is averaged over."""
    half_pixels: Estimate
    """Pixels, strongest first, that hold half of the sum."""


class Introspection(Model):
    """What an arm's networks look like from inside."""

    seed: Count
    """The seed whose filters and maps are shown: the lowest that recorded them."""
    image: ShownImage
    """The image of `maps`."""
    filters: PackedArray
    """First filters of the first layer, (filters, channels, height, width)."""
    maps: list[LayerMap]
    """Responses of each block's stages."""
    fields: list[ReceptiveField]
    """Receptive fields; empty behind a dense first layer."""
    reads: list[PixelReads]
    """Reads of the first and of the last map; empty behind a dense first layer."""
    gradient: Gradient
    """Use of pixels as learned."""
    middle_gradient: MiddleGradient | None = None
    """The effective receptive field; null behind a dense first layer."""
