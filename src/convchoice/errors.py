"""What a person can mend, said without a traceback.

Every refusal that a user's input can cause is a `UserError`: its text names the field, the value,
the rule and the mend. Entry points wrap their body in `exit_codes`, which turns such an error into
one message on standard error and exit status 2. Anything else is a fault of this program and keeps
its traceback.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

TERMINATED = 128 + signal.SIGTERM
"""Exit status after SIGTERM (143): a killed stage must never look like a finished one."""


class UserError(Exception):
    """Something that the person at the keyboard can mend."""


class ConfigurationError(UserError):
    """A configuration value that cannot be used.

    Args:
        field: dotted name of the key, such as ``conv.kernel_size``.
        value: the value that was given.
        rule: what a legal value is.
        mend: what to change, when the rule does not say it already.
    """

    def __init__(self, field: str, value: object, rule: str, mend: str = "") -> None:
        """Compose the message from its four parts."""
        self.field = field
        self.value = value
        text = f"{field} = {value!r}: {rule}"
        super().__init__(f"{text} {mend}" if mend else text)


def require(condition: bool, name: str, value: object, rule: str, mend: str = "") -> None:
    """Raise `ConfigurationError` for field `name` unless `condition` holds."""
    if not condition:
        raise ConfigurationError(name, value, rule, mend)


class RunFolderError(UserError):
    """A run folder that is missing, unfinished, altered or foreign."""


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(TERMINATED)


@contextmanager
def exit_codes() -> Iterator[None]:
    """Run an entry point's body; say a user's error in one message and exit with status 2.

    Set ``CONVCHOICE_TRACEBACK=1`` to see the traceback of a user's error as well.

    Raises:
        SystemExit: 2 after a `UserError`, 143 after SIGTERM, 130 after Ctrl-C.
    """
    signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    except UserError as error:
        if os.environ.get("CONVCHOICE_TRACEBACK"):
            raise
        sys.stdout.flush()
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
