"""Read, check and write configurations: the rules between keys.

`schema` declares the keys, their types and legal values. Here are the rules that need more than one
key. Whether layers fit an image is the network plan's question.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import Any

from convchoice.config.datasets import CLASSES, spec_of
from convchoice.config.legal_values import NAME, check_values, is_size
from convchoice.config.mapping import from_mapping, plain_values
from convchoice.config.pairs import PairValue, once, pair_of, shown
from convchoice.config.schema import (
    LARGEST_SIDE,
    Config,
    ConvConfig,
    Curve,
    DataConfig,
    DownsampleConfig,
    EvaluationConfig,
    FirstLayer,
    ModelConfig,
    Operator,
    OptimizerName,
    Padding,
)
from convchoice.errors import did_you_mean, require

PROJECT_ROOT = Path(__file__).resolve().parents[3]
CONF_DIR = PROJECT_ROOT / "conf"

SMALLEST_WEIGHTED_WINDOW = 3
# A convolution replaces the pooling: there is no window to pad.
UNPADDED = (Operator.strided, Operator.all_conv, Operator.none)


def config_from_mapping(values: Mapping[str, Any], origin: str = "configuration") -> Config:
    """The typed, checked configuration of resolved plain values.

    Args:
        values: as `config_to_mapping` returns them, or a resolved Hydra configuration; `scale` is
            ignored.
        origin: where they come from (a file's name), for messages.

    Raises:
        ConfigurationError: for an unknown key, a wrong type, an illegal value or combination.
    """
    known = {key: value for key, value in values.items() if key != "scale"}
    return validated(from_mapping(Config, known, origin))


def config_to_mapping(config: Config, *, run: bool = True) -> dict[str, Any]:
    """Plain values of a configuration, ready for YAML, without `scale`.

    Args:
        config: the configuration.
        run: True for one run (has `seed`, not `seeds`), False for an arm (`seeds`, not `seed`).
    """
    return {
        item.name: plain_values(getattr(config, item.name))
        for item in dataclasses.fields(config)
        if item.name not in {"scale", "seeds" if run else "seed"}
    }


def check_name(name: str, value: object) -> None:
    """Refuse a name that cannot be a folder's or a heading's.

    Raises:
        ConfigurationError: unless the value is a legal name (`legal_values.NAME`).
    """
    NAME.check(name, value)


def validated(config: Config) -> Config:
    """Check legal values and the rules between keys.

    Returns:
        The same configuration, with sizes in their canonical form.

    Raises:
        ConfigurationError: naming the first illegal field, its value, the rule and the fix.
    """
    check_values(config)
    config = checked_blocks(config)
    _check_data(config.data)
    _check_evaluation(config.evaluation, permuted=config.data.permutation_seed is not None)
    precision, together = config.trainer.precision, config.trainer.seeds_together
    require(
        precision != "16-mixed" or together in {None, 1}, "trainer.seeds_together", together,
        "in 16-mixed each seed needs a loss scale of its own.",
        "Use trainer.seeds_together=1, or another precision.",
    )  # fmt: skip
    _check_effects(config)
    return config


def checked_blocks(config: Config) -> Config:
    """The rules of `conv`, `downsample` and `model`, and the canonical form of sizes."""
    config = replace(config, conv=_canonical_convolution(config.conv))
    _check_downsample(config.downsample)
    _check_model(config.model)
    return config


def _check_data(config: DataConfig) -> None:
    spec = spec_of(config)
    require(
        config.fallback in {None, spec.fallback}, "data.fallback",
        config.fallback and config.fallback.name,
        f"scikit-learn's digits can replace MNIST, not {spec.short_title}.",
        f"Choose the data set by its option, data={spec.name}, or set data.fallback=null.",
    )  # fmt: skip
    size = config.train_size
    require(
        size is None or size >= CLASSES, "data.train_size", size,
        f"must be at least {CLASSES}: one image of each class.",
    )  # fmt: skip
    held_out, most = config.validation_size, spec.train_size - CLASSES
    require(
        not held_out or CLASSES <= held_out <= most, "data.validation_size", held_out,
        f"a stratified choice needs {CLASSES} to {most:,} of {spec.short_title}'s images.",
        "0 holds out none.",
    )  # fmt: skip
    side = spec.image_shape[-1]
    require(
        config.canvas is None or side < config.canvas, "data.canvas", config.canvas,
        f"must be larger than the {side} pixels of {spec.short_title}'s images and at most"
        f" {LARGEST_SIDE}.", "Leave it out for images of their own size.",
    )  # fmt: skip


def _canonical_convolution(config: ConvConfig) -> ConvConfig:
    kernel_size, stride = _canonical(config.kernel_size), _canonical(config.stride)
    padding = _canonical_padding(config.padding)
    if not isinstance(padding, Padding):
        kernel, pixels = pair_of(kernel_size), pair_of(padding)
        most = (kernel[0] - 1, kernel[1] - 1)
        require(
            pixels[0] <= most[0] and pixels[1] <= most[1], "conv.padding", padding,
            f"may be at most the kernel size less 1 ({shown(most)} for a kernel of"
            f" {shown(kernel)}), or an output would see padding alone.",
            "Use conv.padding=full for the largest padding.",
        )  # fmt: skip
    return replace(config, kernel_size=kernel_size, padding=padding, stride=stride)


def _canonical(value: Any) -> PairValue:
    return once((value[0], value[1])) if isinstance(value, list | tuple) else value


def _canonical_padding(value: Any) -> Padding | PairValue:
    """A word as `Padding`, pixels in canonical form; 0 is `valid`."""
    words = [padding.name for padding in Padding]
    if isinstance(value, str) and value in words:
        return Padding[value]
    require(
        isinstance(value, Padding) or is_size(value, 0, LARGEST_SIDE), "conv.padding", value,
        f"must be one of {', '.join(words)}, a whole number from 0 to {LARGEST_SIDE}, or [height,"
        " width] of two such numbers.", did_you_mean(value, words),
    )  # fmt: skip
    pixels = value if isinstance(value, Padding) else _canonical(value)
    return Padding.valid if pixels == 0 else pixels


def _check_downsample(config: DownsampleConfig) -> None:
    operator = config.operator
    require(
        operator is not Operator.weighted or config.window >= SMALLEST_WEIGHTED_WINDOW,
        "downsample.window", config.window,
        "all pixels of a window this small lie at the same distance from its centre, so that"
        " weighting by distance is exactly average pooling.",
        "Use downsample=average, or a window of 3 or more.",
    )  # fmt: skip
    require(
        operator is not Operator.max_blur or config.kernel_size > 1,
        "downsample.kernel_size", config.kernel_size,
        "a blur of one pixel changes nothing, so that max_blur is exactly max pooling.",
        "Use downsample=max, or a kernel_size of 2 or more.",
    )  # fmt: skip
    require(
        operator is not Operator.maxout or config.pieces > 1, "downsample.pieces", config.pieces,
        "with one piece, maxout is exactly max pooling.", "Use downsample=max, or more pieces.",
    )  # fmt: skip
    most = 0 if operator in UNPADDED else config.window // 2
    reason = (
        f"{operator.name} has no pooling window to pad; it must be 0."
        if operator in UNPADDED
        else f"may be at most half the window ({most} for a window of {config.window}), or a window"
        " could lie wholly on padding."
    )
    require(config.padding <= most, "downsample.padding", config.padding, reason)


def _check_model(config: ModelConfig) -> None:
    blocks = len(config.filters)
    require(blocks > 0, "model.filters", config.filters, "needs at least one block.")
    numbers = config.downsample_after
    require(
        all(1 <= number <= blocks for number in numbers), "model.downsample_after", numbers,
        f"the model's blocks are numbered 1 to {blocks}.",
    )  # fmt: skip
    require(
        len(set(numbers)) == len(numbers), "model.downsample_after", numbers,
        "names a block twice.",
    )  # fmt: skip


def _check_evaluation(config: EvaluationConfig, *, permuted: bool) -> None:
    names = [curve.name for curve in config.curves]
    require(len(set(names)) == len(names), "evaluation.curves", names, "names a curve twice.")
    require(
        bool(names) or config.images is None, "evaluation.images", config.images,
        "has an effect only with evaluation.curves: the clean predictions are of all test images.",
        "Leave evaluation.images out, or choose curves: evaluation=curves.",
    )  # fmt: skip
    spatial = [name for name in names if Curve[name] in {Curve.equivariance, Curve.input_size}]
    require(
        not (permuted and spatial), "evaluation.curves", ", ".join(spatial),
        "cannot be evaluated with data.permutation_seed: it needs neighbouring pixels.",
        "Leave the curves or data.permutation_seed out.",
    )  # fmt: skip


def _check_effects(config: Config) -> None:
    """Refuse a value that has no effect: two arms that differ in it alone would be the same."""
    for name, users in _without_effect(config):
        group, _, key = name.partition(".")
        value = getattr(getattr(config, group), key)
        default = getattr(getattr(Config(), group), key)
        require(
            value == default, name, value.name if isinstance(value, Enum) else value,
            f"has an effect only with {users}.", f"Leave {name} out, or choose what uses it.",
        )  # fmt: skip


def _without_effect(config: Config) -> Iterator[tuple[str, str]]:
    """The keys that have no effect in a configuration, and what would use them."""
    operator, optimizer = config.downsample.operator, config.optimizer.name
    if operator is not Operator.weighted:
        yield "downsample.sigma", "weighted pooling"
    if operator not in {Operator.all_conv, Operator.conv_pool, Operator.max_blur}:
        yield "downsample.kernel_size", "all_conv, conv_pool and max_blur"
    if operator is not Operator.maxout:
        yield "downsample.pieces", "maxout"
    if not _some_convolution_pads(config):
        yield (
            "conv.padding_mode",
            "conv.padding=same, full or pixels, or another padding",
        )
    if optimizer is not OptimizerName.rmsprop:
        yield "optimizer.rho", "rmsprop"
    if optimizer is OptimizerName.adam:
        yield "optimizer.momentum", "rmsprop and sgd"
    if optimizer is OptimizerName.sgd:
        yield "optimizer.epsilon", "rmsprop and adam"


def _some_convolution_pads(config: Config) -> bool:
    conv, downsample, model = config.conv, config.downsample, config.model
    # A dense first layer has no border.
    convolves = model.first_layer is not FirstLayer.dense or len(model.filters) > 1
    if convolves and conv.padding is not Padding.valid and conv.kernel_size != 1:
        return True
    if not model.downsample_after:
        return False
    learned = downsample.operator is Operator.conv_pool and downsample.kernel_size > 1
    return learned or (downsample.operator is Operator.depthwise and downsample.padding > 0)
