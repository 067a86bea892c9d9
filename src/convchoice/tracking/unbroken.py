"""A word to the store is not cut in half.

A signal that stops this process raises an exception wherever the process happens to be. Within a
call of MLflow that is the middle of a transaction, which stays open as long as the exception's
traceback does: the store is then locked by ourselves, and the word that the run was killed, which
comes next, is lost.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STOPS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def unbroken() -> Iterator[None]:
    """Obey SIGTERM and Ctrl-C after what is done here, and not within it.

    A second one is obeyed at once: whoever insists will not wait for a server that hangs.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's
        return
    # One that is ignored, or that is not Python's, raises nothing here.
    found = {stop: signal.getsignal(stop) for stop in STOPS}
    handlers = {stop: handler for stop, handler in found.items() if callable(handler)}
    heard: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if heard:
            heard.clear()
            handlers[signal.Signals(number)](number, frame)
        else:
            heard.append(number)

    try:
        for stop in handlers:
            signal.signal(stop, note)
        yield
    finally:
        for stop, handler in handlers.items():
            signal.signal(stop, handler)
        for number in heard:
            signal.raise_signal(number)
