"""Configurations as checked values: reading, the rules between keys, writing.

`schema` says which keys there are and their types; `validated` adds what types cannot say (ranges,
combinations; those of the network's blocks are in `block_rules`). Nothing here knows torch; sizes
are checked in `geometry`.
"""

import dataclasses
import difflib
import math
import re
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from convchoice.errors import ConfigurationError, UserError, require
from convchoice.settings.block_rules import Setting, block_settings, checked_blocks
from convchoice.settings.data_rules import check_data
from convchoice.settings.schema import PRECISIONS, Config, Curve, EvaluationConfig, OptimizerName

PROJECT_ROOT = Path(__file__).resolve().parents[3]
CONF_DIR = PROJECT_ROOT / "conf"

MOST_SEEDS = 10_000
MOST_UNITS = 1_000_000
MOST_THREADS = 1_024
MOST_REFERENCES = 20

NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.=-]{0,99}")

T = TypeVar("T")


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


def _check_numbers(config: Config) -> None:
    at_least_one = {
        "seeds": config.seeds,
        "data.batch_size": config.data.batch_size,
        "downsample.window": config.downsample.window,
        "downsample.stride": config.downsample.stride,
        "downsample.kernel_size": config.downsample.kernel_size,
        "downsample.pieces": config.downsample.pieces,
        "trainer.max_epochs": config.trainer.max_epochs,
        "trainer.threads": config.trainer.threads,
    }
    # What nobody means, and what would only make a machine hang or run out of memory.
    at_most = {
        "seeds": (config.seeds, MOST_SEEDS),
        "data.batch_size": (config.data.batch_size, MOST_UNITS),
        "model.hidden_units": (config.model.hidden_units, MOST_UNITS),
        "trainer.max_epochs": (config.trainer.max_epochs, MOST_UNITS),
        "trainer.threads": (config.trainer.threads, MOST_THREADS),
    }
    for name, (value, most) in at_most.items():
        require(value <= most, name, value, f"must be at most {most:,}.")
    optional = {
        "data.train_size": config.data.train_size,
        "trainer.workers": config.trainer.workers,
        "trainer.seeds_together": config.trainer.seeds_together,
        "evaluation.images": config.evaluation.images,
    }
    at_least_one |= {name: value for name, value in optional.items() if value is not None}
    for name, value in at_least_one.items():
        require(value >= 1, name, value, "must be a whole number of at least 1.")
    at_least_zero = {
        "seed": config.seed,
        "data.validation_size": config.data.validation_size or 0,
        "data.validation_seed": config.data.validation_seed,
        "data.permutation_seed": config.data.permutation_seed or 0,
        "downsample.padding": config.downsample.padding,
        "model.hidden_units": config.model.hidden_units,
    }
    for name, value in at_least_zero.items():
        require(value >= 0, name, value, "must be a whole number of at least 0.")
        require(value < 2**31, name, value, f"must be below 2^31 = {2**31}.")
    positive = {
        "downsample.sigma": config.downsample.sigma,
        "optimizer.learning_rate": config.optimizer.learning_rate,
        "optimizer.epsilon": config.optimizer.epsilon,
    }
    for name, number in positive.items():
        require(
            math.isfinite(number) and number > 0, name, number, "must be a finite number above 0."
        )
    fractions = {
        "optimizer.rho": config.optimizer.rho,
        "optimizer.momentum": config.optimizer.momentum,
    }
    for name, number in fractions.items():
        require(0 <= number < 1, name, number, "must be at least 0 and below 1.")
    decay = config.optimizer.weight_decay
    require(
        math.isfinite(decay) and decay >= 0,
        "optimizer.weight_decay",
        decay,
        "must be a finite number of at least 0.",
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
            bool(value.strip()) and "\0" not in value,
            name,
            value,
            "must be the path of a folder.",
            "For the current folder write a dot.",
        )
    require(
        bool(config.tracking.experiment.strip()),
        "tracking.experiment",
        config.tracking.experiment,
        "must be a name.",
        "Leave it out for convchoice.",
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
    _check_numbers(config)
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


def from_mapping(schema: type[T], values: Any, origin: str) -> T:
    """Merge plain values into a schema; OmegaConf's refusals become `ConfigurationError`."""
    _check_groups(schema, values, f"{origin}: ")
    try:
        merged = OmegaConf.merge(OmegaConf.structured(schema), values)
        return cast("T", OmegaConf.to_object(merged))
    except RecursionError:
        raise ConfigurationError(origin, "…", "is nested in itself, or too deeply.") from None
    except OmegaConfBaseException as error:
        key = str(error.full_key or error.key or "?")
        first_line = str(error.msg or error).splitlines()[0] + legal_keys(error)
        raise ConfigurationError(f"{origin}: {key}", _value_at(values, key), first_line) from error


def _check_groups(schema: Any, values: Any, prefix: str) -> None:
    """Refuse a group of keys that is none, and a number for a truth value.

    OmegaConf does not name the key of the former, and takes 2 for true.
    """
    hints = get_type_hints(schema)
    for key in values:
        require(isinstance(key, str), f"{prefix}{key}", key, "is no name of a key.")
    for item in dataclasses.fields(schema):
        if item.name not in values:
            continue
        name, value, hint = f"{prefix}{item.name}", values[item.name], hints[item.name]
        if dataclasses.is_dataclass(hint):
            names = ", ".join(each.name for each in dataclasses.fields(hint))
            require(isinstance(value, Mapping), name, value, f"must be a mapping of keys: {names}.")
            _check_groups(hint, value, f"{name}.")
        _check_kind(hint, value, name)
        if hint is bool:
            number = isinstance(value, int | float) and not isinstance(value, bool)
            require(not number, name, value, "must be true or false.")


def _check_kind(hint: Any, value: Any, name: str) -> None:
    """Refuse a list for a mapping and a mapping for a list, of which OmegaConf names no key."""
    kind = get_origin(hint)
    if kind is dict:
        require(not isinstance(value, list), name, value, "must be a mapping.")
        for key, inner in value.items() if isinstance(value, Mapping) else ():
            require(isinstance(key, str), f"{name}.{key}", key, "is no name of a key.")
            _check_kind(get_args(hint)[1], inner, f"{name}.{key}")
    elif kind is list:
        require(not isinstance(value, Mapping), name, value, "must be a list.")


def legal_keys(error: BaseException) -> str:
    """For an error about an unknown key: a sentence with the keys that there are, else nothing."""
    cause: BaseException | None = error
    while cause is not None:
        schema = getattr(cause, "object_type", None)
        if isinstance(cause, ConfigKeyError | ConfigAttributeError) and dataclasses.is_dataclass(
            schema
        ):
            names = [item.name for item in dataclasses.fields(schema)]
            return f". {nearest(str(cause.key), names)}"
        cause = cause.__cause__ or cause.__context__
    return ""


def _value_at(values: Any, key: str) -> object:
    for part in re.findall(r"[^.\[\]]+", key):
        if isinstance(values, Mapping):
            values = values.get(part)
        elif isinstance(values, list) and part.isdigit() and int(part) < len(values):
            values = values[int(part)]
        else:
            return None
    return values


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


def plain_values(value: Any) -> Any:
    """Dataclasses as mappings and enum members by their names, ready for YAML."""
    if dataclasses.is_dataclass(value):
        return {
            item.name: plain_values(getattr(value, item.name)) for item in dataclasses.fields(value)
        }
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, dict):
        return {key: plain_values(item) for key, item in value.items()}
    return [plain_values(item) for item in value] if isinstance(value, list) else value


def flattened(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, with dotted keys; lists stay values."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            flat |= flattened(value, f"{name}.")
        else:
            flat[name] = value
    return flat


def numeric_identity(config: Config) -> dict[str, Any]:
    """The part of a run's configuration that decides what is trained.

    Names, folders, tracking, the number of runs side by side and what is measured afterwards are
    left out: they may change without making a trained run stale.
    """
    plain = config_to_mapping(config)
    for key in ("arm", "run_root", "tracking", "evaluation"):
        del plain[key]
    del plain["trainer"]["workers"]
    for key in ("root", "fallback"):
        del plain["data"][key]
    return plain


class _Loader(yaml.SafeLoader):
    """YAML without a key that stands twice, and with few references.

    Which of the two keys would be meant? And a few dozen references to references are a billion
    values.
    """

    references = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            self.references += 1
            if self.references > MOST_REFERENCES:
                raise yaml.composer.ComposerError(
                    None, None, f"more than {MOST_REFERENCES} references", None
                )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [key for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for place, key in enumerate(names):
            if key.value in {other.value for other in names[:place]}:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} stands twice", key.start_mark
                )
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file's mapping.

    Raises:
        UserError: if the file is missing, is not YAML, names a key twice, or holds no mapping.
    """
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - a safe one
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such file.") from None
    except RecursionError:
        raise UserError(f"{path}: is not YAML of any use: it is nested too deeply.") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a thirteenth month, a bad byte
        raise UserError(f"{path}: is not YAML: {error}") from error
    if not isinstance(values, dict):
        raise UserError(f"{path}: must hold a mapping of keys to values.")
    return values


def nearest(word: str, choices: list[str]) -> str:
    """The choices as a sentence, the nearest one first as a question."""
    close = difflib.get_close_matches(word, choices, n=1)
    hint = f"Did you mean {close[0]}? " if close else ""
    return f"{hint}Legal: {', '.join(sorted(choices))}."
