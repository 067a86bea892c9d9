"""What a person can mend, said without a traceback.

Every refusal that a user's input can cause is a `UserError`: its text names the field, the value,
the rule and the mend. Entry points wrap their body in `exit_codes`, which turns such an error into
one message on standard error and exit status 2. Anything else is a fault of this program and keeps
its traceback.
"""

import difflib
import errno
import io
import math
import os
import re
import reprlib
import shutil
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

TERMINATED = 128 + signal.SIGTERM
"""Exit status after SIGTERM (143): a killed stage must never look like a finished one."""


LONGEST_VALUE = 120
"""Characters of a value that a message repeats."""


class _Shortened(reprlib.Repr):
    """`repr` that stays fast and short for values of any size; non-printable characters escaped."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlist = self.maxtuple = self.maxdict = self.maxset = self.maxfrozenset = 16
        self.maxstring = self.maxother = LONGEST_VALUE

    def repr_int(self, x: int, level: int) -> str:  # noqa: ARG002 - the base class's signature
        digits = int(x.bit_length() * math.log10(2)) + 1
        return repr(x) if digits <= LONGEST_VALUE // 2 else f"<a number of about {digits} digits>"


def shortened(value: object) -> str:
    """A value for a message: like `repr`, at most `LONGEST_VALUE` characters on one line.

    Control characters and other non-printable ones are escaped, so that a value cannot send escape
    sequences to a terminal. Credentials of URLs are hidden.
    """
    if isinstance(value, str):  # before the middle of a long URL is cut out
        value = without_password(value[:10_000])
    text = printable(without_password(_Shortened().repr(value)), keep="")
    half = LONGEST_VALUE // 2
    return text if len(text) <= LONGEST_VALUE else f"{text[: half - 1]}…{text[-half:]}"


def printable(text: str, keep: str = "\n") -> str:
    """Text with every non-printable character escaped, except those in `keep`."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() or each in keep else each.encode("unicode_escape").decode()
        for each in text
    )


class UserError(Exception):
    """An error that the user can fix; an entry point prints its text and exits with status 2.

    Control characters in the text are escaped and credentials of URLs are hidden, whatever file
    the text quotes.
    """

    exit_status = 2

    def __init__(self, text: str) -> None:
        """Make the text safe to print."""
        super().__init__(printable(without_password(text)))


class JobError(UserError):
    """A job that failed although its input was legal; the exit status is 1."""

    exit_status = 1


class ConfigurationError(UserError):
    """A configuration value that cannot be used.

    Args:
        field: dotted name of the key, such as ``conv.kernel_size``.
        value: the value that was given.
        rule: what a legal value is.
        fix: what to change, if the rule does not say it.
    """

    def __init__(self, field: str, value: object, rule: str, fix: str = "") -> None:
        """Compose the message from its four parts."""
        self.field = field
        self.value = value
        text = f"{field} = {shortened(value)}: {rule}"
        super().__init__(f"{text} {fix}" if fix else text)


def require(condition: bool, name: str, value: object, rule: str, fix: str = "") -> None:
    """Raise `ConfigurationError` for field `name` unless `condition` holds."""
    if not condition:
        raise ConfigurationError(name, value, rule, fix)


class RunFolderError(UserError):
    """A run folder that is missing, unfinished, altered or foreign."""


class StorageError(UserError):
    """A file or folder that the operating system does not let be read or written."""


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FORBIDDEN = (errno.EACCES, errno.EPERM)
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ESTALE)
_OTHERS = (errno.EROFS, errno.EISDIR, errno.EIO, errno.ENAMETOOLONG, errno.EMFILE, errno.ENFILE)


def _need(code: int, path: Path) -> str:
    """What has to be mended, after the error of that number at a path."""
    if code in _FULL:
        place = next((each for each in (path, *path.absolute().parents) if each.exists()), Path())
        free = shutil.disk_usage(place).free
        return f"Make room on its file system ({free:,} bytes are free) or raise the limit."
    if code in _FORBIDDEN:
        return "You need the right to read and write there."
    if code == errno.EROFS:
        return "Its file system must be writable, or choose another folder."
    if code in _GONE:
        return "It was there before, or is needed now: put it back, or start from what makes it."
    return "It must be readable and writable."


def storage_error(error: OSError, path: Path | None = None) -> UserError | None:
    """What a person can mend, where an error is of a file, a folder or the room for them.

    Args:
        error: the operating system's.
        path: what was at work on, where the error names no file.

    Returns:
        None for errors of another kind, such as a network's.
    """
    code = error.errno
    if code not in (*_FULL, *_FORBIDDEN, *_GONE, *_OTHERS):
        return None
    named = error.filename2 or error.filename
    place = Path(os.fsdecode(named)) if isinstance(named, str | bytes) else path or Path.cwd()
    return StorageError(
        f"{place}: {os.strerror(code)}. {_need(code, place)}"
        " What was whole before is as it was; then start again."
    )


@contextmanager
def storing_in(path: Path) -> Iterator[None]:
    """Say what a person can mend, where something cannot be stored in a folder.

    Raises:
        StorageError: for the operating system's errors of files and room, also where a library
            wraps one up as its own.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        # safetensors, which is written in Rust, and shutil's list of failed copies.
        wrapped = re.search(r"(?:os error |Errno )(\d+)", str(error))
        cause = OSError(int(wrapped[1]), "") if wrapped else error
        told = storage_error(cause, path) if isinstance(cause, OSError) else None
        if told is None:
            raise
        raise told from error


def _use_utf8() -> None:
    """Write UTF-8 whatever the locale is, here and in child processes.

    A terminal or pipe of another encoding may show a wrong character, but no command fails on one.
    """
    os.environ["PYTHONIOENCODING"] = "utf-8:replace"
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # not one that a test has replaced
            stream.reconfigure(encoding="utf-8", errors="replace")


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(TERMINATED)


@contextmanager
def exit_codes() -> Iterator[None]:
    """Run the body of an entry point; print a user's error as one message.

    ``CONVCHOICE_TRACEBACK=1`` shows the traceback of such an error too. Any other exception is a
    bug and keeps its traceback.

    Raises:
        SystemExit: 2 after a `UserError` or a storage error, 1 after a `JobError`, 143 after
            SIGTERM, 130 after Ctrl-C.
    """
    signal.signal(signal.SIGTERM, _terminate)
    _use_utf8()
    try:
        yield
    except (UserError, OSError) as error:
        told = storage_error(error) if isinstance(error, OSError) else error
        if told is None or os.environ.get("CONVCHOICE_TRACEBACK"):
            raise
        with suppress(OSError):  # standard output may be the full disk
            sys.stdout.flush()
        print(f"error: {printable(without_password(str(told)))}", file=sys.stderr)
        sys.exit(told.exit_status)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)


_USERINFO = re.compile(
    r"""((?:[a-z][a-z0-9+.-]{0,30}:)?//) (?:(?!://)\S){0,512} @   # scheme://user:password@
      | ([a-z][a-z0-9+.-]{0,30}:/?) [^\s/@:]* : [^\s/]{0,512} @   # the same with a slash missing
    """,
    re.IGNORECASE | re.VERBOSE,
)
_SECRET_PARAMETER = re.compile(
    r"([?&;][\w.-]*(?:password|passwd|pwd|secret|token|key|signature)[\w.-]*=)[^\s&;]*",
    re.IGNORECASE,
)


def without_password(text: str) -> str:
    """A text without the credentials of the URLs in it, for messages, logs and files.

    The userinfo of a URL becomes ``***@``, the value of a query parameter such as ``password`` or
    ``token`` becomes ``***``. A malformed URL loses more rather than less: everything from ``//``
    to the last ``@`` before white space.

    Args:
        text: one URL, or any text that may hold some.
    """
    hidden = _USERINFO.sub(lambda found: f"{found[1] or found[2]}***@", text)
    return _SECRET_PARAMETER.sub(r"\1***", hidden)


def did_you_mean(word: object, choices: Sequence[str]) -> str:
    """``Did you mean max?`` for the choice that is most like a word; empty if none is like it."""
    close = difflib.get_close_matches(word[:100], choices, n=1) if isinstance(word, str) else []
    return f"Did you mean {close[0]}?" if close else ""


def nearest(word: object, choices: Sequence[str]) -> str:
    """The most similar choice as a question, then all choices in alphabetical order."""
    return f"{did_you_mean(word, choices)} Legal: {', '.join(sorted(choices))}.".strip()
