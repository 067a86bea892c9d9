"""The lecture's network as the page speaks of it: changed by overrides, asked for numbers."""

from functools import cache

from convchoice.measuring.input_size import accepts
from convchoice.settings.configuration import config_from_mapping
from convchoice.sizes.geometry import GeometryError, Kind, Plan, PlannedLayer, plan
from convchoice.studies.composition import compose_values


@cache
def laid(*overrides: str) -> Plan:
    """The lecture's network, but for these overrides."""
    return plan(config_from_mapping(compose_values(overrides, "docs/lecture.md")))


def layer(of: Plan, name: str) -> PlannedLayer:
    """The layer of that name."""
    return next(each for each in of.layers if each.name == name)


def convolutions(of: Plan) -> int:
    """Parameters of all convolutions."""
    return sum(each.parameters for each in of.layers if each.kind is Kind.convolution)


def takes(head: str, side: int) -> bool:
    """Whether the lecture's weights, with this head, fit an image of so many pixels."""
    config = config_from_mapping({"model": {"head": head}})
    try:
        return accepts(plan(config), plan(config, (1, side, side)))
    except GeometryError:
        return False
