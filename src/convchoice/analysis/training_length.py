"""How long runs were trained, and whether that is the full training."""

from collections.abc import Mapping, Sequence
from typing import Any

from convchoice.analysis.result import Comparison
from convchoice.analysis.text import counted
from convchoice.config.datasets import converted_spec
from convchoice.config.schema import Contents

FULL_EPOCHS = 5
"""Epochs of the lecture's recipe; fewer is a small scale."""


def training_length(recorded: Mapping[str, Sequence[Any]]) -> str:
    """How long runs were trained: ``2 epochs of 6,000 images``; empty if it is not recorded."""
    epochs, images = recorded.get("epochs", []), recorded.get("dataset.train_images")
    over = f" of {counted(images, 'image')}" if images else ""
    return f"{counted(epochs, 'epoch')}{over}" if epochs else ""


def short_training(comparison: Comparison) -> str:
    """The length of a training that is not the full one: ``2 epochs of 6,000 images``; or empty."""
    recorded, arms = comparison.provenance.recorded, comparison.arms.values()
    subset = any(_takes_a_subset(arm.configuration) for arm in arms)
    full = max(map(int, recorded.get("epochs", [])), default=0) >= FULL_EPOCHS and not subset
    return "" if full else training_length(recorded)


def _takes_a_subset(configuration: Mapping[str, Any]) -> bool:
    """Whether fewer training images are chosen than a folder holds, or any of another data set."""
    size, prefix = configuration.get("data.train_size"), "data.contents."
    held = {k.removeprefix(prefix): v for k, v in configuration.items() if k.startswith(prefix)}
    if size is None or not held:
        return size is not None
    spec = converted_spec("", Contents(**held))
    return bool(size < spec.training_images(configuration["data.validation_size"]))
