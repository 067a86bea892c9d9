"""The stage `download`: have MNIST, or loudly something in its place, under `data/raw`.

    python -m convchoice.download [--root data/raw] [--fallback digits|none]

Where only a fallback is there, MNIST is asked for again. What to fall back to is `data.fallback` in
`conf/data/mnist.yaml` (null for nothing); `CONVCHOICE_FALLBACK=none` overrides it, so that a
machine that must have MNIST stops without it.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from convchoice import sources
from convchoice.configuration import CONF_DIR, read_yaml
from convchoice.errors import UserError, exit_codes
from convchoice.schema import DataConfig, Fallback

FALLBACK_VARIABLE = "CONVCHOICE_FALLBACK"
NO_FALLBACK = "none"
CHOICES = (*Fallback.__members__, NO_FALLBACK)
DIGEST_LETTERS = 12


def default_fallback(conf: Path = CONF_DIR) -> str:
    """The choice that `CONVCHOICE_FALLBACK` makes, or else the data set's configuration file.

    Raises:
        UserError: if either holds something else than a choice.
    """
    path = conf / "data" / "mnist.yaml"
    configured = read_yaml(path).get("fallback")
    origin, choice = f"{path}: fallback: ", str(configured or NO_FALLBACK)
    if os.environ.get(FALLBACK_VARIABLE):
        origin, choice = f"{FALLBACK_VARIABLE}=", os.environ[FALLBACK_VARIABLE]
    if choice not in CHOICES:
        raise UserError(f"{origin}{choice}: must be one of {', '.join(CHOICES)}.")
    return choice


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the stage; the last line says what is there, and where.

    Raises:
        UserError: if there is no data set in the end.
    """
    parser = argparse.ArgumentParser(
        prog="python -m convchoice.download",
        description=f"Fetch MNIST, verify it and keep it. {sources.MIRROR_VARIABLE} (a folder or an"
        " http(s) address) is asked before the public mirrors.",
    )
    parser.add_argument(
        "--root", type=Path, default=Path(DataConfig.root), help="folder (default: %(default)s)"
    )
    parser.add_argument(
        "--fallback",
        choices=CHOICES,
        default=default_fallback(),
        help="what to use when no source answers (default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    fallback = None if options.fallback == NO_FALLBACK else Fallback[options.fallback]
    stored = sources.ensure(options.root, fallback, retry=True)
    spec = stored.spec
    print(
        f"{stored.title}: {spec.train_size:,} training and {spec.test_size:,} test images,"
        f" SHA-256 {stored.digest[:DIGEST_LETTERS]}…, in {options.root / stored.name}"
    )


if __name__ == "__main__":
    with exit_codes():
        main()
