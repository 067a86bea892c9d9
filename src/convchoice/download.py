"""The stage `download`: store verified data sets, or the fallback, in their folders.

    convchoice download [--root data/raw] [--fallback digits|none]
    convchoice download --data fashion_mnist kmnist cifar10

If only the fallback is stored, the data set is requested again. A data set's folder and fallback
(null for none) are `root` and `fallback` of its file in `conf/data`. `CONVCHOICE_FALLBACK=none`
overrides the latter, so that a machine that must have MNIST stops without it.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from convchoice.command_parser import CommandParser
from convchoice.config.datasets import SPECS
from convchoice.config.schema import Dataset, Fallback
from convchoice.config.validation import CONF_DIR
from convchoice.config.yaml_files import read_yaml
from convchoice.data.download import ensure
from convchoice.errors import UserError, exit_codes

FALLBACK_VARIABLE = "CONVCHOICE_FALLBACK"
NO_FALLBACK = "none"
CHOICES = (*Fallback.__members__, NO_FALLBACK)
DIGEST_LETTERS = 12


def default_fallback(conf: Path = CONF_DIR, dataset: Dataset = Dataset.mnist) -> str:
    """The fallback from `CONVCHOICE_FALLBACK`, or else from the data set's configuration file.

    Raises:
        UserError: if the value is not one of `CHOICES`.
    """
    if SPECS[dataset.name].fallback is None:
        return NO_FALLBACK
    path = conf / "data" / f"{dataset.name}.yaml"
    origin, choice = f"{path}: fallback: ", str(read_yaml(path).get("fallback") or NO_FALLBACK)
    if os.environ.get(FALLBACK_VARIABLE):
        origin, choice = f"{FALLBACK_VARIABLE}=", os.environ[FALLBACK_VARIABLE]
    if choice not in CHOICES:
        raise UserError(f"{origin}{choice}: must be one of {', '.join(CHOICES)}.")
    return choice


def fetch(dataset: Dataset, root: Path, fallback_choice: str) -> None:
    """Store one data set and print one line: what is stored, and where.

    Raises:
        UserError: if neither the data set nor a fallback could be stored.
    """
    fallback = None if fallback_choice == NO_FALLBACK else Fallback[fallback_choice]
    if fallback not in {None, SPECS[dataset.name].fallback}:
        raise UserError(
            f"--fallback {fallback_choice}: is a fallback for MNIST only, not for"
            f" {SPECS[dataset.name].short_title}. Omit --fallback."
        )
    stored = ensure(root, dataset, fallback, retry=True)
    spec = stored.spec
    print(
        f"{stored.title}: {spec.train_size:,} training and {spec.test_size:,} test images,"
        f" SHA-256 {stored.digest[:DIGEST_LETTERS]}…, in {stored.root / stored.name}"
    )


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    names = list(Dataset.__members__)
    variables = ", ".join(SPECS[name].mirror_variable for name in names)
    made = CommandParser(
        prog="convchoice download",
        description="Download data sets, verify and store them. An environment variable for each"
        f" data set ({variables}: a folder or a URL) is tried before the public mirrors.",
        epilog="example: convchoice download --data fashion_mnist kmnist --root data/raw",
    )
    made.add_argument(
        "--data",
        nargs="+",
        choices=names,
        default=[Dataset.mnist.name],
        metavar="NAME",
        help=f"data sets: {', '.join(names)} (default: {Dataset.mnist.name})",
    )
    made.add_argument("--root", type=Path, help="folder (default: `root` in conf/data/<name>.yaml)")
    made.add_argument(
        "--fallback",
        choices=CHOICES,
        help="replacement if no source answers (default: `fallback` in conf/data/<name>.yaml)",
    )
    return made


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the stage.

    Raises:
        UserError: if a data set could not be stored.
    """
    options = parser().parse_args(arguments)
    datasets = [Dataset[name] for name in dict.fromkeys(options.data)]
    if options.root and len(datasets) > 1:
        raise UserError(
            f"--root {options.root}: each data set needs a folder of its own. Name one data set, or"
            " omit --root."
        )
    fallbacks = [options.fallback or default_fallback(dataset=dataset) for dataset in datasets]
    for dataset, fallback in zip(datasets, fallbacks, strict=True):
        root = options.root or read_yaml(CONF_DIR / "data" / f"{dataset.name}.yaml")["root"]
        fetch(dataset, Path(str(root)), fallback)


if __name__ == "__main__":
    with exit_codes():
        main()
