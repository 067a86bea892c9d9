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
from pydantic import BaseModel, ValidationError

from convchoice.analysis.result import SCHEMA_VERSION, Comparison
from convchoice.analysis.result_arm import Band, CurveSeries
from convchoice.analysis.result_model import Interval
from made_up_results import made_up_comparison

DOCS = Path(__file__).parents[2] / "docs"
INTRODUCTION = f"""# `comparison.json`

The result of a study. `convchoice compare` writes it; the report, the tables in the terminal and
the numbers in MLflow are made from it and from nothing else. The same runs give the same bytes. In
Python: `convchoice.analysis.comparison_files.read_comparison(path)`.
[comparison.schema.json](comparison.schema.json) is its JSON schema.

This page is generated from the models in `src/convchoice/analysis/result*.py`.

**Schema version {SCHEMA_VERSION}.** The version is raised when a reader of the previous schema
would fail: a key is removed, renamed or has another meaning. A new optional key does not raise it.
Results of another version are refused: run `convchoice compare` again.

**Numbers** have ten significant digits. Accuracies of arms are fractions of 1. Differences are arm
minus reference over common seeds, in `measure.unit`: percentage points for accuracies and
consistencies, nats for log-likelihoods and losses, the metric's own unit otherwise. An interval is
`[low, high]`.

**Tables.** `convchoice compare results.csv` writes the same structure; what only run folders record
is null or empty.

**Digest.** `sha256` is over the rest of the file. A result that was changed after it was written is
refused.
"""


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
    """`docs/comparison.md`."""
    models: list[type[BaseModel]] = [Comparison]
    for model in models:  # grows while models are found
        for field in model.model_fields.values():
            models += [each for each in models_in(field.annotation) if each not in models]
    parts = [INTRODUCTION]
    for model in models:
        rows = [
            f"| `{name}` | {type_name(field.annotation)} | {field.description} |"
            for name, field in model.model_fields.items()
        ]
        about = " ".join(inspect.getdoc(model).split())
        head = ["| key | type | meaning |", "|---|---|---|"]
        parts.append("\n".join([f"## {model.__name__}\n\n{about}\n", *head, *rows]) + "\n")
    return "\n".join(parts)


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("comparison.md", page),
        (
            "comparison.schema.json",
            lambda: json.dumps(Comparison.model_json_schema(), indent=1) + "\n",
        ),
    ],
)
def test_generated_pages_are_up_to_date(name: str, make: Any):
    if os.environ.get("CONVCHOICE_WRITE_GOLDEN"):
        (DOCS / name).write_text(make(), encoding="utf-8")
    assert (DOCS / name).read_text(encoding="utf-8") == make()


def test_every_field_is_described():
    assert "| None |" not in page()


def test_models_are_immutable_and_closed():
    result = made_up_comparison({})
    with pytest.raises(ValidationError, match="frozen"):
        result.study = result.study
    with pytest.raises(ValidationError, match="Extra inputs"):
        Comparison.model_validate({**result.model_dump(), "more": 1})


def test_lists_of_one_curve_have_one_length():
    with pytest.raises(ValidationError, match=r"not \[1, 2, 1\]"):
        Band(mean=[0.1], low=[0.0, 0.1], high=[0.2])
    with pytest.raises(ValidationError, match="values, accepted"):
        CurveSeries(
            curve="shift", kind="", layer="", unit="pixels", jump_pixels=None, n=1, images=1,
            values=[1.0, 2.0], bands={}, accepted=[True],
        )  # fmt: skip
