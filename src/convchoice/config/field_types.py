"""The types of configuration fields: what is legal, and the conversion of plain values to them.

`schema` and `study` declare their fields with these types, and `from_mapping` checks them. A range
here never admits NaN, a number in quotes, or a bool. Every value is taken literally: a reference
such as ``${oc.env:HOME}`` is text. Rules between keys are in `validation`.
"""

import dataclasses
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cache
from itertools import chain, count
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast, get_args, get_type_hints

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, to_jsonable_python

from convchoice.errors import (
    ConfigurationError,
    did_you_mean,
    is_circular_link,
    is_url,
    nearest,
    require,
    shortened,
    without_password,
)

T = TypeVar("T")
Pair = tuple[int, int]
"""(along the height, along the width)."""
PairValue = int | list[int]
"""A size in canonical form: one number where both axes agree, else [height, width].

Equal sizes have one form, so equal configurations compare equal and write the same bytes.
"""

NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.=-]{0,99}")
NAME_RULE = "a name is 1 to 100 letters, digits and _ . = - , a letter or digit first."
MOST_ITEMS = Field(max_length=1_000)
LONGEST_KEY = 100

# By pydantic's type of error; others keep pydantic's message.
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


def between(least: float, most: float) -> Any:
    """Numbers from `least` to `most`, both included."""
    return Field(strict=True, ge=least, le=most)


def legal(holds: Callable[[Any], bool], rule: str) -> AfterValidator:
    """Values for which `holds` is true; `rule` is a sentence for the error message."""

    def check(value: Any) -> Any:
        if not holds(value):
            raise ValueError(rule)
        return value

    return AfterValidator(check)


def is_name(value: object) -> bool:
    """Whether a value can be the name of a folder, a file and a heading."""
    return isinstance(value, str) and NAME_PATTERN.fullmatch(value) is not None


def check_name(field: str, value: object) -> None:
    """Raise `ConfigurationError` unless a value is a legal name."""
    require(is_name(value), field, value, NAME_RULE)


def name_from(text: str, default: str = "unnamed", taken: Collection[str] = ()) -> str:
    """A legal name that is like a text, and none of those taken."""
    name = re.sub(r"[^A-Za-z0-9_.=-]", "_", text).lstrip("_.=-")[:90] or default
    numbered = (f"{name}.{number}" for number in count(2))
    return next(each for each in chain([name], numbered) if each not in taken)


def is_text(text: str) -> bool:
    """Whether a text has no reference ``${`` and no control character, and is not empty."""
    return bool(text.strip()) and text.isprintable() and "${" not in text


def is_folder(text: str) -> bool:
    """Whether a text can be the path of a folder."""
    return is_text(text) and not text.startswith("~") and not is_url(text)


def is_inside(text: str) -> bool:
    """Whether a text can be the path of a folder within the working folder."""
    return is_folder(text) and not Path(text).is_absolute() and ".." not in Path(text).parts


Name = Annotated[str, legal(is_name, NAME_RULE)]
Text = Annotated[str, legal(is_text, "must be text without ${ and control characters.")]
Folder = Annotated[
    str,
    legal(is_folder, "must be the path of a folder, no URL, without ~, ${ and control characters."),
    legal(
        lambda text: not is_circular_link(text),
        "a symbolic link in this path leads to itself. Remove it, or choose another folder.",
    ),
]
Uri = Annotated[
    Text,
    legal(
        lambda text: text == without_password(text),
        "must not hold credentials, which every run folder would keep. Set MLFLOW_TRACKING_URI.",
    ),
]


def pair_of(value: PairValue) -> Pair:
    """Both axes' numbers of a canonical value."""
    height, width = value if isinstance(value, list) else (value, value)
    return height, width


def once(pair: Pair) -> PairValue:
    """The canonical value of a pair: one number where both agree."""
    height, width = pair
    return height if height == width else [height, width]


def shown(pair: Pair) -> str:
    """A pair for messages, once where both agree: ``3``, or ``3×5``."""
    return "×".join(f"{number:,}" for number in dict.fromkeys(pair))


def canonical(value: Any, least: int, most: int) -> PairValue:
    """The canonical form of one number or two from `least` to `most`; ValueError for all else."""
    numbers = value if isinstance(value, list | tuple) and len(value) == 2 else (value, value)  # noqa: PLR2004
    if all(type(number) is int and least <= number <= most for number in numbers):
        return once((numbers[0], numbers[1]))
    rule = f"must be a whole number from {least} to {most}, or [height, width] of two such numbers."
    raise ValueError(rule)


def size(least: int, most: int) -> AfterValidator:
    """One number for both axes, or [height, width], in canonical form."""
    return AfterValidator(lambda value: canonical(value, least, most))


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
        words = re.findall(r"'([\w ]+)'", error["ctx"]["expected"])
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
