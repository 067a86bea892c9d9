"""What a legal value of a key is beyond its type: declared with the key in `schema`."""

import dataclasses
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from convchoice.errors import ConfigurationError, did_you_mean, without_password

METADATA = "legal"
MOST_ITEMS = 1_000
NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.=-]{0,99}")


@dataclass(frozen=True)
class Legal:
    """Which values of a type are legal.

    Attributes:
        rule: the rule as a sentence.
        holds: whether a value satisfies it.
        fix: what to write instead, if the rule does not say it.
        choices: all legal values, if they are few words.
    """

    rule: str
    holds: Callable[[Any], bool]
    fix: str = ""
    choices: tuple[str, ...] = ()

    def check(self, name: str, value: Any) -> None:
        """Raise `ConfigurationError` for key `name` unless the value is legal."""
        if not self.holds(value):
            fix = self.fix or did_you_mean(value, self.choices)
            raise ConfigurationError(name, value, self.rule, fix)


def key(default: Any, legal: Legal | None = None) -> Any:
    """Declare a dataclass field: its default, and which values are legal (None always is)."""
    metadata = {METADATA: legal}
    if isinstance(default, list):
        return field(default_factory=default.copy, metadata=metadata)
    return field(default=default, metadata=metadata)


def check_values(group: Any, prefix: str = "") -> None:
    """Check every field of a dataclass, and of those within it, against its declaration.

    Raises:
        ConfigurationError: naming the first field whose value is not legal.
    """
    for item in dataclasses.fields(group):
        value, legal = getattr(group, item.name), item.metadata.get(METADATA)
        if dataclasses.is_dataclass(value):
            check_values(value, f"{prefix}{item.name}.")
        elif legal is not None and value is not None:
            legal.check(f"{prefix}{item.name}", value)


def between(least: float, most: float) -> Legal:
    """Numbers from `least` to `most`, both included; never NaN."""
    rule = f"must be at least {least:,} and at most {most:,}."
    return Legal(rule, lambda value: least <= value <= most)


def fraction() -> Legal:
    """Numbers from 0 to 1, without 1."""
    return Legal("must be at least 0 and below 1.", lambda value: 0 <= value < 1)


def each(legal: Legal) -> Legal:
    """Lists of at most `MOST_ITEMS` items, each of them legal."""

    def all_hold(values: Any) -> bool:
        return len(values) <= MOST_ITEMS and all(legal.holds(item) for item in values)

    rule = f"of at most {MOST_ITEMS} items, each {legal.rule}"
    return dataclasses.replace(legal, rule=rule, holds=all_hold)


def one_of(choices: Sequence[str]) -> Legal:
    """One of a few words."""
    rule = f"must be one of {', '.join(choices)}."
    return Legal(rule, lambda value: value in choices, choices=tuple(choices))


def is_size(value: Any, least: int, most: int) -> bool:
    """Whether a value is a whole number from `least` to `most`, or [height, width] of two such."""
    numbers = value if isinstance(value, list | tuple) and len(value) == 2 else [value]  # noqa: PLR2004
    return all(type(number) is int and least <= number <= most for number in numbers)


def size(least: int, most: int) -> Legal:
    """One number for both axes, or [height, width]."""
    rule = f"must be a whole number from {least} to {most}, or [height, width] of two such numbers."
    return Legal(rule, lambda value: is_size(value, least, most))


def _is_plain(text: str) -> bool:
    return bool(text.strip()) and text.isprintable() and "${" not in text


NAME = Legal(
    "a name is 1 to 100 letters, digits and _ . = - , a letter or digit first.",
    lambda value: isinstance(value, str) and NAME_PATTERN.fullmatch(value) is not None,
)
"""A name that can be a folder's, a file's and a heading's."""
FOLDER = Legal(
    "must be the path of a folder, without ~, ${ and control characters.",
    lambda value: _is_plain(value) and not value.startswith("~"),
    "Write the full path, or a dot for the current folder.",
)
TITLE = Legal("must be text without ${ and control characters.", _is_plain)
URI = Legal(
    "must not hold credentials: every run folder keeps its configuration.",
    lambda value: _is_plain(value) and value == without_password(value),
    "Set the environment variable MLFLOW_TRACKING_URI instead.",
)
