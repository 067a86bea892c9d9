"""The record of a failed training, ``seed-<n>.failed``: JSON in the place of the run folder."""

from pathlib import Path
from typing import Any

from convchoice.errors import RunFolderError
from convchoice.runs.run_folder import read_json

FAILED_SUFFIX = ".failed"


def failed_path(path: Path) -> Path:
    """The file that records the failure of the run `path`."""
    return path.with_name(path.name + FAILED_SUFFIX)


def read_failure(path: Path) -> dict[str, Any] | None:
    """The ``reason``, ``fingerprint`` and more of a failed run, or None if it did not fail.

    Raises:
        RunFolderError: if the file is damaged or was not written by convchoice.
    """
    record = failed_path(path)
    if not record.exists():
        return None
    failure = read_json(record)
    if not all(isinstance(failure.get(key), str) for key in ("reason", "fingerprint")):
        raise RunFolderError(
            f"{record}: must hold a reason and a fingerprint. Move or delete it, or choose another"
            " folder (run_root)."
        )
    return failure
