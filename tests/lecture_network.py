"""The lecture's network as the page speaks of it: changed by overrides, asked for numbers."""

from functools import cache

from convchoice.config.composition import compose_values
from convchoice.config.validation import config_from_mapping
from convchoice.evaluation.input_size import accepts
from convchoice.networks.conv_arithmetic import GeometryError
from convchoice.networks.plan import Kind, Plan, PlannedLayer, plan


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
