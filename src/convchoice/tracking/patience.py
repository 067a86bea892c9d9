"""What is done when the store does not answer: it is said once, and the training goes on."""

import sys
import time
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from convchoice.tracking.unbroken import unbroken

AWAY_SECONDS = 30.0
"""How long a server that did not answer is left alone: asking it costs each epoch's end seconds."""
AFTERWARDS = "Tell it afterwards: python -m convchoice.publish FOLDER"

P = ParamSpec("P")
R = TypeVar("R")


def first_line(error: Exception) -> str:
    """An error in one line."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _away(error: BaseException | None) -> bool:
    """Whether an error came from a connection: MLflow dresses those up as its own."""
    while error is not None:
        if isinstance(error, OSError):
            return True
        error = error.__cause__ or error.__context__
    return False


class Patience:
    """Whether the store is to be asked now, and whether its failing was said.

    Attributes:
        silent_until: of `time.monotonic`; before it a server that was away is not asked.
    """

    def __init__(self) -> None:
        """Ask at once."""
        self.silent_until = float("-inf")
        self._said = False

    def note_failure(self, error: Exception) -> None:
        """Say a failure, the first one; leave a server that is away alone for a while."""
        if _away(error):
            self.silent_until = time.monotonic() + AWAY_SECONDS
        if not self._said:
            self._said = True
            print(
                f"warning: MLflow was not told everything: {first_line(error)}. {AFTERWARDS}",
                file=sys.stderr,
            )


S = TypeVar("S", bound=Patience)


def patient(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R | None]:
    """Say the first failure of the store, and go on: a training is worth more than its echo."""

    @wraps(method)
    @unbroken()
    def told(tracking: S, /, *args: P.args, **kwargs: P.kwargs) -> R | None:
        if time.monotonic() < tracking.silent_until:
            return None
        try:
            return method(tracking, *args, **kwargs)
        except Exception as error:  # noqa: BLE001 - whatever a server or a disk may come up with
            tracking.note_failure(error)
            return None

    return told
