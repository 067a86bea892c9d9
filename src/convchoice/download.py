"""The stage `download`: have MNIST, or loudly something in its place, under `data/raw`.

    python -m convchoice.download [--root data/raw] [--fallback digits|none]

Where only a fallback is there, MNIST is asked for again. `CONVCHOICE_FALLBACK=none` changes the
default of `--fallback`, so that a machine that must have MNIST stops without it.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from convchoice import sources
from convchoice.errors import UserError, exit_codes
from convchoice.schema import DataConfig, Fallback

FALLBACK_VARIABLE = "CONVCHOICE_FALLBACK"
NO_FALLBACK = "none"
CHOICES = (*Fallback.__members__, NO_FALLBACK)
DIGEST_LETTERS = 12


def default_fallback() -> str:
    """The choice that `CONVCHOICE_FALLBACK` makes, or `digits`.

    Raises:
        UserError: if the variable holds something else than a choice.
    """
    choice = os.environ.get(FALLBACK_VARIABLE) or Fallback.digits.name
    if choice not in CHOICES:
        raise UserError(f"{FALLBACK_VARIABLE}={choice}: must be one of {', '.join(CHOICES)}.")
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
