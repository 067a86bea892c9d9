"""The argument parser of the commands: help as it is written, errors like every other error."""

import argparse
import textwrap
from typing import NoReturn

from convchoice.errors import UserError

HELP_WIDTH = 100


class CommandParser(argparse.ArgumentParser):
    """Parser of a command.

    Args:
        prog: the command as it is typed, such as ``convchoice shapes``.
        description: what the command does; its lines are kept.
        usage: replaces the generated usage line.
        epilog: shown after the options, such as examples.
    """

    def __init__(
        self,
        prog: str,
        description: str | None,
        *,
        usage: str | None = None,
        epilog: str | None = None,
    ) -> None:
        """Wrap only the lines of the description that are too long."""
        lines = (textwrap.fill(line, HELP_WIDTH) for line in (description or "").splitlines())
        super().__init__(
            prog=prog,
            usage=usage,
            description="\n".join(lines),
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    def error(self, message: str) -> NoReturn:
        """Refuse wrong arguments.

        Raises:
            UserError: with the message and the command that shows the help.
        """
        raise UserError(f"{message}. See `{self.prog} --help`.")
