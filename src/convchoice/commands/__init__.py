"""The commands: `convchoice VERB` runs `main` of the module of this name.

They share the argument parser: help fits the terminal, errors are like every other.
"""

import argparse
import re
import shutil
import textwrap
from pathlib import Path
from typing import Any, NoReturn

from convchoice.errors import UserError, is_circular_link, is_url

HELP_WIDTH = 100


def _filled(text: str) -> str:
    """Paragraphs as wide as the terminal; lists and examples, which are indented, as written."""
    width = min(shutil.get_terminal_size().columns, HELP_WIDTH)
    paragraphs = text.strip().split("\n\n")
    kept = (re.search(r"^ ", each, re.MULTILINE) for each in paragraphs)
    return "\n\n".join(
        each if indented else textwrap.fill(each, width)
        for each, indented in zip(paragraphs, kept, strict=True)
    )


def _path(text: str) -> Path:
    if is_url(text):
        raise argparse.ArgumentTypeError(f"{text}: must be a path on this machine, no URL")
    if is_circular_link(text):
        rule = "a symbolic link in this path leads to itself. Remove it, or name another path"
        raise argparse.ArgumentTypeError(f"{text}: {rule}")
    return Path(text)


def names_in(text: str) -> list[str]:
    """The names of a list with commas, without spaces around them."""
    return [name.strip() for name in text.split(",")]


class CommandParser(argparse.ArgumentParser):
    """Parser of a command.

    Args:
        prog: the command as it is typed, such as ``convchoice shapes``.
        description: what the command does; paragraphs are filled.
        options: argparse's own.
    """

    def __init__(self, prog: str, description: str | None, **options: Any) -> None:
        """Fill the description."""
        options["formatter_class"] = argparse.RawDescriptionHelpFormatter
        super().__init__(prog, description=_filled(description or ""), **options)
        self.register("type", Path, _path)

    def error(self, message: str) -> NoReturn:
        """Refuse wrong arguments.

        Raises:
            UserError: with the message and the command that shows the help.
        """
        raise UserError(f"{message}. See `{self.prog} --help`.")
