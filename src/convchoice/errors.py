"""Errors that users can fix, and how entry points report them.

Wrong input raises a `UserError` whose text names the field, the value, the rule and the fix. Entry
points wrap their body in `exit_codes`, which prints such an error as one message and exits with
status 2. Any other exception is a bug of this program and keeps its traceback.
"""

import difflib
import errno
import io
import os
import re
import shutil
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from convchoice import IN_CLONE

LONGEST_VALUE = 120
"""Characters of a value that a message repeats."""
NO_VALUE = object()
"""The value of a key that was given none."""


def shortened(value: object) -> str:
    """A value for a message: its `repr` without credentials, at most `LONGEST_VALUE` characters."""
    try:
        text = repr(value)
    except ValueError:  # more than 4,300 digits
        text = "<a number too long to print>"
    text = without_password(text[:10_000])
    if len(text) > LONGEST_VALUE:
        text = f"{text[: LONGEST_VALUE // 2 - 1]}…{text[-LONGEST_VALUE // 2 :]}"
    return without_password(text)  # a password that is cut short


def printable(text: str, keep: str = "\n") -> str:
    """Text with every non-printable character escaped, except those in `keep`."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() or each in keep else each.encode("unicode_escape").decode()
        for each in text
    )


class UserError(Exception):
    """An error that the user can fix; an entry point prints its text and exits with status 2."""

    exit_status = 2

    def __init__(self, text: str) -> None:
        """Escape control characters and hide credentials, whatever file the text quotes."""
        super().__init__(printable(without_password(text)))


class JobError(UserError):
    """A job that failed although its input was legal; the exit status is 1."""

    exit_status = 1


class ConfigurationError(UserError):
    """A configuration value that cannot be used."""

    def __init__(self, field: str, value: object, rule: str, fix: str = "") -> None:
        """Compose the message.

        Args:
            field: dotted name of the key, such as ``conv.kernel_size``.
            value: the value that was given, or `NO_VALUE`.
            rule: what a legal value is.
            fix: what to change, if the rule does not say it.
        """
        given = "" if value is NO_VALUE else f" = {shortened(value)}"
        text = f"{field}{given}: {rule}"
        super().__init__(f"{text} {fix}" if fix else text)


def require(condition: bool, name: str, value: object, rule: str, fix: str = "") -> None:
    """Raise `ConfigurationError` for field `name` unless `condition` holds."""
    if not condition:
        raise ConfigurationError(name, value, rule, fix)


class RunFolderError(UserError):
    """A run folder that is missing, unfinished, altered or foreign."""


class ImagesError(UserError):
    """Images that cannot be used, by whatever configuration."""


class StorageError(UserError):
    """A file or folder that cannot be read or written."""


ADVICE = {
    errno.ENOSPC: "Free space there ({free:,} bytes are free) or raise the quota.",
    errno.EDQUOT: "Raise the quota.",
    errno.EACCES: "Change its permissions or use another folder.",
    errno.EPERM: "Change its permissions or use another folder.",
    errno.EROFS: "Use a writable file system or another folder.",
    errno.ELOOP: "A symbolic link there leads to itself. Remove it or use another folder.",
    errno.EEXIST: "A file, or a link that leads nowhere, is in its place.",
    errno.ENOENT: "Restore it, or rerun the command that creates it.",
}
STORAGE = {*ADVICE, errno.EFBIG, errno.ENOTDIR, errno.ESTALE, errno.EISDIR, errno.EIO,
           errno.ENAMETOOLONG, errno.EMFILE, errno.ENFILE}  # fmt: skip


def storage_error(error: OSError, path: Path | None = None) -> StorageError | None:
    """The user error of an operating system's error about a file, a folder or disk space.

    Args:
        error: the operating system's; None is returned for another kind, such as a network's.
        path: the place, if the error names no file.
    """
    if error.errno not in STORAGE:
        return None
    named = error.filename2 or error.filename
    place = Path(os.fsdecode(named)) if isinstance(named, str | bytes) else path or Path.cwd()
    present = next((each for each in (place, *place.absolute().parents) if each.exists()), Path())
    advice = ADVICE.get(error.errno, "").format(free=shutil.disk_usage(present).free)
    kept = "Existing results are unchanged. Fix the problem and rerun the command."
    sentences = (f"{place}: {os.strerror(error.errno)}.", advice, kept)
    return StorageError(" ".join(filter(None, sentences)))


@contextmanager
def storing_in(path: Path) -> Iterator[None]:
    """Raise errors of writing to a folder as `StorageError`.

    Raises:
        StorageError: for an operating system's error about files or disk space, also if a library
            wraps it in an exception of its own.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        # safetensors, which is written in Rust, and shutil's list of failed copies.
        wrapped = re.search(r"(?:os error |Errno )(\d+)", str(error))
        cause = OSError(int(wrapped[1]), "") if wrapped else error
        refused = storage_error(cause, path) if isinstance(cause, OSError) else None
        if refused is None:
            raise
        raise refused from error


@contextmanager
def exit_codes() -> Iterator[None]:
    """Run the body of an entry point; print a user's error as one message.

    Output is UTF-8 whatever the locale is, in child processes too: a terminal or pipe of another
    encoding may show a wrong character, but no command fails on one.

    ``CONVCHOICE_TRACEBACK=1`` shows the traceback of such an error too. Any other exception is a
    bug and keeps its traceback.

    Raises:
        SystemExit: 2 after a `UserError` or a storage error, 1 after a `JobError`, 130 after
            Ctrl-C, 143 after SIGTERM, so that DVC does not take a killed stage for a finished one.
    """
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    os.environ["PYTHONIOENCODING"] = "utf-8:replace"
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # not one that a test has replaced
            stream.reconfigure(encoding="utf-8", errors="replace")
    for name in ("COLUMNS", "LINES"):  # rich prints nothing at 0, and fails on ²
        if not re.fullmatch("[1-9][0-9]{0,5}", os.environ.get(name, "1")):
            del os.environ[name]
    try:
        try:
            Path.cwd()
        except FileNotFoundError as error:
            raise UserError("the working folder was deleted. Change to one that exists.") from error
        yield
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of a pipe, such as `head`, has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)
    except (UserError, OSError) as error:
        shown = storage_error(error) if isinstance(error, OSError) else error
        if shown is None or os.environ.get("CONVCHOICE_TRACEBACK"):
            raise
        with suppress(OSError):  # standard output may be the full disk
            sys.stdout.flush()
        print(f"error: {shown}", file=sys.stderr)
        sys.exit(shown.exit_status)
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
    """
    hidden = _USERINFO.sub(lambda found: f"{found[1] or found[2]}***@", text)
    return _SECRET_PARAMETER.sub(r"\1***", hidden)


def is_url(text: str) -> bool:
    """Whether a text is the address of another machine, and no path: ``s3://bucket/x``."""
    return re.match(r"[a-z][a-z0-9+.-]+:/", text, re.IGNORECASE) is not None


def is_circular_link(text: str) -> bool:
    """Whether a path goes through a symbolic link that leads to itself."""
    try:
        Path(text).stat()
    except OSError as error:
        return error.errno == errno.ELOOP
    return False


def install_extra(extra: str) -> str:
    """How to install the packages of an extra: with the tested versions, where there is a clone."""
    command = f'-c constraints.txt -e ".[{extra}]"' if IN_CLONE else f'"convchoice[{extra}]"'
    return f"Install it: pip install {command}"


def did_you_mean(word: object, choices: Sequence[str]) -> str:
    """``Did you mean max?`` for the choice that is most like a word; empty if none is like it.

    Capitals count as small letters. Of a dotted key whose group is right, the last part decides:
    ``conv.dilation`` is not like ``conv.padding``.
    """
    if not isinstance(word, str):
        return ""
    group = "".join(word[:100].rpartition(".")[:2])
    if not any(choice.startswith(group) for choice in choices):
        group = ""
    known = {
        each.removeprefix(group).casefold(): each for each in choices if each.startswith(group)
    }
    close = difflib.get_close_matches(word[:100].removeprefix(group).casefold(), known, n=1)
    return f"Did you mean {known[close[0]]}?" if close else ""


def nearest(word: object, choices: Sequence[str]) -> str:
    """The most similar choice as a question, then all choices in alphabetical order."""
    return f"{did_you_mean(word, choices)} Legal: {', '.join(sorted(choices))}.".strip()
