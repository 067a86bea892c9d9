"""Compose configurations from `conf/` with Hydra; translate its errors.

Hydra takes about 0.1 s for one composition. An arm's file chooses options of groups and sets values
on top of them (`arm_keys` allows nothing else), so `ArmComposer` lets Hydra compose each choice of
options once, and merges the arms' values into it.
"""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, cast

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Glob, Override, OverrideType, RangeSweep
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    MissingMandatoryValue,
    OmegaConfBaseException,
    ValidationError,
)

from convchoice import CONF_DIR
from convchoice.config.arm_keys import check_references, read_arm_file
from convchoice.config.field_types import flattened, from_mapping, is_inside, within
from convchoice.config.options import check_option, nearest_option, options
from convchoice.config.own_code import FIELDS
from convchoice.config.schema import Config
from convchoice.config.validation import DEFAULTS, arm_from_mapping
from convchoice.errors import NO_VALUE, ConfigurationError, did_you_mean, nearest, require

HYDRA_VERSION_BASE = "1.3"
MOST_VALUES = 100_000
"""Values of one key, and jobs of a sweep."""

# What Hydra raises for a file in conf/ that is no plain YAML, among others.
UNSPECIFIC = (AssertionError, AttributeError, LookupError, TypeError, ValueError, yaml.YAMLError)


def register_schema() -> None:
    """Register the schema that `conf/config.yaml` begins with."""
    ConfigStore.instance().store(name="schema", node=Config)


def quoted(value: str) -> str:
    """A text as a value in Hydra's syntax."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def plain(config: DictConfig) -> dict[str, Any]:
    """A composed configuration as plain values, all references resolved, without `scale`.

    Raises:
        ConfigurationError: if a value is missing, or a reference cannot be resolved.
    """
    try:
        values = OmegaConf.to_container(
            config, resolve=True, enum_to_str=True, throw_on_missing=True
        )
    except OmegaConfBaseException as error:
        # OmegaConf's message may hold the value of an environment variable.
        key, raw = str(error.full_key), OmegaConf.to_container(config, resolve=False)
        value = flattened(cast("dict[str, Any]", raw)).get(key)
        missing = isinstance(error, MissingMandatoryValue)
        rule = "needs a value." if missing else "cannot be resolved to a value of its type."
        raise ConfigurationError(key, value, rule) from error
    mapping = cast("dict[str, Any]", values)
    mapping.pop("scale", None)
    return mapping


@contextmanager
def composition_errors(origin: str, overrides: Sequence[str]) -> Iterator[None]:
    """Raise errors of composing overrides from `origin` as `ConfigurationError`, in one line."""
    given = " ".join(overrides)
    try:
        yield
    except MissingConfigException as error:
        group, _, option = (error.missing_cfg_file or given).rpartition("/")
        if not group:
            raise ConfigurationError(origin, option, "there is no such file in conf.") from None
        fix = nearest_option(group, option, error.options or [])
        raise ConfigurationError(group, option, "there is no such option.", fix) from None
    except OverrideParseException as error:
        wrong = next((each for each in overrides if not each.isascii()), "KEY=VALUE")
        key, _, text = wrong.partition("=")
        fix = f"Text with special characters needs two pairs of quotes: '{key}=\"{text}\"'"
        [line, *_] = str(error).splitlines()  # of some errors, the name of the parser's exception
        rule = re.sub(r"^\w+Exception: .*", "cannot be read by Hydra's grammar", line).rstrip(".")
        raise ConfigurationError(origin, error.override, f"{rule}.", fix) from error
    except (HydraException, OmegaConfBaseException, *UNSPECIFIC) as error:
        _refuse_several(str(error))
        key = _key(error)
        name, value = (f"{origin}: {key}", _given(key, overrides)) if key else (origin, given)
        rule, fix = _reason(error), ""
        cause = error.__cause__ or error
        if isinstance(cause, ConfigKeyError | ConfigAttributeError):
            groups = [key.partition(".")[0] for key in DEFAULTS]
            rule, fix = "there is no such key.", did_you_mean(key, [*DEFAULTS, *groups])
            for own in (each for each in FIELDS if key.startswith(f"{each}.")):
                fix = f"Add it with a plus sign: '+{own}={{_target_: …}}'"
        elif isinstance(cause, ValidationError):
            _check_value(key, str(cause), given, origin)
        for group, _, option in (each.partition("=") for each in overrides):
            if option.startswith("[") and (known := options(group)):
                rule = "is no option."
                raise ConfigurationError(group, option, rule, nearest(option, known)) from error
        raise ConfigurationError(name, value, rule, fix) from error


def _given(key: str, overrides: Sequence[str]) -> object:
    """What overrides set a key to, or a mapping that it is in."""
    for name, _, value in (each.lstrip("+~").partition("=") for each in reversed(overrides)):
        if key == name or (value.startswith("{") and within(key, (name,))):
            return value
    return NO_VALUE


def _refuse_several(text: str) -> None:
    """Refuse several values of a key, if Hydra does, in our own words."""
    found = re.search("'(.*)'", text)
    if found and "--multirun" in text:
        (key, _, value), sweep = found[1].partition("="), shlex.quote(found[1])
        rule = f"several values are a sweep: convchoice train -m {sweep} …"
        raise ConfigurationError(key, value, rule)


def _key(error: BaseException) -> str:
    """The key that the error or one of its causes names."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OmegaConfBaseException) and cause.full_key:
            return str(cause.full_key)
        cause = cause.__cause__ or cause.__context__
    return ""


def _check_value(key: str, text: str, given: str, origin: str) -> None:
    """Refuse a value that OmegaConf refuses in our own words, if the schema refuses it too."""
    quoted_by_omegaconf = re.search(r"[Vv]alue '(.*?)'", text)
    found = quoted_by_omegaconf or re.search(rf"{re.escape(key)}=(\S*)", given)
    name, item, _ = key.partition("[")
    value: Any = found[1] if found else None
    value = [value] if item else value
    for part in reversed(name.split(".")):
        value = {part: value}
    from_mapping(Config, value, origin)


def _reason(error: Exception) -> str:
    """What Hydra or OmegaConf objects to, in one line."""
    lines = str(error.__cause__ or error).strip().splitlines()
    first = lines[0].rstrip(".") if lines else type(error).__name__
    return f"cannot be composed: {first}."


def in_home(override: str) -> str:
    """An override with `~/` at the start of its value expanded, as some shells do."""
    key, sign, value = override.partition("=")
    return f"{key}={Path(value).expanduser()}" if sign and value.startswith("~/") else override


def parsed(overrides: Sequence[str], origin: str) -> list[Override]:
    """Parse overrides by Hydra's grammar; `ConfigurationError` for a syntax error."""
    with composition_errors(origin, overrides):
        return list(OverridesParser.create().parse_overrides(list(overrides)))


def value_text(override: Override) -> str:
    """The value of an override as it was written."""
    return str(override.input_line).partition("=")[2]


def given_values(override: Override) -> list[Any]:
    """The values that an override stands for; none for an interval.

    Raises:
        ConfigurationError: for a choice, range or glob of no value, or of more than `MOST_VALUES`.
    """
    value: Any = override.value()
    found: Sequence[Any]
    if isinstance(value, ChoiceSweep):
        found = [getattr(item, "text", item) for item in value.list]
    elif isinstance(value, RangeSweep):
        found = list(islice(value.range(), MOST_VALUES + 1))
    elif isinstance(value, Glob):
        loader: Any = override.config_loader  # None without a configuration
        group = override.key_or_group
        found = value.filter(loader.get_group_options(group) if loader else options(group))
    else:
        return [] if override.is_sweep_override() else [value]
    key, rule = str(override.key_or_group), f"must be at most {MOST_VALUES:,} values."
    require(bool(found), key, value_text(override), "there is no such value.")
    require(len(found) <= MOST_VALUES, key, value_text(override), rule)
    return found


def compose_values(overrides: Sequence[str], origin: str, conf: Path = CONF_DIR) -> dict[str, Any]:
    """Compose `conf/config.yaml` with overrides in Hydra's syntax into plain values.

    Raises:
        ConfigurationError: for an unknown option or key, or a value of the wrong type.
    """
    return plain(_composed(overrides, origin, conf))


def _composed(overrides: Sequence[str], origin: str, conf: Path) -> DictConfig:
    register_schema()
    with (
        initialize_config_dir(str(conf), version_base=HYDRA_VERSION_BASE),
        composition_errors(origin, overrides),
    ):
        return compose("config", list(overrides))


@dataclass
class ArmComposer:
    """Composes arms at one scale; the values are those that Hydra composes.

    Attributes:
        scale: an option of `conf/scale/`.
        conf: folder of the configuration files.
    """

    scale: str
    conf: Path = CONF_DIR
    _bases: dict[str, DictConfig] = field(default_factory=dict, repr=False)

    def arm(self, name: str, overrides: Sequence[str] = ()) -> Config:
        """Compose an arm of `conf/arm/`, with further overrides `KEY=VALUE` in Hydra's syntax.

        Raises:
            ConfigurationError: for an unknown arm or scale, or anything illegal in the files.
        """
        origin = f"conf/arm/{name}.yaml"
        return arm_from_mapping(self._values(name, overrides, origin), origin)

    def new_arm(self, name: str, overrides: Sequence[str], origin: str) -> Config:
        """Compose an arm that a study, in the file `origin`, declares in `new_arms`.

        Raises:
            ConfigurationError: for a name that is taken, or anything illegal in the overrides.
        """
        rule = f"conf/arm/{name}.yaml has this name. Give the new arm another one."
        require(name not in options("arm", self.conf), f"{origin}: new_arms", name, rule)
        origin = f"{origin}: new_arms.{name}"
        return arm_from_mapping({**self._values(None, overrides, origin), "arm": name}, origin)

    def _values(self, arm: str | None, overrides: Sequence[str], origin: str) -> dict[str, Any]:
        choices, settings = {"scale": self.scale}, []
        for override in parsed(overrides, origin):
            simple = override.type is OverrideType.CHANGE and not override.is_sweep_override()
            require(simple, origin, override.input_line, "must have the form KEY=VALUE.")
            key, value = override.key_or_group, override.value()
            check_references(str(value), origin)
            if key == "arm":
                arm = None if value is None else str(value)
            elif (self.conf / key).is_dir() and isinstance(value, str):
                choices[key] = value
            else:
                settings.append((key, value))
        arm_values: dict[str, Any] = {}
        if arm is not None:
            check_option("arm", arm, self.conf)
            arm_choices, arm_values = read_arm_file(self.conf / "arm" / f"{arm}.yaml")
            choices = arm_choices | choices
        base = self._base(choices, origin)
        with composition_errors(origin, overrides):
            merged = OmegaConf.merge(base, arm_values)
            for key, value in settings:
                OmegaConf.update(merged, key, value, merge=True)
        values = plain(cast("DictConfig", merged))
        images = values["data"]["path"]
        rule = "an arm takes its images from a folder within the project."
        fix = "Copy or link the folder there. A sweep (convchoice train -m) takes any folder."
        legal = images is None or is_inside(str(images))
        require(legal, f"{origin}: data.path", images, rule, fix)
        return values

    def _base(self, choices: Mapping[str, str], origin: str) -> DictConfig:
        """The composition of a choice of options, without an arm."""
        overrides = [f"{group}={quoted(option)}" for group, option in sorted(choices.items())]
        name = " ".join(overrides)
        if name not in self._bases:
            base = self._bases[name] = _composed(overrides, origin, self.conf)
            for key in FIELDS:  # their keys are those of somebody's code
                OmegaConf.set_struct(OmegaConf.select(base, key), False)
        return self._bases[name]
