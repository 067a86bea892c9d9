"""The run folder: the contract between the stages, written here and read by `run` alone.

    <root>/<arm>/seed-<n>/
        config.yaml           the resolved configuration of this run
        history.csv           a row an epoch
        metrics.json          final train/*, val/*, cost/*, and once evaluated test/*
        environment.json      commit, versions, device, threads, data set, fingerprint
        SHA256SUMS            of the other files, see `checksums`; absent from folders that were
                              made before there was one
        weights.safetensors   the network's weights after the last epoch
        predictions.npz       once evaluated: logits (N, 10) and labels (N,) of the test set
        curves.csv            where its evaluation measures curves: see `curve_points`
        pictures.npz          once evaluated: some images it got wrong, see `pictures`; absent from
                              folders that were evaluated before there were any
        inside.npz            once evaluated: its network seen from inside, see `inside`; likewise

Where a training failed, because its loss is no longer finite, `seed-<n>.failed` (JSON) stands in
the folder's place and says why.

A folder is made beside its final name and renamed when it is whole (`sealing`), so a folder under
its final name is never half written. Nothing in it can execute code when it is read. Never imports
torch.
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
from convchoice.runs import introspection as inside
from convchoice.runs import pictures
from convchoice.runs.atomic_write import clear as clear  # noqa: PLC0414 - a part of this module
from convchoice.runs.atomic_write import partial_path as partial_path  # noqa: PLC0414
from convchoice.runs.atomic_write import replace_files
from convchoice.runs.curve_points import CurvePoint, table_text
from convchoice.runs.introspection import Inside
from convchoice.runs.pictures import Pictures

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
"""The files that hold what the run is."""
WORK_FILES = ("resume.ckpt", "fingerprint")
"""What a training has in its partial folder to go on from, and takes away when it is whole."""


def run_path(root: Path, arm: str, seed: int) -> Path:
    """Where the run of `arm` with `seed` lives under `root`."""
    return root / arm / f"seed-{seed}"


def json_text(values: Mapping[str, Any]) -> str:
    """A mapping as indented JSON, keys in the order given.

    Raises:
        ValueError: if a number is not finite; a report must never show one.
    """
    return json.dumps(values, indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write a mapping as indented JSON, atomically, keys in the order given.

    Raises:
        ValueError: if a number is not finite; a report must never show one.
        StorageError: if it cannot be written.
    """
    replace_files(path.parent, {path.name: json_text(values)})


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file's mapping.

    Raises:
        RunFolderError: if the file is missing, is not JSON, or holds no mapping.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunFolderError(f"{path}: cannot be read: {error}") from error
    if not isinstance(values, dict):
        raise RunFolderError(f"{path}: must hold a mapping of keys to values.")
    return values


def write_config(folder: Path, config: Mapping[str, Any]) -> None:
    """Write the resolved configuration."""
    text = yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True)
    (folder / CONFIG).write_text(text, encoding="utf-8")


def write_history(folder: Path, rows: Sequence[Mapping[str, float]]) -> None:
    """Write the epochs' rows; the first row's keys are the columns, ``epoch`` (from 1) first."""
    with (folder / HISTORY).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def write_predictions(folder: Path, logits: NDArray[np.float32], labels: NDArray[np.uint8]) -> None:
    """Write the test set's logits (N, 10) and true labels (N,)."""
    np.savez_compressed(folder / PREDICTIONS, logits=logits, labels=labels)


def write_pictures(folder: Path, kept: Pictures) -> None:
    """Write the pictures that the run keeps."""
    pictures.write(folder / PICTURES, kept)


def write_inside(folder: Path, looked_into: Inside) -> None:
    """Write what the run's network looks like inside."""
    inside.write(folder / INSIDE, looked_into)


def write_curves(folder: Path, points: Sequence[CurvePoint]) -> None:
    """Write the measured points; without any there is no file."""
    path = folder / CURVES
    if points:
        path.write_text(table_text(points), encoding="utf-8")
    else:
        path.unlink(missing_ok=True)
