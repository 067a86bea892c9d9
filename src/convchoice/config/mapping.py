"""Convert plain values, as YAML has them, to typed dataclasses and back.

Types only: ranges and the rules between keys are checked elsewhere. Every value is taken literally:
a reference such as ``${oc.env:HOME}`` is text here.
"""

import dataclasses
import re
from collections.abc import Iterable, Mapping
from enum import Enum
from types import UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from convchoice.errors import ConfigurationError, did_you_mean, nearest, require, shortened

T = TypeVar("T")

DECIMAL = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


def from_mapping(schema: type[T], values: Any, origin: str) -> T:
    """Convert a mapping to a dataclass; keys that are not in it keep their defaults.

    Args:
        schema: a dataclass, whose fields may be dataclasses.
        values: plain values.
        origin: where the values come from, for messages.

    Raises:
        ConfigurationError: for an unknown or missing key, or a value of the wrong type.
    """
    return cast("T", _to_dataclass(schema, values, origin, f"{origin}: "))


def _to_dataclass(schema: Any, values: Any, name: str, prefix: str) -> Any:
    fields = {field.name: field for field in dataclasses.fields(schema)}
    require(
        isinstance(values, Mapping),
        name,
        values,
        f"must be a mapping of keys: {', '.join(fields)}.",
    )
    for key, value in values.items():
        _check_key(prefix, key)
        if key not in fields:
            raise ConfigurationError(
                f"{prefix}{key}", value, "there is no such key.", nearest(key, list(fields))
            )
    for field in fields.values():
        optional = (field.default, field.default_factory) != (dataclasses.MISSING,) * 2
        require(optional or field.name in values, f"{prefix}{field.name}", None, "is missing.")
    hints = get_type_hints(schema)
    return schema(
        **{key: convert(hints[key], value, f"{prefix}{key}") for key, value in values.items()}
    )


def _check_key(prefix: str, key: object) -> None:
    legal = isinstance(key, str) and key.isprintable() and bool(key.strip()) and len(key) < 100  # noqa: PLR2004
    require(legal, f"{prefix}{shortened(key)}", key, "is not a legal name of a key.")


def convert(hint: Any, value: Any, name: str) -> Any:
    """Convert one value to the type of a dataclass field.

    Raises:
        ConfigurationError: naming the key `name`, if the value has another type.
    """
    kind, inner = get_origin(hint), get_args(hint)
    if kind in {Union, UnionType}:  # one type, or None
        return None if value is None else convert(inner[0], value, name)
    if kind is list:
        require(isinstance(value, list | tuple), name, value, "must be a list.")
        return [convert(inner[0], item, f"{name}[{index}]") for index, item in enumerate(value)]
    if kind is dict:
        require(isinstance(value, Mapping), name, value, "must be a mapping.")
        for key in value:
            _check_key(f"{name}.", key)
        return {key: convert(inner[1], item, f"{name}.{key}") for key, item in value.items()}
    if dataclasses.is_dataclass(hint):
        return _to_dataclass(hint, value, name, f"{name}.")
    if hint is Any:  # a number, a word or a pair; `pairs` gives it its type
        return value
    return _member(hint, value, name) if issubclass(hint, Enum) else _scalar(hint, value, name)


def _member(enum: type[Enum], value: Any, name: str) -> Enum:
    if isinstance(value, enum):
        return value
    members = list(enum.__members__)
    if not isinstance(value, str) or value not in members:
        rule = f"must be one of {', '.join(members)}."
        raise ConfigurationError(name, value, rule, did_you_mean(value, members))
    return enum[value]


def _scalar(kind: type, value: Any, name: str) -> Any:
    if kind is str:
        require(isinstance(value, str), name, value, "must be text.", "Put it in quotes.")
        return value
    if kind is bool:
        require(isinstance(value, bool), name, value, "must be true or false.")
        return value
    whole = isinstance(value, int) and not isinstance(value, bool)
    if kind is int:
        require(whole, name, value, "must be a whole number.")
        return value
    # PyYAML reads 1e-3, which has no point, as text.
    text = isinstance(value, str) and DECIMAL.fullmatch(value) is not None
    require(whole or text or isinstance(value, float), name, value, "must be a number.")
    try:
        return float(value)
    except OverflowError:
        raise ConfigurationError(name, value, "must be a finite number.") from None


def key_types(schema: Any, prefix: str = "") -> dict[str, Any]:
    """The type of every key of a dataclass and of the dataclasses within it, by dotted name."""
    types = {}
    for name, hint in get_type_hints(schema).items():
        types[f"{prefix}{name}"] = hint
        if dataclasses.is_dataclass(hint):
            types |= key_types(hint, f"{prefix}{name}.")
    return types


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


def within(key: str, names: Iterable[str]) -> bool:
    """Whether a dotted key is one of some names, or lies in a group of that name."""
    return any(key == name or key.startswith(f"{name}.") for name in names)
