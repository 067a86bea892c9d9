"""What a configuration's network looks like, layer by layer, before anything is trained.

    python -m convchoice.shapes downsample=strided
    python -m convchoice.shapes arm=all_conv --json

A table like Keras's `summary()` with each size formula's numbers put in, multiply-accumulates,
operations of pooling, what one output sees of the image (the receptive field) and how far its
neighbour's view lies (the jump), and the memory of a batch's activations. A configuration that
cannot be built is refused with the layer, its sizes and what would fit. Never imports torch.
"""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from convchoice.config.composition import compose_values
from convchoice.config.pairs import once, shown
from convchoice.config.schema import Config
from convchoice.config.validation import config_from_mapping
from convchoice.errors import exit_codes
from convchoice.networks.planned_layers import Kind, Plan, PlannedLayer
from convchoice.networks.suggestions import fitting_plan

JSON_FLAG = "--json"
MEBIBYTE = 2**20
SMALLEST_MEMORY = 0.01
# Piped into a file or a pager, a table keeps its columns instead of folding them at 80.
PIPED_WIDTH = 200

Cells = dict[str, str]


@dataclass(frozen=True)
class Layout:
    """How the cells of a layer stand in a table: a column a tuple, its cells below one another.

    Attributes:
        columns: headings with the names of the cells under them.
        spaced: whether an empty line separates the layers.
    """

    columns: tuple[tuple[str, tuple[str, ...]], ...]
    spaced: bool


_WIDE = Layout(
    (
        ("layer", ("layer",)),
        ("what", ("what",)),
        ("size formula", ("formula",)),
        ("input → output", ("sizes",)),
        ("parameters", ("parameters",)),
        ("MACs", ("MACs",)),
        ("pooling ops", ("pooling",)),
        ("sees", ("sees",)),
        ("jump", ("jump",)),
        ("MiB", ("memory",)),
    ),
    spaced=False,
)
_MIDDLE = Layout(
    (
        ("layer", ("layer", "what", "formula")),
        *_WIDE.columns[3:],
    ),
    spaced=True,
)
_NARROW = Layout(
    (
        ("layer", ("layer", "what", "formula")),
        ("input →\noutput", ("input", "output")),
        ("parameters", ("parameters",)),
        ("MACs or\npooling", ("MACs", "pooling")),
        ("sees,\njump", ("sees", "jump")),
        ("MiB", ("memory",)),
    ),
    spaced=True,
)
_LEFT = ("layer", "what", "size formula", "input → output", "input →\noutput")


def _size(shape: tuple[int, ...]) -> str:
    """A shape as people write it: height×width×depth, or a number of features."""
    if len(shape) == 1:
        return f"{shape[0]:,}"
    depth, height, width = shape
    return f"{height}×{width}×{depth}"


def _seen(layer: PlannedLayer) -> tuple[str, str]:
    """What one output sees and how far its neighbour's view lies, of layers that move either."""
    moves = layer.axes is not None or layer.kind is Kind.dense_map
    if not moves or layer.receptive_field is None or layer.jump is None:
        return "", ""
    if layer.sees_everything:
        return "all", "–"
    return f"{shown(layer.receptive_field)} px", shown(layer.jump)


def _cells(layer: PlannedLayer, batch_size: int) -> Cells:
    before, after = _size(layer.input_shape), _size(layer.output_shape)
    sees, jump = _seen(layer)
    memory = layer.activation_bytes(batch_size) / MEBIBYTE
    return {
        "layer": layer.name,
        "what": layer.label,
        "formula": layer.formula.replace("; ", "\n"),
        "sizes": f"{before} → {after}",
        "input": f"{before} →",
        "output": after,
        "parameters": f"{layer.parameters:,}" if layer.parameters else "",
        "MACs": f"{layer.macs:,}" if layer.macs else "",
        "pooling": f"{layer.pooling_operations:,}" if layer.pooling_operations else "",
        "sees": sees,
        "jump": jump,
        "memory": f"{memory:.2f}" if memory >= SMALLEST_MEMORY else f"< {SMALLEST_MEMORY}",
    }


def _laid_out(network: Plan, batch_size: int, layout: Layout) -> Table:
    drawn = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for heading, names in layout.columns:
        # Where room is short the words are folded, never a number.
        drawn.add_column(
            heading, justify="left" if heading in _LEFT else "right", no_wrap="layer" not in names
        )
    for number, layer in enumerate(network.layers):
        cells = _cells(layer, batch_size)
        stacks = ([cells[name] for name in names] for _, names in layout.columns)
        if layout.spaced and number:
            drawn.add_row()
        drawn.add_row(*("\n".join(text for text in stack if text) for stack in stacks))
    return drawn


def table(network: Plan, batch_size: int, console: Console) -> Table:
    """The layers as a table, in the widest layout that the console has room for.

    Args:
        network: its layers, a row each.
        batch_size: images whose activations are counted in the last column.
        console: where it is to be printed.
    """
    for layout in (_WIDE, _MIDDLE):
        drawn = _laid_out(network, batch_size, layout)
        if console.measure(drawn, options=console.options.update(max_width=1000)).maximum <= (
            console.width
        ):
            return drawn
    return _laid_out(network, batch_size, _NARROW)


def totals(network: Plan, config: Config) -> dict[str, int]:
    """The network's sums, for one image but for the memory of a batch's activations."""
    return {
        "parameters": network.parameters,
        "macs": network.macs,
        "pooling_operations": network.pooling_operations,
        "batch_size": config.data.batch_size,
        "activation_bytes": network.activation_bytes(config.data.batch_size),
    }


def _for_programs(layer: PlannedLayer, batch_size: int) -> dict[str, Any]:
    """A layer as JSON: a receptive field or jump is one number, or [height, width]; see `planned`.

    A layer with jump 0 comes after a dense one: each of its outputs sees the whole image.
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


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table, or with ``--json`` the same for programs.

    Raises:
        UserError: for an illegal configuration, or one whose layers do not fit.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if {"--help", "-h"} & set(given):
        print(__doc__)
        return
    overrides = [argument for argument in given if argument != JSON_FLAG]
    config = config_from_mapping(compose_values(overrides, "command line"), "command line")
    network = fitting_plan(config)
    batch_size, summed = config.data.batch_size, totals(network, config)
    if JSON_FLAG in given:
        layers = [_for_programs(layer, batch_size) for layer in network.layers]
        print(json.dumps({"layers": layers, "totals": summed}, indent=2, ensure_ascii=False))
        return
    asked = sys.stdout.isatty() or "COLUMNS" in os.environ
    console = Console(width=None if asked else PIPED_WIDTH)
    console.print(table(network, batch_size, console))
    console.print(
        f"\n{summed['parameters']:,} parameters, {summed['macs']:,} multiply-accumulates and"
        f" {summed['pooling_operations']:,} pooling operations an image;"
        f" activations of a batch of {batch_size}:"
        f" {summed['activation_bytes'] / MEBIBYTE:.1f} MiB",
        highlight=False,
    )


if __name__ == "__main__":
    with exit_codes():
        main()
