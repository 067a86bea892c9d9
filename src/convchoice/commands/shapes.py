"""Print the layers of a network with sizes and costs, without training it.

Examples:
    convchoice shapes downsample=strided
    convchoice shapes arm=all_conv --json

Each layer has its output size formula with the numbers, parameters, multiply-accumulates (MACs),
pooling operations, the receptive field of one output ("sees"), the distance between neighbouring
receptive fields ("jump") and the memory of a batch's activations. A configuration whose layers do
not fit is refused, with suggestions of what fits.
"""

import json
import os
import sys
from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from convchoice.commands import CommandParser
from convchoice.config.composition import compose_values, parsed, value_text
from convchoice.config.field_types import once, shown
from convchoice.config.validation import config_from_mapping
from convchoice.data.conversion import with_contents
from convchoice.errors import require
from convchoice.networks.geometry_suggestions import fitting_plan
from convchoice.networks.plan import Kind, Plan, PlannedLayer, Shape

PIPED_WIDTH = 200
"""Columns of a table that is piped into a file or a pager."""
MEBIBYTE = 2**20
SMALLEST_MEMORY = 0.01
COUNTS = ("parameters", "macs", "pooling_operations")
"""What layers and plans count."""
WIDE = (
    "layer", "description", "size formula", "input → output",
    "parameters", "MACs", "pooling ops", "sees", "jump", "MiB",
)  # fmt: skip
NARROW = ("layer", "input →\noutput", "parameters", "MACs or\npooling", "sees,\njump", "MiB")


def _size(shape: Shape) -> str:
    """Height×width×channels, or a number of features."""
    depth, *sizes = shape
    return "×".join(map(str, [*sizes, depth])) if sizes else f"{depth:,}"


def _view(layer: PlannedLayer) -> tuple[str, str]:
    """Receptive field and jump, for layers that change them."""
    changes = layer.axes is not None or layer.kind is Kind.dense_map
    if not changes or layer.receptive_field is None or layer.jump is None:
        return "", ""
    if layer.sees_everything:
        return "all", "–"
    return f"{shown(layer.receptive_field)} px", shown(layer.jump)


def _row(layer: PlannedLayer, batch_size: int, *, narrow: bool) -> list[str]:
    before, after = _size(layer.input_shape), _size(layer.output_shape)
    formula, (sees, jump) = layer.formula.replace("; ", "\n"), _view(layer)
    counts = (getattr(layer, name) for name in COUNTS)
    parameters, macs, pooling = (f"{count:,}" if count else "" for count in counts)
    mebibytes = layer.activation_bytes(batch_size) / MEBIBYTE
    memory = f"{mebibytes:,.2f}" if mebibytes >= SMALLEST_MEMORY else f"< {SMALLEST_MEMORY}"
    if narrow:
        description = "\n".join(filter(None, [layer.name, layer.label, formula]))
        view = f"{sees}\n{jump}".strip()
        return [description, f"{before} →\n{after}", parameters, macs or pooling, view, memory]
    sizes = f"{before} → {after}"
    return [layer.name, layer.label, formula, sizes, parameters, macs, pooling, sees, jump, memory]


def _table(plan: Plan, batch_size: int, *, narrow: bool) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False, leading=narrow
    )
    headings = NARROW if narrow else WIDE
    for number, heading in enumerate(headings):
        right = number >= headings.index("parameters")
        table.add_column(heading, justify="right" if right else "left", no_wrap=True)
    for layer in plan.layers:
        table.add_row(*_row(layer, batch_size, narrow=narrow))
    return table


def print_table(plan: Plan, batch_size: int, console: Console) -> None:
    """Print a row per layer and the sums below.

    A narrow console gets several cells of a layer below one another. A table with numbers so long
    that even this does not fit is printed wider than the console: no number is ever cut.
    """
    unlimited = console.options.update(max_width=10_000)
    for narrow in (False, True):
        table = _table(plan, batch_size, narrow=narrow)
        width = console.measure(table, options=unlimited).maximum
        if width <= console.width:
            break
    console.width = max(console.width, width)
    console.print(table)
    memory = plan.activation_bytes(batch_size) / MEBIBYTE
    console.print(
        f"\n{plan.parameters:,} parameters, {plan.macs:,} multiply-accumulates and"
        f" {plan.pooling_operations:,} pooling operations per image;"
        f" activations of a batch of {batch_size}: {memory:,.1f} MiB",
        highlight=False,
    )


def layer_values(layer: PlannedLayer, batch_size: int) -> dict[str, Any]:
    """A layer as JSON values; receptive field and jump are one number, or [height, width].

    A jump of 0 marks a layer behind a dense one: its outputs depend on the whole image.
    """
    field, jump = layer.receptive_field, layer.jump
    return {
        **{name: getattr(layer, name) for name in ("name", "label", "input_shape", "output_shape")},
        **{name: getattr(layer, name) for name in COUNTS},
        "receptive_field": field and once(field),
        "jump": jump and once(jump),
        "activation_bytes": layer.activation_bytes(batch_size),
        "kind": layer.kind.value,
        "formula": layer.formula,
    }


def parser() -> CommandParser:
    """The command line."""
    made = CommandParser("convchoice shapes", __doc__)
    made.add_argument("overrides", nargs="*", help="Hydra overrides: downsample=max, conv.stride=2")
    made.add_argument("--json", action="store_true", help="print JSON for programs")
    return made


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table, or with ``--json`` its values.

    Raises:
        UserError: for an illegal configuration, or one whose layers do not fit.
    """
    given = parser().parse_intermixed_args(arguments)
    for each in parsed(given.overrides, "command line"):
        rule = "is several values. convchoice shapes prints one network: give one value."
        require(not each.is_sweep_override(), str(each.key_or_group), value_text(each), rule)
    values = compose_values(given.overrides, "command line")
    config = with_contents(config_from_mapping(values, "command line"))
    plan, batch_size = fitting_plan(config), config.data.batch_size
    if given.json:
        memory = {"batch_size": batch_size, "activation_bytes": plan.activation_bytes(batch_size)}
        totals = {name: getattr(plan, name) for name in COUNTS} | memory
        layers = [layer_values(layer, batch_size) for layer in plan.layers]
        print(json.dumps({"layers": layers, "totals": totals}, indent=2, ensure_ascii=False))
        return
    known_width = sys.stdout.isatty() or "COLUMNS" in os.environ
    print_table(plan, batch_size, Console(width=None if known_width else PIPED_WIDTH))
