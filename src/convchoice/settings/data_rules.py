"""What a data set cannot be asked for: the rules between the keys of `data`."""

from convchoice.errors import ConfigurationError
from convchoice.settings.known_datasets import spec_of
from convchoice.settings.schema import DataConfig

LARGEST_CANVAS = 256
"""Pixels; 60,000 images of this side take 4 GB."""


def check_data(config: DataConfig) -> None:
    """Refuse a stand-in for a data set that has none, and a canvas that changes nothing.

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
    *_, side = spec.image_shape
    if config.canvas is not None and not side < config.canvas <= LARGEST_CANVAS:
        raise ConfigurationError(
            "data.canvas",
            config.canvas,
            f"must be larger than the {side} pixels of {spec.short_title}'s images (they are of"
            f" that size without it) and at most {LARGEST_CANVAS}.",
        )
