"""What runs record for every figure of a report, and results with hostile names."""

from typing import Any

from pydantic import BaseModel

from made_up_introspection import introspected
from made_up_runs import curve_points

HOSTILE = '"><svg onload=alert(1)>'
LAYERS = ("block1.convolution", "block1.detector", "block1.downsample")
RECORDED: dict[str, Any] = {
    "epochs": 2,
    "picture_shape": (28, 28),
    "curves": curve_points(0.9, layers=LAYERS),
    "inside": introspected(),
}
PADDED = {
    **RECORDED,
    "curves": curve_points(0.75, layers=LAYERS),
    "inside": introspected(1, edge=0.75, padded=True),
    "config": {"conv": {"padding": "same"}},
    "metrics": {"cost/macs": 698_560},
}


def renamed(value: Any, names: dict[str, str]) -> Any:
    """A result with other names, unchecked, as no file can hold it."""
    if isinstance(value, BaseModel):
        fields = {name: renamed(getattr(value, name), names) for name in type(value).model_fields}
        return value.model_copy(update=fields)
    if isinstance(value, dict):
        return {renamed(key, names): renamed(item, names) for key, item in value.items()}
    if type(value) is list:
        return [renamed(item, names) for item in value]
    return names.get(value, value) if type(value) is str else value
