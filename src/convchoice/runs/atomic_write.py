"""Files and folders that replace those that were there, whole or not at all."""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from convchoice.errors import storing_in

PARTIAL_SUFFIX = ".partial"
REPLACED_SUFFIX = ".replaced"


def replace_files(folder: Path, texts: Mapping[str, str]) -> None:
    """Write text files of a folder, each whole under its name, in the place of what stood there.

    All are written beside their names before the first one takes its own, so that a full disk
    leaves everything as it was.

    Args:
        folder: is made if it is not there.
        texts: content by relative path.

    Raises:
        StorageError: naming the folder and what has to be mended.
    """
    with storing_in(folder):
        folder.mkdir(parents=True, exist_ok=True)
        paths = {name: folder / name for name in texts}
        beside = {
            name: path.with_name(f".{path.name}.{os.getpid()}") for name, path in paths.items()
        }
        try:
            for name, text in texts.items():
                beside[name].parent.mkdir(parents=True, exist_ok=True)
                beside[name].write_text(text, encoding="utf-8", newline="")
            for name in texts:
                beside[name].replace(paths[name])
        finally:
            for path in beside.values():
                path.unlink(missing_ok=True)


def partial_path(path: Path) -> Path:
    """Where a folder is written until it is whole."""
    return path.with_name(path.name + PARTIAL_SUFFIX)


def clear(folder: Path) -> None:
    """Make `folder` an empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A fresh folder to write into; on success it takes the name `path`, replacing what is there.

    On an exception the half-written folder is removed and whatever stood at `path` stays.
    """
    partial = partial_path(path)
    clear(partial)
    try:
        yield partial
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    give_name(path)


def give_name(path: Path) -> None:
    """Give the folder at `partial_path(path)` its final name.

    What stood there is moved aside first and deleted afterwards: a process that is killed in the
    midst of it leaves no half-deleted folder under the final name.
    """
    replaced = path.with_name(path.name + REPLACED_SUFFIX)
    shutil.rmtree(replaced, ignore_errors=True)
    if path.exists():
        path.rename(replaced)
    partial_path(path).rename(path)
    shutil.rmtree(replaced, ignore_errors=True)


def discard(path: Path) -> None:
    """Delete a file or a folder, which is never seen half deleted under its final name."""
    if path.is_file():
        path.unlink()
    elif path.exists():
        replaced = path.with_name(path.name + REPLACED_SUFFIX)
        shutil.rmtree(replaced, ignore_errors=True)
        path.rename(replaced)
        shutil.rmtree(replaced)
