"""The run folder: the contract between the stages, read and written here and nowhere else.

    <root>/<arm>/seed-<n>/
        config.yaml           the resolved configuration of this run
        history.csv           a row an epoch
        metrics.json          final train/*, val/*, cost/*, and once evaluated test/*
        environment.json      commit, versions, device, threads, data set, fingerprint
        mlflow_run_id.txt     the MLflow run that tells of it; absent without tracking
        weights.safetensors   the network's weights after the last epoch
        predictions.npz       once evaluated: logits (N, 10) and labels (N,) of the test set
        curves.csv            where its evaluation measures curves: see `curve_points`
        pictures.npz          once evaluated: some images it got wrong, see `pictures`; absent from
                              folders that were evaluated before there were any
        inside.npz            once evaluated: its network seen from inside, see `inside`; likewise

Where a training failed, because its loss is no longer finite, `seed-<n>.failed` (JSON) stands in
the folder's place and says why.

A folder is made beside its final name and renamed when it is whole, so a folder under its final
name is never half written. Nothing in it can execute code when it is read. Never imports torch.
"""

import csv
import json
import math
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import yaml
from numpy.typing import NDArray

from convchoice.errors import RunFolderError, UserError
from convchoice.records import inside, pictures
from convchoice.records.inside import Inside
from convchoice.records.pictures import Pictures
from convchoice.records.replacing import replace_files
from convchoice.settings.curve_points import (
    MEND,
    CurvePoint,
    points_of_table,
    summary_metrics,
    table_text,
)
from convchoice.settings.schema import Curve
from convchoice.settings.yaml_files import read_yaml

T = TypeVar("T")

CONFIG = "config.yaml"
HISTORY = "history.csv"
METRICS = "metrics.json"
ENVIRONMENT = "environment.json"
WEIGHTS = "weights.safetensors"
PREDICTIONS = "predictions.npz"
CURVES = "curves.csv"
PICTURES = "pictures.npz"
INSIDE = "inside.npz"
TRACKING = "mlflow_run_id.txt"
TRAINED_FILES = (CONFIG, HISTORY, METRICS, ENVIRONMENT, WEIGHTS)
PARTIAL_SUFFIX = ".partial"
REPLACED_SUFFIX = ".replaced"
FAILED_SUFFIX = ".failed"
WORK_FILES = ("resume.ckpt", "fingerprint")
"""What a training has in its partial folder to go on from, and takes away when it is whole."""


def run_path(root: Path, arm: str, seed: int) -> Path:
    """Where the run of `arm` with `seed` lives under `root`."""
    return root / arm / f"seed-{seed}"


def partial_path(path: Path) -> Path:
    """Where a run folder is written until it is whole."""
    return path.with_name(path.name + PARTIAL_SUFFIX)


@contextmanager
def sealed(path: Path) -> Iterator[Path]:
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
    seal(path)


def clear(folder: Path) -> None:
    """Make `folder` an empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def seal(path: Path) -> None:
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
    """Delete a run folder, which is never seen half deleted under its final name."""
    if path.is_file():
        path.unlink()
    elif path.exists():
        replaced = path.with_name(path.name + REPLACED_SUFFIX)
        shutil.rmtree(replaced, ignore_errors=True)
        path.rename(replaced)
        shutil.rmtree(replaced)


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


@dataclass(frozen=True)
class Run:
    """One run folder, read."""

    path: Path
    config: dict[str, Any]
    history: list[dict[str, float]]
    """A row an epoch: ``epoch`` (from 1), ``train/loss``, ``train/accuracy``, ``val/loss`` and
    ``val/accuracy`` (absent without a validation split), ``seconds``."""
    metrics: dict[str, float]
    """Accuracies are fractions of 1, times seconds, memory bytes."""
    environment: dict[str, Any]

    @property
    def arm(self) -> str:
        """The arm's name."""
        return str(self.config["arm"])

    @property
    def seed(self) -> int:
        """The seed."""
        return int(self.config["seed"])

    @property
    def mlflow_run_id(self) -> str | None:
        """The MLflow run that tells of it, if one does."""
        return noted_tracking(self.path)

    @property
    def evaluated(self) -> bool:
        """Whether the test set's metrics and predictions are there."""
        return "test/accuracy" in self.metrics and (self.path / PREDICTIONS).exists()

    def predictions(self) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """The test set's logits (N, 10) and labels (N,).

        Raises:
            RunFolderError: if the file is missing, damaged, or holds anything but plain numbers.
        """
        path = self.path / PREDICTIONS
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                logits, labels = arrays["logits"], arrays["labels"]
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise RunFolderError(f"{path}: cannot be read as predictions: {error}") from error
        return logits.astype(np.float32), labels.astype(np.uint8)

    def pictures(self) -> Pictures | None:
        """The pictures that it kept; None where it has no such file.

        Raises:
            RunFolderError: if the file is damaged, or holds anything but plain numbers.
        """
        return self._kept(PICTURES, pictures.read, "pictures")

    def inside(self) -> Inside | None:
        """What its network looks like inside; None where it has no such file.

        Raises:
            RunFolderError: if the file is damaged, or holds anything but plain numbers.
        """
        return self._kept(INSIDE, inside.read, "a network's inside")

    def _kept(self, name: str, read: Callable[[Path], T], what: str) -> T | None:
        """What one of its files holds that a run may be without; None where there is no file."""
        path = self.path / name
        if not path.exists():
            return None
        try:
            return read(path)
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise RunFolderError(
                f"{path}: cannot be read as {what}: {error}. Evaluate the run again."
            ) from error

    def curves(self) -> list[CurvePoint]:
        """The measured points; none where the run's evaluation measures no curves.

        Raises:
            RunFolderError: if the file is missing though the run's configuration names curves, is
                damaged, or does not belong to this configuration or these metrics.
        """
        path = self.path / CURVES
        named = set((self.config.get("evaluation") or {}).get("curves") or [])
        if not named and not path.exists():
            return []
        try:
            points = points_of_table(path.read_text(encoding="utf-8"), str(path))
        except (OSError, UnicodeDecodeError) as error:
            raise RunFolderError(f"{path}: cannot be read as curves: {error}. {MEND}") from error
        measured = {point.curve.name for point in points}
        # A network that begins with its head has no map, and so no equivariance.
        if not measured <= named or named - measured - {Curve.equivariance.name}:
            raise RunFolderError(
                f"{path}: holds {', '.join(sorted(measured)) or 'no curve'}, and {CONFIG} says"
                f" {', '.join(sorted(named)) or 'none'}. {MEND}"
            )
        for key, value in summary_metrics(points).items():
            told = self.metrics.get(key)
            if told is None or not math.isclose(told, value, rel_tol=1e-9, abs_tol=1e-12):
                raise RunFolderError(
                    f"{path}: gives {key} = {value:.6g}, and {METRICS} says {told}: they are not"
                    f" of one evaluation. {MEND}"
                )
        return points


def note_tracking(folder: Path, run_id: str | None) -> None:
    """Record, beside a training under way, which MLflow run tells of it."""
    if run_id is not None:
        (folder / TRACKING).write_text(run_id, encoding="utf-8")


def noted_tracking(folder: Path) -> str | None:
    """The MLflow run that tells of this folder's run, or None."""
    path = folder / TRACKING
    return path.read_text(encoding="utf-8").strip() if path.is_file() else None


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


def _read_history(path: Path) -> list[dict[str, float]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return [
                {key: float(value) for key, value in row.items()} for row in csv.DictReader(file)
            ]
    except (OSError, TypeError, ValueError) as error:
        raise RunFolderError(f"{path}: cannot be read as a table of numbers: {error}") from error


def read_run(path: Path) -> Run:
    """Read one run folder.

    Raises:
        RunFolderError: if the folder is missing, unfinished, damaged, holds a number that is not
            finite, or is not the run that its own name says.
    """
    return _read(path, path)


def read_unsealed(path: Path) -> Run:
    """Read the run that is whole but for its final name `path`.

    Raises:
        RunFolderError: as `read_run`.
    """
    return _read(partial_path(path), path)


def _read(path: Path, final: Path) -> Run:
    """The run in the folder `path`, whose final name is, or will be, `final`."""
    if not path.is_dir():
        raise RunFolderError(f"{path}: there is no such run folder.")
    missing = [name for name in TRAINED_FILES if not (path / name).is_file()]
    if missing:
        raise RunFolderError(f"{path}: not a complete run folder, without {', '.join(missing)}.")
    try:
        config = read_yaml(path / CONFIG)
    except UserError as error:
        raise RunFolderError(str(error)) from error
    metrics = read_json(path / METRICS)
    for key, value in metrics.items():
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not math.isfinite(value)
        ):
            raise RunFolderError(f"{path / METRICS}: {key} = {value!r} is not a finite number.")
    run = Run(
        path=path,
        config=config,
        history=_read_history(path / HISTORY),
        metrics=metrics,
        environment=read_json(path / ENVIRONMENT),
    )
    named = (final.parent.name, final.name)
    if named != (config.get("arm"), f"seed-{config.get('seed')}"):
        raise RunFolderError(
            f"{path}: holds the run of arm {config.get('arm')!r} with seed {config.get('seed')!r},"
            " which is not what its folder's name says."
        )
    return run


def runs_of_arm(root: Path, arm: str) -> list[Run]:
    """The runs of one arm under `root`, by seed.

    Raises:
        RunFolderError: if there is none, or one of them cannot be read.
    """
    folder = root / arm
    paths = [path for path in folder.glob("seed-*") if path.name.removeprefix("seed-").isdigit()]
    if not paths:
        raise RunFolderError(f"{folder}: no run folders (seed-0, seed-1, …) of arm {arm!r} here.")
    return sorted((read_run(path) for path in paths), key=lambda run: run.seed)
