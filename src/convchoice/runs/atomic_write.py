"""Files that are replaced completely or not at all."""

import os
from collections.abc import Mapping
from pathlib import Path

from convchoice.errors import storing_in


def replace_files(folder: Path, contents: Mapping[str, str | bytes]) -> None:
    """Write files of a folder atomically, replacing those of the same name.

    All are written to temporary files first, so that a full disk changes nothing.

    Args:
        folder: is created if it does not exist.
        contents: texts or bytes by relative path.

    Raises:
        StorageError: naming the folder and what to do.
    """
    with storing_in(folder):
        temporary: dict[Path, Path] = {}
        try:
            for name, content in contents.items():
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                temporary[path] = path.with_name(f".{path.name}.{os.getpid()}")
                data = content.encode() if isinstance(content, str) else content
                temporary[path].write_bytes(data)
            for path, written in temporary.items():
                written.replace(path)
        finally:
            for written in temporary.values():
                written.unlink(missing_ok=True)
