"""Hydra's part: the schema it checks against, and composing an arm out of `conf/`."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from convchoice.config.arm import Arm, arm_from_mapping
from convchoice.config.arm_keys import check_arm_file
from convchoice.config.mapping import legal_keys
from convchoice.config.schema import Config
from convchoice.config.validation import CONF_DIR
from convchoice.errors import ConfigurationError, nearest

HYDRA_VERSION_BASE = "1.3"
OMEGACONF_DETAILS = ("full_key:", "object_type=", "reference_type=", "See https")


def register_schema() -> None:
    """Tell Hydra the schema that `conf/config.yaml` begins with."""
    ConfigStore.instance().store(name="schema", node=Config)


def options(group: str, conf: Path = CONF_DIR) -> list[str]:
    """Names that a group of `conf/` offers, in alphabetical order."""
    return sorted(path.stem for path in (conf / group).glob("*.yaml"))


def plain(config: DictConfig) -> dict[str, Any]:
    """A composed configuration as plain values, all references resolved, without `scale`.

    Raises:
        ConfigurationError: if a reference leads nowhere or a value does not fit its type.
    """
    try:
        values = OmegaConf.to_container(
            config, resolve=True, enum_to_str=True, throw_on_missing=True
        )
    except OmegaConfBaseException as error:
        first_line = str(error.msg or error).splitlines()[0]
        raise ConfigurationError(str(error.full_key), None, first_line) from error
    mapping = cast("dict[str, Any]", values)
    mapping.pop("scale", None)
    return mapping


def quoted(value: str) -> str:
    """A text as a value in Hydra's syntax."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


@contextmanager
def hydras_refusals(origin: str, overrides: Sequence[str]) -> Iterator[None]:
    """Turn what Hydra and OmegaConf object to into a `ConfigurationError` in one line.

    Args:
        origin: what to call the place of the overrides.
        overrides: that are composed.
    """
    try:
        yield
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigurationError(
            _field(error, origin), " ".join(overrides), _reason(error)
        ) from error
    except (TypeError, ValueError, AssertionError, yaml.YAMLError) as error:
        # What Hydra itself trips over: a number where it expects the name of a file, for one.
        raise ConfigurationError(
            origin, " ".join(overrides),
            f"cannot be composed: {str(error).split(':')[0] or type(error).__name__}.",
            "A file in a folder of conf/ is chosen by its name: downsample=average.",
        ) from error  # fmt: skip


def compose_values(overrides: Sequence[str], origin: str, conf: Path = CONF_DIR) -> dict[str, Any]:
    """Compose `conf/config.yaml` with overrides in Hydra's syntax into plain values.

    Raises:
        ConfigurationError: for an unknown option or key, or a value of the wrong type.
    """
    register_schema()
    with (
        initialize_config_dir(str(conf), version_base=HYDRA_VERSION_BASE),
        hydras_refusals(origin, overrides),
    ):
        composed = compose("config", list(overrides))
    return plain(composed)


def compose_arm(name: str, scale: str, overrides: Sequence[str] = (), conf: Path = CONF_DIR) -> Arm:
    """Compose the arm `name` at a scale.

    Args:
        name: of an overlay in `conf/arm/`.
        scale: of an option in `conf/scale/`.
        overrides: further overrides in Hydra's syntax.
        conf: folder of the configuration files.

    Raises:
        ConfigurationError: for an unknown arm or scale, or anything illegal in the files.
        GeometryError: if a layer does not fit its input.
    """
    for group, option in (("arm", name), ("scale", scale)):
        known = options(group, conf)
        if option not in known:
            raise ConfigurationError(
                group, option, "there is no such option.", nearest(option, known)
            )
    origin = f"conf/arm/{name}.yaml"
    check_arm_file(conf / "arm" / f"{name}.yaml")
    values = compose_values([f"scale={scale}", f"arm={quoted(name)}", *overrides], origin, conf)
    return arm_from_mapping(values, origin)


def compose_new_arm(
    name: str, scale: str, settings: Sequence[str], origin: str, conf: Path = CONF_DIR
) -> Arm:
    """Compose an arm that a study brings along.

    Args:
        name: of the arm, none of those in `conf/arm/`.
        scale: of an option in `conf/scale/`.
        settings: overrides in Hydra's syntax; ``arm=max`` begins with that arm.
        origin: what to call the study's file in messages.
        conf: folder of the configuration files.

    Raises:
        ConfigurationError: for a name that is taken, or anything illegal in the settings.
        GeometryError: if a layer does not fit its input.
    """
    if name in options("arm", conf):
        raise ConfigurationError(
            f"{origin}: new_arms", name, f"conf/arm/{name}.yaml is that arm already.",
            "Leave it out of new_arms, or give yours another name.",
        )  # fmt: skip
    for setting in settings:
        group, _, option = setting.partition("=")
        if group == "arm" and option in options("arm", conf):
            check_arm_file(conf / "arm" / f"{option}.yaml")
    values = compose_values([f"scale={scale}", *settings], f"{origin}: new_arms.{name}", conf)
    return arm_from_mapping({**values, "arm": name}, f"{origin}: new_arms.{name}")


def _field(error: BaseException, origin: str) -> str:
    """The origin, and the key that the error or one of its causes names."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OmegaConfBaseException) and cause.full_key:
            return f"{origin}: {cause.full_key}"
        cause = cause.__cause__ or cause.__context__
    return origin


def _reason(error: Exception) -> str:
    """What Hydra or OmegaConf objects to, in one line: the rule, and the options there are."""
    cause = error.__cause__ or error
    lines = [line.strip() for line in str(cause).partition("Config search path")[0].splitlines()]
    told = [line for line in lines if line and not line.startswith(OMEGACONF_DETAILS)]
    return " ".join(told) + legal_keys(error)
