"""The base of the result's models: immutable, finite numbers, legal names, no unknown keys."""

from collections.abc import Iterable, Sized
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from convchoice.config.legal_values import NAME_PATTERN

Name = Annotated[str, Field(pattern=f"^{NAME_PATTERN.pattern}$")]
"""Name of an arm or a study."""
Count = Annotated[int, Field(ge=0)]
Probability = Annotated[float, Field(ge=0, le=1)]
Matrix = list[list[int]]


class Model(BaseModel):
    """A part of a result."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )


def same_length(what: str, items: Iterable[Sized]) -> None:
    """Raise ValueError unless all items have the same length."""
    lengths = [len(item) for item in items]
    if len(set(lengths)) > 1:
        raise ValueError(f"{what} must have the same length, not {lengths}.")
