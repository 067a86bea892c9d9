"""The run folder: the contract between the stages. Its layout, writers and checksums.

    <root>/<arm>/seed-<n>/
        config.yaml           resolved configuration of the run
        history.csv           a row an epoch
        metrics.json          final train/*, val/*, cost/*, and after the evaluation test/*
        environment.json      commit, versions, device, threads, data set, fingerprint
        weights.safetensors   weights after the last epoch
        predictions.npz       after the evaluation: logits (N, classes), labels (N,) of the test set
        curves.csv            if the evaluation measures curves: a row a point
        pictures.npz          after the evaluation: images with wrong predictions
        inside.npz            after the evaluation: filters and maps
        SHA256SUMS            checksums of the files above

`run` reads it, `evaluation_files` writes what the evaluation adds. A folder is written beside its
final name and renamed when it is complete (`ownership`). ``SHA256SUMS`` is written then, in the
format of ``sha256sum --check``; a file is verified when it is read, so that a changed or damaged
file is named and never becomes part of a result. The record of a training that failed is
``seed-<n>.failed``, JSON. Nothing in a run folder can execute code when it is read. Never imports
torch.
"""

import csv
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from convchoice.config.yaml_files import yaml_text
from convchoice.errors import RunFolderError
from convchoice.runs.output_files import replace_files

CONFIG = "config.yaml"
HISTORY = "history.csv"
METRICS = "metrics.json"
ENVIRONMENT = "environment.json"
WEIGHTS = "weights.safetensors"
PREDICTIONS = "predictions.npz"
CURVES = "curves.csv"
PICTURES = "pictures.npz"
INSIDE = "inside.npz"
TRAINED_FILES = (CONFIG, HISTORY, METRICS, ENVIRONMENT, WEIGHTS)
MEASURED_FILES = (PREDICTIONS, CURVES, PICTURES, INSIDE)
CONTENT = (*TRAINED_FILES, *MEASURED_FILES)
"""The files with checksums."""
SUMS = "SHA256SUMS"
CHECKPOINT = "resume.ckpt"
"""In a partial folder: the state after the last complete epoch."""
MARK = "fingerprint"
"""In a partial folder: which runs it is for."""
FAILED_SUFFIX = ".failed"
FIX = "Restore the file, or delete the folder and make the run again."
_SUM = re.compile(r"([0-9a-f]{64})  (\S+)")


def run_path(root: Path, arm: str, seed: int) -> Path:
    """The folder of the run of `arm` with `seed`."""
    return root / arm / f"seed-{seed}"


def partial_path(path: Path) -> Path:
    """Where the run `path` is written until it is complete."""
    return path.with_name(path.name + ".partial")


def failed_path(path: Path) -> Path:
    """The file that records the failure of the run `path`."""
    return path.with_name(path.name + FAILED_SUFFIX)


def json_text(values: Mapping[str, Any]) -> str:
    """A mapping as indented JSON; ValueError if a number is not finite."""
    return json.dumps(values, indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write a `json_text` atomically.

    Raises:
        ValueError: if a number is not finite.
        StorageError: if it cannot be written.
    """
    replace_files(path.parent, {path.name: json_text(values)})


def read_json(path: Path) -> dict[str, Any]:
    """The mapping in a JSON file.

    Raises:
        RunFolderError: if the file is missing or damaged, or holds no mapping.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RunFolderError(f"{path}: cannot be read as JSON ({type(error).__name__}).") from error
    if not isinstance(values, dict):
        raise RunFolderError(f"{path}: must hold a mapping of keys to values.")
    return values


def read_failure(path: Path) -> dict[str, Any] | None:
    """The ``reason``, ``fingerprint`` and more of the failed run `path`, or None.

    Raises:
        RunFolderError: if the record is damaged or was not written by convchoice.
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


def write_config(folder: Path, config: Mapping[str, Any]) -> None:
    """Write the resolved configuration."""
    (folder / CONFIG).write_text(yaml_text(dict(config)), encoding="utf-8")


def write_history(folder: Path, rows: Sequence[Mapping[str, float]]) -> None:
    """Write a row an epoch; the keys of the first row are the columns, ``epoch`` (from 1) first."""
    with (folder / HISTORY).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


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


def read_checksums(folder: Path) -> dict[str, str]:
    """The recorded SHA-256 of each file, by name.

    Raises:
        RunFolderError: if the checksums are missing or damaged.
    """
    path = folder / SUMS
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except FileNotFoundError:
        raise RunFolderError(f"{path}: is missing. {FIX}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RunFolderError(f"{path}: cannot be read ({type(error).__name__}). {FIX}") from error
    found = [_SUM.fullmatch(line) for line in lines]
    digests = {match[2]: match[1] for match in found if match}
    if not digests or len(digests) != len(lines):
        raise RunFolderError(f"{path}: must hold a SHA-256 and a file name a line. {FIX}")
    return digests


def verify(path: Path, recorded: str | None) -> None:
    """Refuse a file that is not byte for byte the one that the run wrote.

    Args:
        path: of the file; it need not exist.
        recorded: its SHA-256 in the checksums, None if they do not list it.

    Raises:
        RunFolderError: if it was changed, removed, or added later.
    """
    if not path.is_file():
        if recorded is not None:
            raise RunFolderError(f"{path}: is missing, but {SUMS} lists it. {FIX}")
    elif recorded is None:
        raise RunFolderError(f"{path}: is not part of this run: {SUMS} does not list it. {FIX}")
    elif sha256(path) != recorded:
        raise RunFolderError(
            f"{path}: was changed after the run: its SHA-256 is not the one in {SUMS}. {FIX}"
        )
