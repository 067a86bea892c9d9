"""An arm: one composed network-and-training configuration, and the runs that its seeds make.

`compose` writes one YAML file an arm; the stages after it read that file and nothing of `conf/`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from convchoice.config.schema import Config
from convchoice.config.validation import config_from_mapping, config_to_mapping
from convchoice.config.yaml_files import read_yaml, yaml_text
from convchoice.errors import ConfigurationError


@dataclass(frozen=True)
class Arm:
    """A composed, validated configuration that has a name."""

    name: str
    config: Config

    @property
    def seeds(self) -> range:
        """The seeds that the training stage gives this arm."""
        return range(self.config.seeds)

    def runs(self) -> list[Config]:
        """One configuration a seed."""
        return [replace(self.config, seed=seed) for seed in self.seeds]

    def to_yaml(self) -> str:
        """The composed file's text; equal configurations give equal text."""
        return yaml_text(config_to_mapping(self.config, run=False))


def arm_from_mapping(values: Mapping[str, Any], origin: str = "") -> Arm:
    """The arm that plain values describe; whether its layers fit is not checked.

    Raises:
        ConfigurationError: for an illegal configuration, or one without a name.
    """
    config = config_from_mapping(values, origin)
    if config.arm is None:
        raise ConfigurationError(f"{origin}: arm".removeprefix(": "), None, "an arm needs a name.")
    return Arm(config.arm, config)


def read_arm(path: Path) -> Arm:
    """The arm in a composed YAML file.

    Raises:
        UserError: if the file cannot be read, or what it holds is not a legal arm.
    """
    return arm_from_mapping(read_yaml(path), str(path))
