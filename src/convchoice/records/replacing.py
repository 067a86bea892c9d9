"""Files that replace those that were there, all of them or none."""

import os
from collections.abc import Mapping
from pathlib import Path

from convchoice.errors import storing_in


def replace_files(folder: Path, texts: Mapping[str, str]) -> None:
    """Write text files of a folder, each whole under its name, in the place of what stood there.

    All are written beside their names before the first one takes its own, so that a full disk
    leaves everything as it was.

    Args:
        folder: is made if it is not there.
        texts: by file name.

    Raises:
        StorageError: naming the folder and what has to be mended.
    """
    with storing_in(folder):
        folder.mkdir(parents=True, exist_ok=True)
        beside = {name: folder / f".{name}.{os.getpid()}" for name in texts}
        try:
            for name, text in texts.items():
                beside[name].write_text(text, encoding="utf-8", newline="")
            for name in texts:
                beside[name].replace(folder / name)
        finally:
            for path in beside.values():
                path.unlink(missing_ok=True)
