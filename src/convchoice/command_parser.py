"""The argument parser of the commands: help as it is written, errors like every other error."""

import argparse
import textwrap
from typing import Any, NoReturn

from convchoice.errors import UserError

HELP_WIDTH = 100


class CommandParser(argparse.ArgumentParser):
    """Parser of a command.

    Args:
        prog: the command as it is typed, such as ``convchoice shapes``.
        description: what the command does; its lines are kept, unless they are too long.
        options: argparse's own.
    """

    def __init__(self, prog: str, description: str | None, **options: Any) -> None:
        """Keep the lines of texts."""
        lines = (textwrap.fill(line, HELP_WIDTH) for line in (description or "").splitlines())
        options["formatter_class"] = argparse.RawDescriptionHelpFormatter
        super().__init__(prog, description="\n".join(lines), **options)

    def error(self, message: str) -> NoReturn:
        """Refuse wrong arguments.

        Raises:
            UserError: with the message and the command that shows the help.
        """
        raise UserError(f"{message}. See `{self.prog} --help`.")
