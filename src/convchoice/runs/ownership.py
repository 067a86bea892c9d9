"""Which run folders convchoice wrote, and how they are removed and replaced.

A folder named ``seed-0`` may belong to another program. `check_replaceable` proves, before any
work, that convchoice wrote everything that a run would remove or replace. Files are removed by
name, never as a tree. Every function here raises `RunFolderError`, before it changes anything, if
convchoice did not write what it would remove or replace, and `StorageError` if a file cannot be
written. Never imports torch.

Beside the final folder ``seed-0`` there may be ``seed-0.partial``, which is renamed when it is
complete, and ``seed-0.replaced``, the previous run until it is removed.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from convchoice.errors import RunFolderError, storing_in
from convchoice.runs.run_folder import (
    CHECKPOINT,
    CONTENT,
    ENVIRONMENT,
    MARK,
    SUMS,
    TRAINED_FILES,
    failed_path,
    partial_path,
    read_checksums,
    read_failure,
    read_json,
    write_checksums,
    write_json,
)

MARK_HEADER = "convchoice: a run in progress\n"
"""First line of the file `MARK`, which proves that convchoice made a partial folder."""
PROOF = (MARK, ENVIRONMENT, SUMS)
"""Removed last and in this order, so that a killed removal can be continued."""
_NAMES = "|".join(map(re.escape, (*CONTENT, CHECKPOINT, *PROOF)))
# The second and the third: temporary files, ours and those of safetensors.
_OUR_FILE = re.compile(rf"{_NAMES}|\.({_NAMES})\.\d+|\.tmp\w{{6}}")
_RUN_FOLDER = re.compile(r"seed-(\d+)(?:\.partial|\.replaced|\.failed)?")


def replaced_path(path: Path) -> Path:
    """Where the previous run is until it is removed."""
    return path.with_name(path.name + ".replaced")


def check_replaceable(path: Path) -> None:
    """Refuse to write the run folder `path` where another program's files would be lost."""
    for folder in (path, partial_path(path), replaced_path(path)):
        _check_owned(folder)
    read_failure(path)


def _check_owned(folder: Path) -> None:
    """Refuse the folder, or the first entry in it, that convchoice did not write."""
    is_folder = folder.is_dir() and not folder.is_symlink()
    entries = sorted(folder.iterdir()) if is_folder else []
    foreign = [each for each in entries if not (_OUR_FILE.fullmatch(each.name) and each.is_file())]
    if is_folder and not foreign and (not entries or _is_proven(folder)):
        return
    if is_folder or folder.is_symlink() or folder.exists():
        raise RunFolderError(
            f"{foreign[0] if foreign else folder}: was not written by convchoice, and a run would"
            " replace it. Move or delete it, or choose another folder (run_root)."
        )


def _is_proven(folder: Path) -> bool:
    """Whether the mark, the checksums or the environment are such as only convchoice writes."""
    mark = _read_mark(folder)
    if mark is not None and (mark.startswith(MARK_HEADER) or mark == ""):  # "": killed meanwhile
        return True
    with suppress(RunFolderError):  # absent or damaged
        if set(TRAINED_FILES) <= read_checksums(folder).keys() <= set(CONTENT):
            return True
    with suppress(RunFolderError):
        return {"fingerprint", "dataset", "commit"} <= read_json(folder / ENVIRONMENT).keys()
    return False


def _read_mark(folder: Path) -> str | None:
    try:
        return (folder / MARK).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _remove_files(folder: Path) -> None:
    _check_owned(folder)
    if folder.exists():
        names = {entry.name for entry in folder.iterdir()}
        for name in (*sorted(names - set(PROOF)), *PROOF):
            (folder / name).unlink(missing_ok=True)
        folder.rmdir()


def remove_run(path: Path) -> None:
    """Remove a run folder; a killed process never leaves half of one under its final name."""
    _check_owned(path)
    _remove_files(replaced_path(path))
    if path.exists():
        path.rename(replaced_path(path))
        _remove_files(replaced_path(path))


def remove_leftovers(arm_folder: Path, seeds: Collection[int]) -> None:
    """Remove the runs below ``<root>/<arm>`` of seeds that an arm no longer has."""
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
    """An empty partial folder for the run `path`; the files of an earlier start are removed."""
    partial = partial_path(path)
    with storing_in(partial):
        _remove_files(partial)
        partial.mkdir(parents=True)
        (partial / MARK).write_text(MARK_HEADER + mark, encoding="utf-8")
    return partial


def mark_of(path: Path) -> str | None:
    """The identity of the work in the partial folder of `path`; None if there is none."""
    mark = _read_mark(partial_path(path)) or ""
    return mark.removeprefix(MARK_HEADER) if mark.startswith(MARK_HEADER) else None


def finalise(path: Path) -> None:
    """Write the checksums of the complete partial folder, and rename it to `path`.

    The previous run is renamed first and removed afterwards: a killed process leaves no incomplete
    folder under the final name.
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
    """A partial folder to write a run into; it is finalised on success and removed on failure."""
    check_replaceable(path)
    partial = start_partial(path)
    try:
        yield partial
    except BaseException:
        _remove_files(partial)
        raise
    finalise(path)


def write_failure(path: Path, failure: Mapping[str, Any]) -> None:
    """Record that the training of `path` failed, and remove the run of an earlier configuration.

    `failure` has the ``reason``, and the ``fingerprint`` of the run.
    """
    check_replaceable(path)
    ended = datetime.now(UTC).isoformat(timespec="seconds")
    write_json(failed_path(path), {"finished": ended, **failure})
    remove_run(path)


def remove_failure(path: Path) -> None:
    """Remove the record of a failed training, if there is one."""
    if read_failure(path) is not None:
        failed_path(path).unlink()
