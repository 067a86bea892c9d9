"""Which run folders convchoice wrote, and how they are removed and replaced.

A folder named ``seed-0`` may belong to another program. `check_replaceable` proves, before any
work, that everything a run would remove or replace was written by convchoice. Files are removed by
name, never as a tree. Never imports torch.

While a run is written, two more folders may exist beside its final one: ``seed-0.partial``, which
is renamed when it is complete, and ``seed-0.replaced``, the previous run until it is removed.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from convchoice.errors import RunFolderError, storing_in
from convchoice.runs.checksums import SUMS, read_checksums, write_checksums
from convchoice.runs.failures import failed_path, read_failure
from convchoice.runs.run_folder import (
    CHECKPOINT,
    CONFIG,
    CONTENT,
    ENVIRONMENT,
    MARK,
    TRAINED_FILES,
    partial_path,
    read_json,
    write_json,
)

REPLACED_SUFFIX = ".replaced"
MARK_HEADER = "convchoice: a run in progress\n"
"""First line of the file `MARK`; it proves that convchoice made a partial folder."""
PROOF = (MARK, CONFIG, ENVIRONMENT, SUMS)
"""Removed last and in this order, so that a killed removal can be continued."""
KNOWN_FILES = (*CONTENT, CHECKPOINT, "mlflow_run_id.txt", *PROOF)
"""`mlflow_run_id.txt` is from earlier versions."""
_TEMPORARY = re.compile(rf"\.({'|'.join(map(re.escape, KNOWN_FILES))})\.\d+")
_MARK_OF_EARLIER_VERSIONS = re.compile(r"[0-9a-f]{64}(\n[0-9a-f]{64})*")
_RUN_FOLDER = re.compile(r"seed-(\d+)(?:\.partial|\.replaced|\.failed)?")


def replaced_path(path: Path) -> Path:
    """Where the previous run lies until it is removed."""
    return path.with_name(path.name + REPLACED_SUFFIX)


def check_replaceable(path: Path) -> None:
    """Refuse to write a run where a file or folder of another program would be lost.

    Args:
        path: the final run folder; it need not exist.

    Raises:
        RunFolderError: naming the first file or folder that convchoice did not write.
    """
    for folder in (path, partial_path(path), replaced_path(path)):
        _check_owned(folder)
    read_failure(path)


def _check_owned(folder: Path) -> None:
    """Refuse a folder unless it is absent, or its files are known and one of them proves it."""
    if not folder.exists() and not folder.is_symlink():
        return
    foreign = folder if folder.is_symlink() or not folder.is_dir() else _foreign_entry(folder)
    if foreign is not None:
        raise RunFolderError(
            f"{foreign}: was not written by convchoice, and a run would replace it."
            " Move or delete it, or choose another folder (run_root)."
        )


def _foreign_entry(folder: Path) -> Path | None:
    entries = sorted(folder.iterdir())
    for entry in entries:
        known = entry.name in KNOWN_FILES or _TEMPORARY.fullmatch(entry.name)
        if not known or not (entry.is_symlink() or entry.is_file()):
            return entry
    return None if not entries or _is_proven(folder) else folder


def _is_proven(folder: Path) -> bool:
    """Whether the mark, the checksums or the environment are such as only convchoice writes."""
    try:
        mark = (folder / MARK).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        mark = "none"
    # A killed process may leave a mark without content.
    if mark.startswith(MARK_HEADER) or mark == "" or _MARK_OF_EARLIER_VERSIONS.fullmatch(mark):
        return True
    try:
        if set(TRAINED_FILES) <= set(read_checksums(folder).digests) <= set(CONTENT):
            return True
    except RunFolderError:
        pass  # absent or damaged
    try:
        environment = read_json(folder / ENVIRONMENT)
    except RunFolderError:
        return False
    return {"fingerprint", "dataset", "commit"} <= environment.keys()


def _remove_files(folder: Path) -> None:
    """Remove a partial or replaced folder, file by file."""
    _check_owned(folder)
    if not folder.exists():
        return
    names = {entry.name for entry in folder.iterdir()}
    for name in (*sorted(names - set(PROOF)), *(name for name in PROOF if name in names)):
        (folder / name).unlink(missing_ok=True)
    folder.rmdir()


def remove_run(path: Path) -> None:
    """Remove a run folder; a killed process never leaves half of one under its final name.

    Raises:
        RunFolderError: if convchoice did not write it.
    """
    _check_owned(path)
    _remove_files(replaced_path(path))
    if path.exists():
        path.rename(replaced_path(path))
        _remove_files(replaced_path(path))


def remove_leftovers(arm_folder: Path, seeds: Collection[int]) -> None:
    """Remove the runs of seeds that an arm no longer has.

    Args:
        arm_folder: ``<root>/<arm>``; it need not exist.
        seeds: the arm's seeds.

    Raises:
        RunFolderError: if one of the folders was not written by convchoice; none is removed then.
    """
    found = (_RUN_FOLDER.fullmatch(path.name) for path in arm_folder.glob("seed-*"))
    numbers = sorted({int(match[1]) for match in found if match} - set(seeds))
    paths = [arm_folder / f"seed-{number}" for number in numbers]
    for path in paths:
        check_replaceable(path)
    for path in paths:
        remove_run(path)
        _remove_files(partial_path(path))
        remove_failure(path)


def start_partial(path: Path, mark: str = "") -> Path:
    """An empty partial folder for the run `path`; what an earlier start left in it is removed.

    Args:
        path: the final run folder.
        mark: identity of the work, for `mark_of`.

    Raises:
        RunFolderError: if a folder of that name was not written by convchoice.
        StorageError: if it cannot be written.
    """
    partial = partial_path(path)
    with storing_in(partial):
        _remove_files(partial)
        partial.mkdir(parents=True)
        (partial / MARK).write_text(MARK_HEADER + mark, encoding="utf-8")
    return partial


def mark_of(path: Path) -> str | None:
    """The identity of the work in the partial folder of `path`; None if there is none."""
    try:
        text = (partial_path(path) / MARK).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    return text.removeprefix(MARK_HEADER) if text.startswith(MARK_HEADER) else None


def finalise(path: Path) -> None:
    """Write the checksums of the complete partial folder, and rename it to `path`.

    A run that is already there is renamed first and removed afterwards: a killed process leaves no
    incomplete folder under the final name.

    Raises:
        RunFolderError: if a folder that would be replaced was not written by convchoice.
        StorageError: if the files cannot be written.
    """
    partial = partial_path(path)
    with storing_in(partial):
        check_replaceable(path)
        write_checksums(partial)
        for name in (CHECKPOINT, MARK):
            (partial / name).unlink(missing_ok=True)
        _remove_files(replaced_path(path))
        if path.exists():
            path.rename(replaced_path(path))
        partial.rename(path)
        _remove_files(replaced_path(path))


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """A partial folder to write a run into; it is finalised on success and removed on failure.

    Raises:
        RunFolderError: if a folder that would be replaced was not written by convchoice.
        StorageError: if the files cannot be written.
    """
    check_replaceable(path)
    partial = start_partial(path)
    try:
        yield partial
    except BaseException:
        _remove_files(partial)
        raise
    finalise(path)


def write_failure(path: Path, failure: Mapping[str, Any]) -> None:
    """Record that a training failed, and remove the run of an earlier configuration.

    Args:
        path: the final run folder.
        failure: ``reason``, ``fingerprint`` and more of the run that failed.

    Raises:
        RunFolderError: if a file that would be replaced was not written by convchoice.
    """
    check_replaceable(path)
    ended = datetime.now(UTC).isoformat(timespec="seconds")
    write_json(failed_path(path), {"finished": ended, **failure})
    remove_run(path)


def remove_failure(path: Path) -> None:
    """Remove the record of a failed training, if there is one.

    Raises:
        RunFolderError: if the file was not written by convchoice.
    """
    if read_failure(path) is not None:
        failed_path(path).unlink()
