"""What stands in the place of a run folder whose training failed: `seed-<n>.failed`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from convchoice.errors import RunFolderError
from convchoice.runs.atomic_write import discard
from convchoice.runs.run_folder import read_json, write_json

FAILED_SUFFIX = ".failed"


def failed_path(path: Path) -> Path:
    """Where it stands that the run of this folder failed, and why: `seed-<n>.failed`."""
    return path.with_name(path.name + FAILED_SUFFIX)


def write_failure(path: Path, failure: Mapping[str, Any]) -> None:
    """Record that a training failed; a run folder of an earlier configuration goes.

    Args:
        path: the folder that the run would have.
        failure: ``reason``, in words, and the ``fingerprint`` of what failed.
    """
    write_json(failed_path(path), failure)
    discard(path)


def read_failure(path: Path) -> dict[str, Any] | None:
    """What stands in the place of a run folder whose training failed, or None.

    Raises:
        RunFolderError: if it is damaged.
    """
    record = failed_path(path)
    if not record.exists():
        return None
    failure = read_json(record)
    if not all(isinstance(failure.get(key), str) for key in ("reason", "fingerprint")):
        raise RunFolderError(f"{record}: must hold a reason and a fingerprint. Delete it.")
    return failure
