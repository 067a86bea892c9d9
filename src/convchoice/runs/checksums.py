"""The seal of a run folder: the SHA-256 of each of its files, put on as it gets its final name.

`SHA256SUMS` is as `sha256sum --check` takes it. A file is checked when it is read, so that a byte
that was altered after the run is named and never becomes part of a result. Folders that were made
before there was a seal are read without one. Never imports torch.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from convchoice.errors import RunFolderError
from convchoice.runs.atomic_write import give_name, partial_path, replace_files, replaced
from convchoice.runs.run_folder import CONTENT

SUMS = "SHA256SUMS"
MEND = "Put it back as it was, or delete the folder and make the run again."
_LINE = re.compile(r"([0-9a-f]{64})  (\S+)")


@contextmanager
def sealed(path: Path) -> Iterator[Path]:
    """A fresh folder to write a run into; on success it is sealed and takes the name `path`.

    On an exception the half-written folder is removed and whatever stood at `path` stays.

    Raises:
        StorageError: if the seal cannot be written.
    """
    with replaced(path) as partial:
        yield partial
        put_seal(partial)


def seal(path: Path) -> None:
    """Seal the run folder at `partial_path(path)`, and give it its final name.

    Raises:
        StorageError: if the seal cannot be written.
    """
    put_seal(partial_path(path))
    give_name(path)


def put_seal(folder: Path) -> None:
    """Note the SHA-256 of each file that holds what the run is.

    Raises:
        StorageError: if it cannot be written.
    """
    names = [name for name in CONTENT if (folder / name).is_file()]
    lines = [f"{sha256(folder / name)}  {name}\n" for name in names]
    replace_files(folder, {SUMS: "".join(lines)})


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class Seal:
    """What a run's files were when it got its name.

    Attributes:
        folder: of the run.
        digests: SHA-256 by file name; None for a folder from before there was a seal.
        when: time of the seal, nanoseconds since 1970 by the file system's clock.
    """

    folder: Path
    digests: Mapping[str, str] | None
    when: int = 0

    def check(self, name: str) -> None:
        """Refuse a file that is not byte for byte what the run left.

        Raises:
            RunFolderError: if it was altered, taken away, or put there afterwards.
        """
        if self.digests is None:
            return
        path = self.folder / name
        noted = self.digests.get(name)
        if not path.is_file():
            if noted is not None:
                raise RunFolderError(f"{path}: is gone, and {SUMS} names it. {MEND}")
        elif noted is None:
            raise RunFolderError(f"{path}: is not of this run: {SUMS} does not name it. {MEND}")
        elif sha256(path) != noted:
            raise RunFolderError(
                f"{path}: was altered after the run was made: its SHA-256 is not the one in"
                f" {SUMS}. {MEND}"
            )

    def check_if_touched(self, name: str) -> None:
        """Likewise, reading the file only if it was written to since the seal was put on.

        For what is large and not read for its content. Altered content under the old time of
        writing, as a failing disk leaves it, is found by whoever does read it.
        """
        if (self.folder / name).stat().st_mtime_ns >= self.when:
            self.check(name)


def seal_of(folder: Path) -> Seal:
    """The seal of a folder.

    Raises:
        RunFolderError: if it is damaged.
    """
    path = folder / SUMS
    try:
        lines = path.read_text(encoding="ascii").splitlines()
        when = path.stat().st_mtime_ns
    except FileNotFoundError:
        return Seal(folder, None)
    except (OSError, ValueError) as error:
        raise RunFolderError(f"{path}: cannot be read: {error}") from error
    found = [_LINE.fullmatch(line) for line in lines]
    digests = {match[2]: match[1] for match in found if match}
    if not digests or len(digests) != len(lines):
        raise RunFolderError(f"{path}: must hold a SHA-256 and a file's name a line. {MEND}")
    return Seal(folder, digests, when)
