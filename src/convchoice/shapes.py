"""What a configuration's network looks like, layer by layer, before anything is trained.

    python -m convchoice.shapes downsample=strided
    python -m convchoice.shapes arm=all_conv --json

A table like Keras's `summary()` with each size formula's numbers put in, multiply-accumulates,
receptive fields and the memory of the activations. A configuration that cannot be built is refused
with the layer, its sizes and what would fit. Never imports torch.
"""

import dataclasses
import json
import sys
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from convchoice.composition import compose_values
from convchoice.configuration import config_from_mapping
from convchoice.errors import exit_codes
from convchoice.fitting import fitting_plan
from convchoice.geometry import Plan
from convchoice.schema import Config

JSON_FLAG = "--json"
MEBIBYTE = 2**20


def _size(shape: tuple[int, ...]) -> str:
    """A shape as people write it: height×width×depth, or a number of features."""
    if len(shape) == 1:
        return f"{shape[0]:,}"
    depth, height, width = shape
    return f"{height}×{width}×{depth}"


def table(network: Plan) -> Table:
    """The layers as a table."""
    shown = Table(box=box.SIMPLE_HEAD)
    shown.add_column("layer")
    shown.add_column("what")
    shown.add_column("size formula")
    shown.add_column("input → output")
    for title in ("parameters", "MACs", "pooling ops", "sees", "jump"):
        shown.add_column(title, justify="right")
    for layer in network.layers:
        shown.add_row(
            layer.name,
            layer.label,
            layer.formula,
            f"{_size(layer.input_shape)} → {_size(layer.output_shape)}",
            *(
                f"{number:,}" if number else ""
                for number in (layer.parameters, layer.macs, layer.pooling_operations)
            ),
            *(
                (f"{layer.receptive_field} px", str(layer.jump))
                if layer.axes is not None
                else ("", "")
            ),
        )
    return shown


def totals(network: Plan, config: Config) -> dict[str, int]:
    """The network's sums, for one image but for the memory of a batch's activations."""
    return {
        "parameters": network.parameters,
        "macs": network.macs,
        "pooling_operations": network.pooling_operations,
        "batch_size": config.data.batch_size,
        "activation_bytes": network.activation_bytes(config.data.batch_size),
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
    summed = totals(network, config)
    if JSON_FLAG in given:
        layers = [
            {
                **{
                    item.name: getattr(layer, item.name)
                    for item in dataclasses.fields(layer)
                    if item.name not in {"kind", "axes"}
                },
                "kind": layer.kind.value,
                "formula": layer.formula,
            }
            for layer in network.layers
        ]
        print(json.dumps({"layers": layers, "totals": summed}, indent=2, ensure_ascii=False))
        return
    # Piped into a file or a pager, a table keeps its columns instead of folding them at 80.
    Console(width=None if sys.stdout.isatty() else 200).print(table(network))
    print(
        f"  {summed['parameters']:,} parameters, {summed['macs']:,} multiply-accumulates and"
        f" {summed['pooling_operations']:,} pooling operations an image;"
        f" activations of a batch of {summed['batch_size']}:"
        f" {summed['activation_bytes'] / MEBIBYTE:.1f} MiB"
    )


if __name__ == "__main__":
    with exit_codes():
        main()
