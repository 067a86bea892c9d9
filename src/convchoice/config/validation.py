"""Configurations as checked values: reading, the rules between keys, writing.

`schema` says which keys there are and their types; `validated` adds what types cannot say (ranges,
combinations; the rules of single numbers, of the network's blocks and of the data have modules of
their own). Nothing here knows torch; sizes are checked in `networks.plan`.
"""

import dataclasses
import re
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from convchoice.config.block_rules import Setting, block_settings, checked_blocks
from convchoice.config.data_rules import check_data
from convchoice.config.mapping import from_mapping, plain_values
from convchoice.config.number_rules import check_numbers
from convchoice.config.schema import PRECISIONS, Config, Curve, EvaluationConfig, OptimizerName
from convchoice.errors import require, without_password

PROJECT_ROOT = Path(__file__).resolve().parents[3]
CONF_DIR = PROJECT_ROOT / "conf"

NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.=-]{0,99}")


def check_name(name: str, value: object) -> None:
    """Refuse a name that could leave its folder or break a page.

    Raises:
        ConfigurationError: unless the value is letters, digits and ``_ . = -``, 100 at the most,
            and begins with a letter or digit.
    """
    legal = isinstance(value, str) and NAME_PATTERN.fullmatch(value) is not None
    require(
        legal,
        name,
        value,
        "a name is 1 to 100 letters, digits and _ . = - , a letter or digit first.",
    )


def _check_effects(config: Config) -> None:
    """Refuse a value that its neighbours leave without effect: two arms would be the same one."""
    rmsprop = config.optimizer.name is OptimizerName.rmsprop
    adam = config.optimizer.name is OptimizerName.adam
    settings = (
        *block_settings(config),
        Setting("optimizer.rho", config.optimizer, rmsprop, "rmsprop"),
        Setting("optimizer.momentum", config.optimizer, not adam, "rmsprop and sgd"),
        Setting("optimizer.epsilon", config.optimizer, rmsprop or adam, "rmsprop and adam"),
    )
    for setting in settings:
        key = setting.name.rpartition(".")[2]
        value, unset = getattr(setting.group, key), getattr(type(setting.group)(), key)
        shown = value.name if isinstance(value, Enum) else value
        require(
            setting.used or value == unset, setting.name, shown,
            f"has an effect with {setting.users} only.",
            f"Leave {setting.name} out, or choose what uses it.",
        )  # fmt: skip


def _check_evaluation(config: EvaluationConfig) -> None:
    names = [curve.name for curve in config.curves]
    require(len(set(names)) == len(names), "evaluation.curves", names, "names a curve twice.")
    require(
        bool(names) or config.images is None,
        "evaluation.images",
        config.images,
        "has an effect with evaluation.curves only: the clean answers are over all test images.",
        "Leave evaluation.images out, or choose curves: evaluation=curves.",
    )


def _check_curves(config: Config) -> None:
    """Refuse curves that need neighbouring pixels of a configuration that has none."""
    spatial = [
        curve.name
        for curve in config.evaluation.curves
        if curve in {Curve.equivariance, Curve.input_size}
    ]
    require(
        config.data.permutation_seed is None or not spatial,
        "evaluation.curves",
        ", ".join(spatial),
        "cannot be measured where data.permutation_seed moves every pixel: a moved or resized"
        " image has no place for its pixels.",
        "Leave them out, or leave data.permutation_seed out.",
    )


def _check_places(config: Config) -> None:
    """Refuse names of folders that no file system has."""
    for name, value in (("run_root", config.run_root), ("data.root", config.data.root)):
        require(
            bool(value.strip()) and value.isprintable() and "${" not in value,
            name,
            value,
            "must be the path of a folder, without control characters and ${.",
            "For the current folder write a dot.",
        )
        require(
            not value.startswith("~"), name, value, "~ is not expanded.",
            "Write the path of your home folder, or $HOME on the command line.",
        )  # fmt: skip
    experiment, uri = config.tracking.experiment, config.tracking.uri
    require(
        experiment is None
        or (bool(experiment.strip()) and experiment.isprintable() and "${" not in experiment),
        "tracking.experiment",
        experiment,
        "must be a name, without control characters and ${.",
        "Leave it out for convchoice.",
    )
    require(
        uri is None or uri == without_password(uri),
        "tracking.uri",
        without_password(str(uri)),
        "must not hold credentials: every run folder keeps its configuration.",
        "Set the environment variable MLFLOW_TRACKING_URI instead.",
    )


def validated(config: Config) -> Config:
    """Check the ranges and combinations that types cannot express.

    Returns:
        The same configuration, with sizes of one number or two in their canonical form.

    Raises:
        ConfigurationError: naming the first field that is not legal, the rule and the mend.
    """
    if config.arm is not None:
        check_name("arm", config.arm)
    _check_places(config)
    check_numbers(config)
    _check_curves(config)
    check_data(config.data)
    config = checked_blocks(config)
    precision = config.trainer.precision
    require(
        precision in PRECISIONS,
        "trainer.precision",
        precision,
        f"must be one of {', '.join(PRECISIONS)}.",
    )
    together = config.trainer.seeds_together
    require(
        precision != "16-mixed" or together in {None, 1}, "trainer.seeds_together", together,
        "in 16-mixed each seed needs a loss scale of its own.",
        "Use trainer.seeds_together=1, or another precision.",
    )  # fmt: skip
    _check_effects(config)
    _check_evaluation(config.evaluation)
    return config


def config_from_mapping(values: Mapping[str, Any], origin: str = "configuration") -> Config:
    """The typed, validated configuration of resolved plain values.

    Args:
        values: as `config_to_mapping` gives them, or a resolved Hydra configuration.
        origin: where they came from (a file's name), for the messages.

    Raises:
        ConfigurationError: for an unknown key, a wrong type, an illegal value or combination.
    """
    known = {key: value for key, value in values.items() if key != "scale"}
    return validated(from_mapping(Config, known, origin))


def config_to_mapping(config: Config, *, run: bool = True) -> dict[str, Any]:
    """Plain values of a configuration, ready for YAML, `scale` left out.

    Args:
        config: the configuration.
        run: True for one run (has `seed`, not `seeds`), False for an arm (`seeds`, not `seed`).
    """
    return {
        item.name: plain_values(getattr(config, item.name))
        for item in dataclasses.fields(config)
        if item.name not in {"scale", "seeds" if run else "seed"}
    }
