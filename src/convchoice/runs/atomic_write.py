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
        folder.mkdir(parents=True, exist_ok=True)
        paths = {name: folder / name for name in contents}
        temporary = {
            name: path.with_name(f".{path.name}.{os.getpid()}") for name, path in paths.items()
        }
        try:
            for name, content in contents.items():
                temporary[name].parent.mkdir(parents=True, exist_ok=True)
                data = content.encode() if isinstance(content, str) else content
                temporary[name].write_bytes(data)
            for name in contents:
                temporary[name].replace(paths[name])
        finally:
            for path in temporary.values():
                path.unlink(missing_ok=True)
