"""The argument parser of every command: help from the module's documentation, errors as usual."""

import argparse
from typing import NoReturn

from convchoice.errors import UserError


class CommandParser(argparse.ArgumentParser):
    """Parser of a command.

    Args:
        command: as it is typed, such as ``convchoice shapes``.
        documentation: of the command's module: what it does, with examples.
    """

    def __init__(self, command: str, documentation: str | None) -> None:
        """Show the documentation as it is written."""
        super().__init__(
            prog=command,
            description=documentation,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    def error(self, message: str) -> NoReturn:
        """Raise a `UserError`, so that wrong arguments look like every other error."""
        raise UserError(f"{message}. See `{self.prog} --help`.")
