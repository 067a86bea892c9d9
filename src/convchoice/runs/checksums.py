"""Checksums of a run folder: the SHA-256 of each of its files.

``SHA256SUMS`` is written when the run is complete, in the format of ``sha256sum --check``. A file
is verified when it is read, so that a changed or damaged file is named and never becomes part of a
result. Never imports torch.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from convchoice.errors import RunFolderError
from convchoice.runs.atomic_write import replace_files
from convchoice.runs.run_folder import CONTENT

SUMS = "SHA256SUMS"
FIX = "Restore the file, or delete the folder and make the run again."
_LINE = re.compile(r"([0-9a-f]{64})  (\S+)")


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_checksums(folder: Path) -> None:
    """Write the SHA-256 of each content file.

    Raises:
        StorageError: if they cannot be written.
    """
    names = [name for name in CONTENT if (folder / name).is_file()]
    lines = [f"{sha256(folder / name)}  {name}\n" for name in names]
    replace_files(folder, {SUMS: "".join(lines)})


@dataclass(frozen=True)
class Checksums:
    """The checksums of a run folder."""

    folder: Path
    digests: Mapping[str, str]  # SHA-256 by file name

    def verify(self, name: str) -> None:
        """Refuse a file that is not byte for byte the one that the run wrote.

        Raises:
            RunFolderError: if it was changed, removed, or added later.
        """
        path = self.folder / name
        recorded = self.digests.get(name)
        if not path.is_file():
            if recorded is not None:
                raise RunFolderError(f"{path}: is missing, but {SUMS} lists it. {FIX}")
        elif recorded is None:
            raise RunFolderError(f"{path}: is not part of this run: {SUMS} does not list it. {FIX}")
        elif sha256(path) != recorded:
            raise RunFolderError(
                f"{path}: was changed after the run: its SHA-256 is not the one in {SUMS}. {FIX}"
            )


def read_checksums(folder: Path) -> Checksums:
    """The checksums of a run folder.

    Raises:
        RunFolderError: if the file is missing or damaged.
    """
    path = folder / SUMS
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except FileNotFoundError:
        raise RunFolderError(f"{path}: is missing. {FIX}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RunFolderError(f"{path}: cannot be read ({type(error).__name__}). {FIX}") from error
    found = [_LINE.fullmatch(line) for line in lines]
    digests = {match[2]: match[1] for match in found if match}
    if not digests or len(digests) != len(lines):
        raise RunFolderError(f"{path}: must hold a SHA-256 and a file name a line. {FIX}")
    return Checksums(folder, digests)
