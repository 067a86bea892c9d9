"""What a legal value is beyond its type: annotations for the fields of `schema` and `study`.

`mapping.from_mapping` checks them. A range here never admits NaN, a number in quotes, or a bool.
"""

import re
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from convchoice.config.pairs import canonical
from convchoice.errors import require, without_password

NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.=-]{0,99}")
NAME_RULE = "a name is 1 to 100 letters, digits and _ . = - , a letter or digit first."
MOST_ITEMS = Field(max_length=1_000)


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


def size(least: int, most: int) -> AfterValidator:
    """One number for both axes, or [height, width], in canonical form."""
    return AfterValidator(lambda value: canonical(value, least, most))


def is_name(value: object) -> bool:
    """Whether a value can be the name of a folder, a file and a heading."""
    return isinstance(value, str) and NAME_PATTERN.fullmatch(value) is not None


def check_name(field: str, value: object) -> None:
    """Raise `ConfigurationError` unless a value is a legal name."""
    require(is_name(value), field, value, NAME_RULE)


def is_text(text: str) -> bool:
    """Whether a text has no reference ``${`` and no control character, and is not empty."""
    return bool(text.strip()) and text.isprintable() and "${" not in text


def is_folder(text: str) -> bool:
    """Whether a text can be the path of a folder."""
    return is_text(text) and not text.startswith("~")


def _has_no_credentials(text: str) -> bool:
    return text == without_password(text)


TEXT = legal(is_text, "must be text without ${ and control characters.")
FOLDER = legal(is_folder, "must be the path of a folder, without ~, ${ and control characters.")
NO_CREDENTIALS = legal(
    _has_no_credentials,
    "must not hold credentials, which every run folder would keep. Set MLFLOW_TRACKING_URI.",
)
Name = Annotated[str, legal(is_name, NAME_RULE)]
Text = Annotated[str, TEXT]
Folder = Annotated[str, FOLDER]
Uri = Annotated[str, TEXT, NO_CREDENTIALS]
