"""The plan of a network as a table for readers and as JSON values for programs."""

from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from convchoice.config.pairs import once, shown
from convchoice.networks.plan import Kind, Plan, PlannedLayer, Shape

MEBIBYTE = 2**20
SMALLEST_MEMORY = 0.01

Columns = tuple[tuple[str, tuple[str, ...]], ...]
"""Headings, each with the names of the cells that are stacked below it."""

_WIDE: Columns = (
    ("layer", ("layer",)),
    ("description", ("description",)),
    ("size formula", ("formula",)),
    ("input → output", ("sizes",)),
    ("parameters", ("parameters",)),
    ("MACs", ("MACs",)),
    ("pooling ops", ("pooling",)),
    ("sees", ("sees",)),
    ("jump", ("jump",)),
    ("MiB", ("memory",)),
)
_NARROW: Columns = (
    ("layer", ("layer", "description", "formula")),
    ("input →\noutput", ("input", "output")),
    ("parameters", ("parameters",)),
    ("MACs or\npooling", ("MACs", "pooling")),
    ("sees,\njump", ("sees", "jump")),
    ("MiB", ("memory",)),
)
_LEFT = {"layer", "description", "size formula", "input → output", "input →\noutput"}


def _size(shape: Shape) -> str:
    """Height×width×channels, or a number of features."""
    if len(shape) == 1:
        return f"{shape[0]:,}"
    depth, height, width = shape
    return f"{height}×{width}×{depth}"


def _view(layer: PlannedLayer) -> tuple[str, str]:
    """Receptive field and jump, for layers that change them."""
    changes = layer.axes is not None or layer.kind is Kind.dense_map
    if not changes or layer.receptive_field is None or layer.jump is None:
        return "", ""
    if layer.sees_everything:
        return "all", "–"
    return f"{shown(layer.receptive_field)} px", shown(layer.jump)


def _cells(layer: PlannedLayer, batch_size: int) -> dict[str, str]:
    before, after = _size(layer.input_shape), _size(layer.output_shape)
    sees, jump = _view(layer)
    memory = layer.activation_bytes(batch_size) / MEBIBYTE
    return {
        "layer": layer.name,
        "description": layer.label,
        "formula": layer.formula.replace("; ", "\n"),
        "sizes": f"{before} → {after}",
        "input": f"{before} →",
        "output": after,
        "parameters": f"{layer.parameters:,}" if layer.parameters else "",
        "MACs": f"{layer.macs:,}" if layer.macs else "",
        "pooling": f"{layer.pooling_operations:,}" if layer.pooling_operations else "",
        "sees": sees,
        "jump": jump,
        "memory": f"{memory:,.2f}" if memory >= SMALLEST_MEMORY else f"< {SMALLEST_MEMORY}",
    }


def _table(plan: Plan, batch_size: int, columns: Columns) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for heading, _ in columns:
        table.add_column(heading, justify="left" if heading in _LEFT else "right", no_wrap=True)
    for number, layer in enumerate(plan.layers):
        cells = _cells(layer, batch_size)
        if number and columns is _NARROW:
            table.add_row()
        table.add_row(
            *("\n".join(cells[name] for name in names if cells[name]) for _, names in columns)
        )
    return table


def print_table(plan: Plan, batch_size: int, console: Console) -> None:
    """Print a row per layer and the sums below.

    A narrow console gets several cells of a layer below one another. A table with numbers so long
    that even this does not fit is printed wider than the console: no number is ever cut.

    Args:
        plan: the network.
        batch_size: images whose activations the last column counts.
        console: where to print.
    """
    unlimited = console.options.update(max_width=10_000)
    for columns in (_WIDE, _NARROW):
        table = _table(plan, batch_size, columns)
        width = console.measure(table, options=unlimited).maximum
        if width <= console.width:
            break
    console.width = max(console.width, width)
    console.print(table)
    sums = totals(plan, batch_size)
    console.print(
        f"\n{sums['parameters']:,} parameters, {sums['macs']:,} multiply-accumulates and"
        f" {sums['pooling_operations']:,} pooling operations per image;"
        f" activations of a batch of {batch_size}: {sums['activation_bytes'] / MEBIBYTE:,.1f} MiB",
        highlight=False,
    )


def totals(plan: Plan, batch_size: int) -> dict[str, int]:
    """The sums of all layers: costs for one image, memory for a batch."""
    return {
        "parameters": plan.parameters,
        "macs": plan.macs,
        "pooling_operations": plan.pooling_operations,
        "batch_size": batch_size,
        "activation_bytes": plan.activation_bytes(batch_size),
    }


def layer_values(layer: PlannedLayer, batch_size: int) -> dict[str, Any]:
    """A layer as JSON values; receptive field and jump are one number, or [height, width].

    A jump of 0 marks a layer behind a dense one: its outputs depend on the whole image.
    """
    field, jump = layer.receptive_field, layer.jump
    return {
        "name": layer.name,
        "label": layer.label,
        "input_shape": layer.input_shape,
        "output_shape": layer.output_shape,
        "parameters": layer.parameters,
        "macs": layer.macs,
        "pooling_operations": layer.pooling_operations,
        "receptive_field": None if field is None else once(field),
        "jump": None if jump is None else once(jump),
        "activation_bytes": layer.activation_bytes(batch_size),
        "kind": layer.kind.value,
        "formula": layer.formula,
    }
