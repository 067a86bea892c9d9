"""Read, check and write configurations: the rules between keys.

`schema` declares the keys, their types and legal values. Here are the rules that need more than one
key. Whether layers fit an image is the network plan's question.

An arm is a configuration with a name. `compose` writes one YAML file an arm; the stages after it
read that file and nothing of `conf/`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

from convchoice.config import own_code
from convchoice.config.datasets import SPECS, DatasetSpec, spec_of
from convchoice.config.field_types import (
    flattened,
    from_mapping,
    pair_of,
    plain_values,
    shown,
    within,
)
from convchoice.config.schema import (
    Config,
    Curve,
    DataConfig,
    Dataset,
    DownsampleConfig,
    FirstLayer,
    ModelConfig,
    Operator,
    OptimizerName,
    Padding,
)
from convchoice.config.torchvision_datasets import TORCHVISION
from convchoice.config.yaml_files import read_yaml, yaml_text
from convchoice.errors import ConfigurationError, UserError, nearest, require

Broken = Iterator[tuple[str, str]]
"""Keys whose value breaks a rule, and the rule."""

SMALLEST_WEIGHTED_WINDOW = 3
# A convolution replaces the pooling: there is no window to pad.
NONE = Operator.none
UNPADDED = (Operator.strided, Operator.all_conv, NONE)
DEFAULTS = flattened(plain_values(Config()))


def config_from_mapping(values: Mapping[str, Any], origin: str = "") -> Config:
    """The typed, checked configuration of resolved plain values, with sizes in canonical form.

    `scale` is ignored; `origin` is the values' file, for messages.

    Raises:
        ConfigurationError: for an unknown key, a wrong type, an illegal value or combination.
    """
    known = {key: value for key, value in values.items() if key != "scale"}
    config = _one_form(from_mapping(Config, known, origin))
    rules = (
        own_code.check_named,
        block_rules,
        _data_rules,
        _evaluation_rules,
        _trainer_rules,
        _effect_rules,
    )
    for key, rule in chain.from_iterable(broken(config) for broken in rules):
        value = flattened(plain_values(config)).get(key)
        raise ConfigurationError(f"{origin}: {key}" if origin else key, value, rule)
    return config


def _one_form(config: Config) -> Config:
    """A configuration without a block to downsample, as `downsample=none` spells it."""
    model, downsample = config.model, config.downsample
    if not model.downsample_after and downsample.operator in {DownsampleConfig.operator, NONE}:
        downsample.operator, model.downsample_after = NONE, ModelConfig().downsample_after
    return config


IMAGE_KEYS = ("path", "dataset", "size", "contents")
"""The keys of `data` that published data sets do not have."""


def _plain(config: Config) -> dict[str, Any]:
    """Plain values; without the keys that name code or images, where they name none."""
    values: dict[str, Any] = plain_values(config)
    unused = [key for key in IMAGE_KEYS if values["data"][key] is None]
    values["data"] = {k: v for k, v in values["data"].items() if k not in unused}
    values["optimizer"] = {k: v for k, v in values["optimizer"].items() if v or k != "own"}
    return {k: v for k, v in values.items() if v or k not in {"network", "code"}}


def config_to_mapping(config: Config) -> dict[str, Any]:
    """Plain values for YAML of one run: with `seed`, without `seeds` and `scale`."""
    return {k: value for k, value in _plain(config).items() if k not in {"scale", "seeds"}}


def arm_text(arm: Config) -> str:
    """The YAML text of an arm: with `seeds`, without `seed`; equal arms give equal text."""
    values = _plain(arm)
    return yaml_text({k: value for k, value in values.items() if k not in {"scale", "seed"}})


def arm_from_mapping(values: Mapping[str, Any], origin: str = "") -> Config:
    """The arm that plain values describe; whether its layers fit is not checked.

    Raises:
        ConfigurationError: for an illegal configuration, or one without a name.
    """
    config = config_from_mapping(values, origin)
    name = f"{origin}: arm".removeprefix(": ")
    require(config.arm is not None, name, None, "an arm needs a name.")
    return config if config.code else replace(config, code=own_code.code_digest(config))


def read_arm(path: Path) -> Config:
    """The arm in a composed YAML file.

    Raises:
        UserError: if the file cannot be read, or what it holds is not a legal arm.
    """
    return arm_from_mapping(read_yaml(path), str(path))


def read_arms(composed: Path) -> list[Config]:
    """The arm in a composed YAML file, or those of a folder of such files, in alphabetical order.

    Raises:
        UserError: see `read_arm`; or if the folder has no arm.
    """
    if not composed.is_dir():
        return [read_arm(composed)]
    files = sorted(composed.glob("*.yaml"))
    if not files:
        raise UserError(f"{composed}: has no arm. Compose the arms first: convchoice compose.")
    return [read_arm(file) for file in files]


def runs_of(arm: Config) -> list[Config]:
    """One configuration for each seed of an arm."""
    return [replace(arm, seed=seed) for seed in range(arm.seeds)]


def validated(config: Config) -> Config:
    """Check a configuration that was changed in Python, like `config_from_mapping`."""
    return config_from_mapping(plain_values(config))


def _data_rules(config: Config) -> Broken:
    data = config.data
    if data.name is Dataset.folder and data.path is None:
        yield "data.path", "name the folder of the images: data.path=my_images"
    if data.name is Dataset.torchvision and data.dataset not in TORCHVISION:
        rule = "there is no such data set of torchvision with test images."
        own = [f"Use data={each.name}." for each in SPECS.values()
               if each.torchvision_class == data.dataset]  # fmt: skip
        yield "data.dataset", f"{rule} {(own or [nearest(data.dataset, list(TORCHVISION))])[0]}"
    if data.name.name not in SPECS and data.contents is None:
        if data.fallback is not None:
            yield "data.fallback", "nothing can replace these images: set data.fallback=null."
    else:
        yield from _image_rules(data, spec_of(data))


def _image_rules(data: DataConfig, spec: DatasetSpec) -> Broken:
    """The rules that need to know what the images are."""
    if data.fallback not in {None, spec.fallback}:
        rule = f"scikit-learn's digits can replace MNIST, not {spec.short_title}."
        yield "data.fallback", f"{rule} Use data={spec.name}, or set data.fallback=null."
    classes = spec.classes
    if data.train_size is not None and data.train_size < classes:
        yield "data.train_size", f"must be at least {classes}: one image of each class."
    most = spec.train_size - classes
    if data.validation_size and spec.own_validation:
        rule = f"{spec.short_title} has validation images of its own."
        yield "data.validation_size", f"{rule} Leave it out; 0 leaves them out."
    elif data.validation_size and not classes <= data.validation_size <= most:
        rule = f"a stratified choice needs {classes} to {most:,} of {spec.short_title}'s images."
        yield "data.validation_size", f"{rule} 0 holds out none."
    side = spec.image_shape[-1]
    if data.canvas is not None and data.canvas <= side:
        rule = f"must be larger than the {side} pixels of {spec.short_title}'s images."
        yield "data.canvas", f"{rule} Leave it out for images of their own size."


def block_rules(config: Config) -> Broken:
    """The rules of `conv`, `downsample` and `model` that a configuration breaks."""
    conv, downsample, model = config.conv, config.downsample, config.model
    if not isinstance(conv.padding, Padding):
        kernel, pixels = pair_of(conv.kernel_size), pair_of(conv.padding)
        most = (kernel[0] - 1, kernel[1] - 1)
        if pixels[0] > most[0] or pixels[1] > most[1]:
            rule = f"may be at most the kernel size less 1 ({shown(most)} for a kernel of"
            rule = f"{rule} {shown(kernel)}), or an output would see padding alone."
            yield "conv.padding", f"{rule} Use conv.padding=full for the largest padding."
    operator, window = downsample.operator, downsample.window
    if operator is Operator.weighted and window < SMALLEST_WEIGHTED_WINDOW:
        rule = (
            "all pixels of a window this small lie at the same distance from its centre, so that"
            " weighting by distance is exactly average pooling."
        )
        yield "downsample.window", f"{rule} Use downsample=average, or a window of 3 or more."
    if operator is Operator.max_blur and downsample.kernel_size == 1:
        rule = "a blur of one pixel changes nothing, so that max_blur is exactly max pooling."
        yield "downsample.kernel_size", f"{rule} Use downsample=max, or a larger kernel_size."
    if operator is Operator.maxout and downsample.pieces == 1:
        rule = "with one piece, maxout is exactly max pooling."
        yield "downsample.pieces", f"{rule} Use downsample=max, or more pieces."
    if operator in UNPADDED and downsample.padding:
        rule = f"{operator.name} has no pooling window to pad; it must be 0."
        yield "downsample.padding", rule
    elif downsample.padding > window // 2:
        rule = f"may be at most half the window ({window // 2} for a window of {window}),"
        yield "downsample.padding", f"{rule} or a window could lie wholly on padding."
    blocks, numbers = len(model.filters), model.downsample_after
    if not blocks:
        yield "model.filters", "needs at least one block."
    named_once = len(set(numbers)) == len(numbers) and max(numbers, default=1) <= blocks
    if operator is not NONE and not named_once:
        rule = f"must name blocks, which are numbered 1 to {blocks}, once each."
        yield "model.downsample_after", rule


def _trainer_rules(config: Config) -> Broken:
    trainer = config.trainer
    if trainer.precision == "16-mixed" and trainer.seeds_together not in {None, 1}:
        rule = "in 16-mixed each seed needs a loss scale of its own."
        yield "trainer.seeds_together", f"{rule} Use seeds_together=1, or another precision."


def _evaluation_rules(config: Config) -> Broken:
    curves, images = config.evaluation.curves, config.evaluation.images
    if len(set(curves)) < len(curves):
        yield "evaluation.curves", "names a curve twice."
    if images is not None and not curves:
        rule = "has an effect only with evaluation.curves: clean predictions are of all images."
        yield "evaluation.images", f"{rule} Leave it out, or choose evaluation=curves."
    spatial = {Curve.equivariance, Curve.input_size}
    if config.data.permutation_seed is not None and spatial.intersection(curves):
        rule = "equivariance and input_size need neighbouring pixels."
        yield "evaluation.curves", f"{rule} Leave them or data.permutation_seed out."


def _effect_rules(config: Config) -> Broken:
    """Refuse a value that has no effect: two arms that differ in it alone would be the same."""
    values = flattened(plain_values(config))
    for key, users in chain(_replaced(config), _without_effect(config)):
        if values[key] != DEFAULTS[key]:
            yield key, f"has an effect only with {users}. Leave {key} out, or choose what uses it."


def _replaced(config: Config) -> Iterator[tuple[str, str]]:
    """The keys in whose place is code of one's own, and what would use them."""
    for key in DEFAULTS:
        if config.optimizer.own and within(key, ("optimizer",)):
            yield key, "an optimizer without `own`"
        blocks = within(key, ("conv", "downsample", "model")) and key != "model.weights_seed"
        if config.network and blocks:
            yield key, "blocks, and not with `network`"


def _without_effect(config: Config) -> Iterator[tuple[str, str]]:
    """The keys that have no effect in a configuration, and what would use them."""
    data, operator, optimizer = config.data.name, config.downsample.operator, config.optimizer.name
    convolves = operator in {Operator.all_conv, Operator.conv_pool, Operator.max_blur}
    own, down = "data=folder and data=torchvision", "a downsampling operator"
    padding = "conv.padding=same, full or pixels, or another padding"
    for used, key, users in (
        (data.name not in SPECS, "data.path", own),
        (data.name not in SPECS, "data.size", own),
        (data is Dataset.torchvision, "data.dataset", "data=torchvision"),
        (config.model.downsample_after, "downsample.operator", "model.downsample_after"),
        (operator is not NONE, "downsample.window", down),
        (operator is not NONE, "downsample.stride", down),
        (operator is not NONE, "model.downsample_after", down),
        (operator is Operator.weighted, "downsample.sigma", "weighted pooling"),
        (convolves, "downsample.kernel_size", "all_conv, conv_pool and max_blur"),
        (operator is Operator.maxout, "downsample.pieces", "maxout"),
        (_some_convolution_pads(config), "conv.padding_mode", padding),
        (optimizer is OptimizerName.rmsprop, "optimizer.rho", "rmsprop"),
        (optimizer is not OptimizerName.adam, "optimizer.momentum", "rmsprop and sgd"),
        (optimizer is not OptimizerName.sgd, "optimizer.epsilon", "rmsprop and adam"),
    ):
        if not used:
            yield key, users


def _some_convolution_pads(config: Config) -> bool:
    conv, downsample, model = config.conv, config.downsample, config.model
    # A dense first layer has no border.
    convolves = model.first_layer is not FirstLayer.dense or len(model.filters) > 1
    if convolves and conv.padding is not Padding.valid and conv.kernel_size != 1:
        return True
    learned = downsample.operator is Operator.conv_pool and downsample.kernel_size > 1
    return learned or (downsample.operator is Operator.depthwise and downsample.padding > 0)
