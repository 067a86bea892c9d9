"""Convert plain values, as YAML has them, to typed dataclasses and back.

The fields' types and their annotations (`legal_values`) are checked; rules between keys are in
`validation`. Every value is taken literally: a reference such as ``${oc.env:HOME}`` is text here.
"""

import dataclasses
import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, TypeVar, cast, get_args, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, to_jsonable_python

from convchoice.errors import ConfigurationError, did_you_mean, nearest, shortened

T = TypeVar("T")
LONGEST_KEY = 100

# By pydantic's type of error; others keep pydantic's wording.
RULES = {
    "unexpected_keyword_argument": "there is no such key.",
    "invalid_key": "is not a legal name of a key.",
    "missing": "is missing.",
    "dataclass_type": "must be a mapping of keys.",
    "dict_type": "must be a mapping.",
    "list_type": "must be a list.",
    "bool_type": "must be true or false.",
    "int_type": "must be a whole number.",
    "float_type": "must be a number.",
    "string_type": "must be text. Put it in quotes.",
    "greater_than_equal": "must be at least {ge:,}.",
    "less_than_equal": "must be at most {le:,}.",
    "less_than": "must be below {lt:,}.",
}


@cache
def _adapter(schema: Any) -> TypeAdapter[Any]:
    schema.__pydantic_config__ = ConfigDict(extra="forbid")
    return TypeAdapter(schema)


def from_mapping(schema: type[T], values: Any, origin: str) -> T:
    """Convert a mapping to a dataclass; keys that are not in it keep their defaults.

    Args:
        schema: a dataclass, whose fields may be dataclasses.
        values: plain values.
        origin: where the values come from, for messages; may be empty.

    Raises:
        ConfigurationError: for an unknown or missing key, a value of the wrong type or an illegal
            one.
    """
    try:
        return cast("T", _adapter(cast("Any", schema)).validate_python(values))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        rule, fix = _rule_and_fix(schema, first)
        value = None if first["type"] == "missing" else first["input"]
        raise ConfigurationError(_field(first, origin), value, rule, fix) from None


def _field(error: ErrorDetails, origin: str) -> str:
    """The origin and the dotted key of an error: ``max.yaml: model.filters[0]``."""
    key = ""
    for part in error["loc"]:
        text = str(part)
        short = text.isprintable() and 0 < len(text) < LONGEST_KEY
        key += f"[{part}]" if isinstance(part, int) else f".{text if short else shortened(part)}"
    return ": ".join(part for part in (origin, key.removeprefix(".")) if part)


def _rule_and_fix(schema: Any, error: ErrorDetails) -> tuple[str, str]:
    kind = error["type"]
    if kind == "enum":
        words = re.findall(r"'(\w+)'", error["ctx"]["expected"])
        return f"must be one of {', '.join(words)}.", did_you_mean(error["input"], words)
    if kind == "unexpected_keyword_argument":
        *outer, key = error["loc"]
        for part in outer:
            item = isinstance(part, int)
            schema = get_args(schema)[0] if item else get_type_hints(schema)[str(part)]
        return RULES[kind], nearest(key, [field.name for field in dataclasses.fields(schema)])
    if kind == "value_error":
        return str(error["ctx"]["error"]), ""
    if kind in RULES:
        return RULES[kind].format(**error.get("ctx", {})), ""
    return f"{error['msg'].replace('Input should be', 'must be')}.", ""


def plain_values(value: Any) -> Any:
    """Dataclasses as mappings and enum members by their names, ready for YAML."""
    return to_jsonable_python(value)


def flattened(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, with dotted keys; lists stay values."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        flat |= flattened(value, f"{name}.") if isinstance(value, Mapping) else {name: value}
    return flat


def within(key: str, names: Iterable[str]) -> bool:
    """Whether a dotted key is one of some names, or lies in a group of that name."""
    return any(key == name or key.startswith(f"{name}.") for name in names)
