"""The rules of `conv`, `downsample` and `model`: what their values may be, and go together with.

Values that may be one number or two are given their canonical form here. Whether layers fit an
image of some size is checked in `networks.plan`.
"""

import difflib
from dataclasses import dataclass, replace

from convchoice.config.pairs import PairValue, canonical_pair, is_pair_value, pair_of, shown
from convchoice.config.schema import (
    Config,
    ConvConfig,
    DownsampleConfig,
    FirstLayer,
    ModelConfig,
    Operator,
    Padding,
)
from convchoice.errors import require

SMALLEST_WEIGHTED_WINDOW = 3
MOST_FILTERS = 100_000
# These lay no window that could be padded: a convolution takes the pooling's place.
UNPADDED = (Operator.strided, Operator.all_conv, Operator.none)


@dataclass(frozen=True)
class Setting:
    """A key that has an effect beside some values of other keys only.

    Attributes:
        name: dotted name of the key.
        group: the part of the configuration that holds it.
        used: whether it has an effect in this configuration.
        users: what would use it, for the message.
    """

    name: str
    group: object
    used: bool
    users: str


def _canonical_padding(value: object) -> Padding | PairValue:
    """A word as `Padding`, pixels in their canonical form; 0 is `valid`, whatever it was called.

    Raises:
        ConfigurationError: for anything else.
    """
    if isinstance(value, Padding):
        return value
    words = [padding.name for padding in Padding]
    if isinstance(value, str) and value in words:
        return Padding[value]
    close = difflib.get_close_matches(str(value), words, n=1)
    require(
        is_pair_value(value, 0),
        "conv.padding",
        value,
        f"expected one of [{', '.join(words)}], a whole number of at least 0, or [height, width] of"
        " two such numbers.",
        f"Did you mean {close[0]}?" if close else "",
    )
    pixels = canonical_pair("conv.padding", value, 0)
    return Padding.valid if pixels == 0 else pixels


def _canonical_convolution(config: ConvConfig) -> ConvConfig:
    kernel_size = canonical_pair("conv.kernel_size", config.kernel_size, 1)
    padding = _canonical_padding(config.padding)
    if not isinstance(padding, Padding):
        kernel, pixels = pair_of(kernel_size), pair_of(padding)
        most = (kernel[0] - 1, kernel[1] - 1)
        require(
            pixels[0] <= most[0] and pixels[1] <= most[1],
            "conv.padding",
            padding,
            f"may be at most the kernel size less 1 ({shown(most)} for a kernel of"
            f" {shown(kernel)}), or an output would see padding alone.",
            "Use conv.padding=full for the most that there is.",
        )
    stride = canonical_pair("conv.stride", config.stride, 1)
    return replace(config, kernel_size=kernel_size, padding=padding, stride=stride)


def _check_downsample(config: DownsampleConfig) -> None:
    operator = config.operator
    require(
        operator is not Operator.weighted or config.window >= SMALLEST_WEIGHTED_WINDOW,
        "downsample.window",
        config.window,
        "all pixels of a window this small lie at the same distance from its centre, so that"
        " weighting by distance is exactly average pooling.",
        "Use downsample=average, or a window of 3 or more.",
    )
    require(
        operator is not Operator.max_blur or config.kernel_size > 1,
        "downsample.kernel_size",
        config.kernel_size,
        "a blur of one pixel is none, so that max_blur is exactly max pooling.",
        "Use downsample=max, or a kernel_size of 2 or more.",
    )
    require(
        operator is not Operator.maxout or config.pieces > 1,
        "downsample.pieces",
        config.pieces,
        "the largest of one answer is that answer, so that maxout is exactly max pooling.",
        "Use downsample=max, or 2 pieces or more.",
    )
    require(
        config.padding <= config.window // 2,
        "downsample.padding",
        config.padding,
        f"may be at most half the window ({config.window // 2} for a window of {config.window}),"
        " or a window could lie wholly on padding.",
    )
    require(
        operator not in UNPADDED or config.padding == 0,
        "downsample.padding",
        config.padding,
        f"{operator.name} has no pooling window to pad; it must be 0.",
    )


def _check_model(config: ModelConfig) -> None:
    require(bool(config.filters), "model.filters", config.filters, "needs at least one block.")
    for filters in config.filters:
        require(
            1 <= filters <= MOST_FILTERS,
            "model.filters",
            list(config.filters),
            f"each block needs at least 1 filter and may have {MOST_FILTERS:,}.",
        )
    blocks = range(1, len(config.filters) + 1)
    for block in config.downsample_after:
        require(
            block in blocks,
            "model.downsample_after",
            list(config.downsample_after),
            f"the model's blocks are numbered 1 to {len(config.filters)}.",
        )
    require(
        len(set(config.downsample_after)) == len(config.downsample_after),
        "model.downsample_after",
        list(config.downsample_after),
        "names a block twice.",
    )


def checked_blocks(config: Config) -> Config:
    """The configuration with its blocks' values checked and in their canonical form.

    Raises:
        ConfigurationError: naming the first field that is not legal, the rule and the mend.
    """
    config = replace(config, conv=_canonical_convolution(config.conv))
    _check_downsample(config.downsample)
    _check_model(config.model)
    return config


def _some_convolution_pads(config: Config) -> bool:
    """Whether a learned convolution finds padding, so that it matters what stands there."""
    conv, downsample, model = config.conv, config.downsample, config.model
    # A dense first layer has no border.
    convolving = model.first_layer is not FirstLayer.dense or len(model.filters) > 1
    if convolving and conv.padding is not Padding.valid and conv.kernel_size != 1:
        return True
    if not model.downsample_after:
        return False
    extra = downsample.operator is Operator.conv_pool and downsample.kernel_size > 1
    return extra or (downsample.operator is Operator.depthwise and downsample.padding > 0)


def block_settings(config: Config) -> tuple[Setting, ...]:
    """The keys of the blocks that other keys can leave without effect."""
    conv, downsample = config.conv, config.downsample
    operator = downsample.operator
    sided = operator in {Operator.all_conv, Operator.conv_pool, Operator.max_blur}
    return (
        Setting("downsample.sigma", downsample, operator is Operator.weighted, "weighted pooling"),
        Setting("downsample.kernel_size", downsample, sided, "all_conv, conv_pool and max_blur"),
        Setting("downsample.pieces", downsample, operator is Operator.maxout, "maxout"),
        Setting(
            "conv.padding_mode",
            conv,
            _some_convolution_pads(config),
            "conv.padding=same, full or pixels, or another padded convolution",
        ),
    )
