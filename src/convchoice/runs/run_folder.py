"""The run folder: the contract between the stages. Its layout and its writers; `run` reads it.

    <root>/<arm>/seed-<n>/
        config.yaml           resolved configuration of the run
        history.csv           a row an epoch
        metrics.json          final train/*, val/*, cost/*, and after the evaluation test/*
        environment.json      commit, versions, device, threads, data set, fingerprint
        weights.safetensors   weights after the last epoch
        predictions.npz       after the evaluation: logits (N, 10) and labels (N,) of the test set
        curves.csv            if the evaluation measures curves, see `curve_points`
        pictures.npz          after the evaluation: images with wrong predictions, see `pictures`
        inside.npz            after the evaluation: filters and maps, see `introspection`
        SHA256SUMS            checksums of the files above, see `checksums`

A folder is written beside its final name and renamed when it is complete (`ownership`). The record
of a training that failed is ``seed-<n>.failed``, JSON. Nothing in a run folder can execute
code when it is read. Never imports torch.
"""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from convchoice.errors import RunFolderError
from convchoice.runs.atomic_write import replace_files
from convchoice.runs.curve_points import CurvePoint, table_text

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
CHECKPOINT = "resume.ckpt"
"""In a partial folder: the state after the last complete epoch."""
MARK = "fingerprint"
"""In a partial folder: which runs it is for."""
FAILED_SUFFIX = ".failed"


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
    text = yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True)
    (folder / CONFIG).write_text(text, encoding="utf-8")


def write_history(folder: Path, rows: Sequence[Mapping[str, float]]) -> None:
    """Write a row an epoch; the keys of the first row are the columns, ``epoch`` (from 1) first."""
    with (folder / HISTORY).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def write_predictions(folder: Path, logits: NDArray[np.float32], labels: NDArray[np.uint8]) -> None:
    """Write the test set's logits (N, 10) and labels (N,)."""
    np.savez_compressed(folder / PREDICTIONS, logits=logits, labels=labels)


def write_curves(folder: Path, points: Sequence[CurvePoint]) -> None:
    """Write the measured points; without any, no file is written."""
    if points:
        (folder / CURVES).write_text(table_text(points), encoding="utf-8")
