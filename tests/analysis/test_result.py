"""The result's models, and the pages that are generated from them.

Write the pages again: CONVCHOICE_WRITE_GOLDEN=1 python -m pytest tests/analysis/test_result.py
"""

import inspect
import json
import os
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pytest
from pydantic import BaseModel

from convchoice.analysis.result import SCHEMA_VERSION, Comparison
from convchoice.analysis.result_types import Interval

DOCS = Path(__file__).parents[2] / "docs"


SIMPLE = {
    int: "integer",
    float: "number",
    str: "text",
    bool: "true or false",
    Interval: "two numbers",
    type(None): "null",
}


def type_name(annotation: Any) -> str:
    """A field's type in JSON's terms."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation in SIMPLE:
        name = SIMPLE[annotation]
    elif origin is Annotated:
        name = type_name(arguments[0])
    elif origin in {Union, types.UnionType}:
        name = " or ".join(type_name(each) for each in arguments)
    elif origin is list:
        name = f"list of {type_name(arguments[0])}"
    elif origin is dict:
        name = f"object: {type_name(arguments[1])}"
    elif origin is tuple:
        name = "two numbers"
    elif inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        name = f"[{annotation.__name__}](#{annotation.__name__.lower()})"
    else:
        values = arguments if origin is Literal else getattr(annotation, "__members__", {}).values()
        name = " or ".join(f"`{each}`" for each in values) or "any value"
    return name


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from models_in(argument)


def page() -> str:
    """`docs/comparison.md`: its introduction as it is, and the models."""
    introduction, _, _ = (DOCS / "comparison.md").read_text(encoding="utf-8").partition("\n## ")
    assert f"**Schema version {SCHEMA_VERSION}.**" in introduction
    models: list[type[BaseModel]] = [Comparison]
    for model in models:  # grows while models are found
        for field in model.model_fields.values():
            models += [each for each in models_in(field.annotation) if each not in models]
    parts = [introduction]
    for model in models:
        rows = [
            f"| `{name}` | {type_name(field.annotation)} | {field.description} |"
            for name, field in model.model_fields.items()
        ]
        about = " ".join(inspect.getdoc(model).split())
        head = ["| key | type | meaning |", "|---|---|---|"]
        parts.append("\n".join([f"## {model.__name__}\n\n{about}\n", *head, *rows]) + "\n")
    text = "\n".join(parts)
    assert "| None |" not in text  # every field is described
    return text


def schema() -> str:
    """`docs/comparison.schema.json`."""
    return json.dumps(Comparison.model_json_schema(), indent=1) + "\n"


@pytest.mark.parametrize(
    ("name", "make"), [("comparison.md", page), ("comparison.schema.json", schema)]
)
def test_generated_pages_are_up_to_date(name: str, make: Any):
    if os.environ.get("CONVCHOICE_WRITE_GOLDEN"):
        (DOCS / name).write_text(make(), encoding="utf-8")
    assert (DOCS / name).read_text(encoding="utf-8") == make()
