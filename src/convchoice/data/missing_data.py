"""What is said when nobody gives a data set: the refusal, or the notice of what stands in."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from convchoice.config.known_datasets import DIGITS, MNIST, DatasetSpec
from convchoice.data.dataset import FailedSource, download_command


def _tried(failed: Sequence[FailedSource]) -> str:
    return "\n".join(f"  {item.source}\n    {item.reason}" for item in failed)


def refusal(spec: DatasetSpec, root: Path, missing: int, failed: Sequence[FailedSource]) -> str:
    """The error when nobody gives a data set and nothing may stand in for it.

    Args:
        spec: the data set.
        root: its folder.
        missing: how many of the files that sources give are still to be had.
        failed: who was asked, and why it gave less.
    """
    number = f"{missing} of {len(spec.fetched)} file"
    be = "s are" if len(spec.fetched) > 1 else " is"
    place = (
        f"set {spec.mirror_variable} to a folder or an http(s) address that holds"
        f" {spec.fetched_names}"
    )
    ways_out = (
        f"Either {place},\n"
        "or let scikit-learn's digits stand in: data.fallback=digits (--fallback digits)."
        if spec.fallback
        else f"To have it, {place},\nthen: {download_command(root, spec.name)}\n"
        f"Nothing stands in for {spec.short_title}."
    )
    return (
        f"no source gave {spec.title}; {number}{be} missing. Tried:\n{_tried(failed)}\n{ways_out}"
    )


def notify_of_digits(failed: Sequence[FailedSource]) -> None:
    """Say loudly, on standard error, that something else than MNIST is used."""
    text = Text(
        f"Tried, in this order:\n{_tried(failed)}\n\n"
        f"Used instead: {DIGITS.title}, enlarged from 8×8 to MNIST's 28×28 pixels,"
        f" {DIGITS.train_size:,} for training and {DIGITS.test_size} for testing.\n"
        "Numbers made from them are not numbers on MNIST.\n\n"
        "To try MNIST again:\n"
        f"  {MNIST.mirror_variable}=<folder or URL> make download\n"
        "  make repro"
    )
    title = f"NOT MNIST: no source gave {MNIST.title}"
    console = Console(stderr=True, highlight=False)
    console.print(Panel(text, title=title, border_style="bold yellow", padding=(1, 2)))
