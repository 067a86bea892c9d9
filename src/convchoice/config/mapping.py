"""From plain values, as YAML has them, to typed ones and back; what they mean is not asked here."""

import dataclasses
import re
from collections.abc import Mapping
from enum import Enum
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

from omegaconf import OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from convchoice.errors import ConfigurationError, nearest, require

T = TypeVar("T")


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
        _check_key(prefix, key)
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


def _check_key(prefix: str, key: object) -> None:
    """Refuse what cannot be the name of a key: nothing at all, or no text."""
    named = isinstance(key, str) and bool(key.strip())
    require(named, f"{prefix}{key!r}", key, "is no name of a key.")


def _check_kind(hint: Any, value: Any, name: str) -> None:
    """Refuse a list for a mapping, a mapping for a list, and a text for either.

    OmegaConf names no key of the former. To it a text such as ${arm} may be anything, until it is
    looked up.
    """
    kind = get_origin(hint)
    if kind is dict:
        require(not isinstance(value, list | str), name, value, "must be a mapping.")
        for key, inner in value.items() if isinstance(value, Mapping) else ():
            _check_key(f"{name}.", key)
            _check_kind(get_args(hint)[1], inner, f"{name}.{key}")
    elif kind is list:
        require(not isinstance(value, Mapping | str), name, value, "must be a list.")


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
