"""The stage `download`: have a data set, or loudly something in its place, in its folder.

    python -m convchoice.download [--root data/raw] [--fallback digits|none]
    python -m convchoice.download --data fashion_mnist kmnist cifar10

Where only a fallback is there, the data set is asked for again. Its folder and what to fall back to
are `root` and `fallback` (null for nothing) of its file in `conf/data`; `CONVCHOICE_FALLBACK=none`
overrides the latter, so that a machine that must have MNIST stops without it.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from convchoice.config.known_datasets import SPECS
from convchoice.config.schema import Dataset, Fallback
from convchoice.config.validation import CONF_DIR
from convchoice.config.yaml_files import read_yaml
from convchoice.data import sources
from convchoice.errors import UserError, exit_codes

FALLBACK_VARIABLE = "CONVCHOICE_FALLBACK"
NO_FALLBACK = "none"
CHOICES = (*Fallback.__members__, NO_FALLBACK)
DIGEST_LETTERS = 12


def default_fallback(conf: Path = CONF_DIR, dataset: Dataset = Dataset.mnist) -> str:
    """The choice that `CONVCHOICE_FALLBACK` makes, or else the data set's configuration file.

    Raises:
        UserError: if either holds something else than a choice.
    """
    if SPECS[dataset.name].fallback is None:
        return NO_FALLBACK
    path = conf / "data" / f"{dataset.name}.yaml"
    configured = read_yaml(path).get("fallback")
    origin, choice = f"{path}: fallback: ", str(configured or NO_FALLBACK)
    if os.environ.get(FALLBACK_VARIABLE):
        origin, choice = f"{FALLBACK_VARIABLE}=", os.environ[FALLBACK_VARIABLE]
    if choice not in CHOICES:
        raise UserError(f"{origin}{choice}: must be one of {', '.join(CHOICES)}.")
    return choice


def default_root(dataset: Dataset, conf: Path = CONF_DIR) -> Path:
    """The folder that a data set's configuration file names."""
    return Path(str(read_yaml(conf / "data" / f"{dataset.name}.yaml")["root"]))


def fetch(dataset: Dataset, root: Path, fallback_choice: str) -> None:
    """Have one data set, and say in one line what is there, and where.

    Raises:
        UserError: if there is no data set in the end.
    """
    fallback = None if fallback_choice == NO_FALLBACK else Fallback[fallback_choice]
    if fallback not in {None, SPECS[dataset.name].fallback}:
        raise UserError(
            f"--fallback {fallback_choice}: scikit-learn's digits may stand in for MNIST, not for"
            f" {SPECS[dataset.name].short_title}. Leave --fallback out."
        )
    stored = sources.ensure(root, dataset, fallback, retry=True)
    spec = stored.spec
    print(
        f"{stored.title}: {spec.train_size:,} training and {spec.test_size:,} test images,"
        f" SHA-256 {stored.digest[:DIGEST_LETTERS]}…, in {root / stored.name}"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the stage; a line a data set says what is there, and where.

    Raises:
        UserError: if a data set is not there in the end.
    """
    names = list(Dataset.__members__)
    parser = argparse.ArgumentParser(
        prog="python -m convchoice.download",
        description="Fetch data sets, verify them and keep them. A data set's own variable"
        f" ({', '.join(SPECS[dataset.name].mirror_variable for dataset in Dataset)}: a folder or an"
        " http(s) address) is asked before the public mirrors.",
    )
    parser.add_argument(
        "--data",
        nargs="+",
        choices=names,
        default=[Dataset.mnist.name],
        metavar="NAME",
        help=f"which: {', '.join(names)} (default: {Dataset.mnist.name})",
    )
    parser.add_argument(
        "--root", type=Path, help="folder (default: `root` in conf/data/<name>.yaml)"
    )
    parser.add_argument(
        "--fallback",
        choices=CHOICES,
        help="what to use when no source answers (default: `fallback` in conf/data/<name>.yaml)",
    )
    options = parser.parse_args(arguments)
    wanted = [Dataset[name] for name in dict.fromkeys(options.data)]
    if options.root and len(wanted) > 1:
        raise UserError(
            f"--root {options.root}: each data set has a folder of its own. Name one data set, or"
            " leave --root out."
        )
    fallbacks = [options.fallback or default_fallback(dataset=dataset) for dataset in wanted]
    for dataset, fallback in zip(wanted, fallbacks, strict=True):
        fetch(dataset, options.root or default_root(dataset), fallback)


if __name__ == "__main__":
    with exit_codes():
        main()
