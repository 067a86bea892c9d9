"""What a data set cannot be asked for: the rules between the keys of `data`."""

from convchoice.config.datasets import CLASSES, spec_of
from convchoice.config.schema import DataConfig
from convchoice.errors import ConfigurationError

LARGEST_CANVAS = 256
"""Pixels; 60,000 images of this side take 4 GB."""


def check_data(config: DataConfig) -> None:
    """Refuse what a data set cannot be asked for: a stand-in, a size, a canvas.

    Raises:
        ConfigurationError: naming the key, the rule and the mend.
    """
    spec = spec_of(config)
    if config.fallback not in {None, spec.fallback}:
        raise ConfigurationError(
            "data.fallback",
            config.fallback and config.fallback.name,
            f"scikit-learn's digits may stand in for MNIST, not for {spec.short_title}.",
            f"Choose the data set by its option, data={spec.name}, or set data.fallback=null.",
        )
    if config.train_size is not None and config.train_size < CLASSES:
        raise ConfigurationError(
            "data.train_size",
            config.train_size,
            f"must be at least {CLASSES}: one image of each class.",
        )
    most = spec.train_size - CLASSES
    if config.validation_size and not CLASSES <= config.validation_size <= most:
        raise ConfigurationError(
            "data.validation_size",
            config.validation_size,
            f"a stratified choice needs {CLASSES} to {most:,} of {spec.short_title}'s images.",
            "0 holds out none.",
        )
    *_, side = spec.image_shape
    if config.canvas is not None and not side < config.canvas <= LARGEST_CANVAS:
        raise ConfigurationError(
            "data.canvas",
            config.canvas,
            f"must be larger than the {side} pixels of {spec.short_title}'s images (they are of"
            f" that size without it) and at most {LARGEST_CANVAS}.",
        )
