"""Print the layers of a network with sizes and costs, without training it.

Examples:
    convchoice shapes downsample=strided
    convchoice shapes arm=all_conv --json

Each layer has its output size formula with the numbers, parameters, multiply-accumulates (MACs),
pooling operations, the receptive field of one output ("sees"), the distance between neighbouring
receptive fields ("jump") and the memory of a batch's activations. A configuration whose layers do
not fit is refused, with suggestions of what fits.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence

from rich.console import Console

from convchoice.command_parser import CommandParser
from convchoice.config.composition import compose_values
from convchoice.config.validation import config_from_mapping
from convchoice.errors import exit_codes
from convchoice.networks.shape_table import layer_values, print_table, totals
from convchoice.networks.suggestions import fitting_plan

PIPED_WIDTH = 200
"""Columns of a table that is piped into a file or a pager."""


def parser() -> argparse.ArgumentParser:
    """The command line's parser."""
    made = CommandParser(
        prog="convchoice shapes",
        description=__doc__,
    )
    made.add_argument("overrides", nargs="*", help="Hydra overrides: downsample=max, conv.stride=2")
    made.add_argument("--json", action="store_true", help="print JSON for programs")
    return made


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table, or with ``--json`` its values.

    Raises:
        UserError: for an illegal configuration, or one whose layers do not fit.
    """
    given = parser().parse_intermixed_args(arguments)
    config = config_from_mapping(compose_values(given.overrides, "command line"), "command line")
    plan, batch_size = fitting_plan(config), config.data.batch_size
    if given.json:
        layers = [layer_values(layer, batch_size) for layer in plan.layers]
        values = {"layers": layers, "totals": totals(plan, batch_size)}
        print(json.dumps(values, indent=2, ensure_ascii=False))
        return
    known_width = sys.stdout.isatty() or "COLUMNS" in os.environ
    print_table(plan, batch_size, Console(width=None if known_width else PIPED_WIDTH))


if __name__ == "__main__":
    with exit_codes():
        main()
