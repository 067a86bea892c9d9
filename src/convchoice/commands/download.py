"""The stage `download`: store verified data sets, or the fallback, in their folders.

With `--params` it stores the data set that `params.yaml` names for a folder, which may also be made
from a folder of images or by torchvision.

If only the fallback is stored, the data set is requested again. A data set's folder and fallback
(null for none) are `root` and `fallback` of its file in `conf/data`. `CONVCHOICE_FALLBACK=none`
overrides the latter, so that a machine that must have MNIST stops without it.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from convchoice import CONF_DIR
from convchoice.commands import CommandParser
from convchoice.config.datasets import SPECS
from convchoice.config.parameters import DataFolder, read_parameters
from convchoice.config.schema import Dataset, Fallback
from convchoice.config.yaml_files import read_yaml
from convchoice.data.conversion import prepare
from convchoice.data.download import ensure
from convchoice.errors import UserError, nearest, require

FALLBACK_VARIABLE = "CONVCHOICE_FALLBACK"
CHOICES = (*Fallback.__members__, "none")


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    names = [name for name in Dataset.__members__ if name in SPECS]
    variables = ", ".join(SPECS[name].mirror_variable for name in names)
    made = CommandParser(
        prog="convchoice download",
        description="Download data sets, check their SHA-256 and store them. The mirror in the"
        f" environment variable of a data set ({variables}: a folder or a URL) is tried before the"
        " public ones.",
        epilog="example: convchoice download --data fashion_mnist kmnist",
    )
    which = f"data sets: {', '.join(names)} (default: mnist)"
    made.add_argument(
        "--data", nargs="+", choices=names, default=["mnist"], metavar="NAME", help=which
    )
    made.add_argument("--root", type=Path, help="folder (default: `root` in conf/data/<name>.yaml)")
    from_params = "YAML file whose key `data` describes the data set in --root"
    made.add_argument("--params", type=Path, help=from_params)
    fallback = "replacement if no mirror answers (default: `fallback` in conf/data/<name>.yaml)"
    made.add_argument("--fallback", choices=CHOICES, help=fallback)
    return made


def main(arguments: Sequence[str] | None = None) -> None:
    """Store each data set, and print one line: what is stored, and where.

    Raises:
        UserError: if a data set could not be stored.
    """
    options = parser().parse_args(arguments)
    chosen = options.fallback or os.environ.get(FALLBACK_VARIABLE)
    rule = f"must be one of {', '.join(CHOICES)}."
    require(chosen in {None, "", *CHOICES}, FALLBACK_VARIABLE, chosen, rule)
    if options.root and len(options.data) > 1:
        raise UserError(
            f"--root {options.root}: each data set needs a folder of its own. Name one data set, or"
            " omit --root."
        )
    for each in _wanted(options):
        if each.name.name in SPECS:
            default = read_yaml(CONF_DIR / "data" / f"{each.name.name}.yaml")["fallback"]
            fallback = Fallback.__members__.get(chosen or default)
            stored = ensure(Path(each.root), each.name, fallback, retry=True)
        else:
            stored = prepare(each.data())
        spec = stored.spec
        print(
            f"{spec.title}: {spec.train_size:,} training and {spec.test_size:,} test images,"
            f" SHA-256 {stored.digest[:12]}…, in {stored.root / spec.name}"
        )


def _wanted(options: argparse.Namespace) -> list[DataFolder]:
    """The data sets that the options name, with their folders."""
    if options.params is None:
        roots = {
            name: options.root or read_yaml(CONF_DIR / "data" / f"{name}.yaml")["root"]
            for name in options.data
        }
        return [DataFolder(Dataset[name], str(root)) for name, root in roots.items()]
    known = read_parameters(options.params).data
    found = [each for each in known if Path(each.root) == options.root]
    rule = f"must be a folder of `data` in {options.params}."
    fix = nearest(str(options.root), [each.root for each in known])
    require(bool(found), "--root", str(options.root), rule, fix)
    return found[:1]
