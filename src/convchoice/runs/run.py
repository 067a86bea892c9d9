"""Reading a run folder. Every file is verified against the checksums before it is used.

A missing, changed or damaged file raises `RunFolderError` and is named. Never imports torch.
"""

import csv
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from convchoice.config.yaml_files import read_yaml
from convchoice.errors import RunFolderError
from convchoice.runs import introspection, pictures
from convchoice.runs.checksums import FIX, SUMS, Checksums, read_checksums
from convchoice.runs.curve_points import FIX as EVALUATE_AGAIN
from convchoice.runs.curve_points import CurvePoint, points_of_table
from convchoice.runs.run_folder import (
    CONFIG,
    CURVES,
    ENVIRONMENT,
    HISTORY,
    INSIDE,
    METRICS,
    PICTURES,
    PREDICTIONS,
    TRAINED_FILES,
    WEIGHTS,
    partial_path,
    read_json,
)

UNKNOWN_CLASS = 255
"""Predicted class of an image of which only that it was predicted wrongly is recorded."""
T = TypeVar("T")


@contextmanager
def reading(path: Path, content: str, fix: str = FIX) -> Iterator[None]:
    """Turn whatever a library raises for a damaged file into a `RunFolderError`."""
    try:
        yield
    except RunFolderError:
        raise
    except Exception as error:
        raise RunFolderError(
            f"{path}: cannot be read as {content} ({type(error).__name__}). {fix}"
        ) from error


@dataclass(frozen=True)
class Run:
    """One run folder, read. All methods raise `RunFolderError` if their file is changed or damaged.

    Attributes:
        history: a row an epoch: ``epoch`` (from 1), ``train/loss``, ``train/accuracy``,
            ``val/loss`` and ``val/accuracy`` (absent without a validation split), ``seconds``.
        metrics: accuracies are fractions of 1, times seconds, memory bytes.
    """

    path: Path
    config: dict[str, Any]
    history: list[dict[str, float]]
    metrics: dict[str, float]
    environment: dict[str, Any]
    checksums: Checksums

    @property
    def arm(self) -> str:
        """Name of the arm."""
        return str(self.config["arm"])

    @property
    def seed(self) -> int:
        """The seed."""
        return int(self.config["seed"])

    @property
    def evaluated(self) -> bool:
        """Whether the run has test metrics and predictions."""
        return "test/accuracy" in self.metrics and (self.path / PREDICTIONS).exists()

    def weights_file(self) -> Path:
        """The file of the weights."""
        self.checksums.verify(WEIGHTS)
        return self.path / WEIGHTS

    def predictions(self) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """The test set's logits (N, 10) and labels (N,)."""
        found = self._read(PREDICTIONS, "predictions", _predictions)
        if found is None:
            raise RunFolderError(f"{self.path / PREDICTIONS}: is missing. {EVALUATE_AGAIN}")
        return found

    def classes(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]] | None:
        """The predicted and the true class of each test image, (N,) each; None if not recorded."""
        logits, labels = self.predictions()
        return logits.argmax(axis=1).astype(np.uint8), labels

    def pictures(self) -> pictures.Pictures | None:
        """Some test images with wrong predictions, or None."""
        return self._read(PICTURES, "pictures", pictures.read)

    def inside(self) -> introspection.Introspection | None:
        """The network's filters and maps, or None."""
        return self._read(INSIDE, "filters and maps", introspection.read)

    def curves(self) -> list[CurvePoint]:
        """The points of the curves; empty if the evaluation measures none."""
        return self._read(CURVES, "curves", points_of_table) or []

    def _read(self, name: str, content: str, read: Callable[[Path], T]) -> T | None:
        self.checksums.verify(name)
        path = self.path / name
        if not path.exists():
            return None
        with reading(path, content, EVALUATE_AGAIN):
            return read(path)


def _predictions(path: Path) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return arrays["logits"].astype(np.float32), arrays["labels"].astype(np.uint8)


def read_run(path: Path) -> Run:
    """Read a run folder: the files of the training now, the others when they are used.

    Raises:
        RunFolderError: if the folder is missing, incomplete, changed or damaged, or is not the run
            that its name says.
    """
    _check_complete(path)
    checksums = read_checksums(path)
    for name in TRAINED_FILES:
        checksums.verify(name)
    return _read(path, path, checksums)


def read_partial(path: Path) -> Run:
    """Read the complete run in the partial folder of `path`, which has no checksums yet.

    Raises:
        RunFolderError: as `read_run`.
    """
    partial = partial_path(path)
    _check_complete(partial)
    return _read(partial, path, Checksums(partial, {}))


def _check_complete(path: Path) -> None:
    if not path.is_dir():
        raise RunFolderError(f"{path}: there is no such run folder.")
    missing = [name for name in TRAINED_FILES if not (path / name).is_file()]
    if missing:
        raise RunFolderError(f"{path}: not a complete run folder: {', '.join(missing)} missing.")


def _read(path: Path, final: Path, checksums: Checksums) -> Run:
    with reading(path / CONFIG, "a configuration"):
        config = read_yaml(path / CONFIG)
        if (final.parent.name, final.name) != (config["arm"], f"seed-{config['seed']}"):
            raise RunFolderError(
                f"{path}: holds the run of arm {config['arm']!r} with seed {config['seed']!r},"
                " which is not what the name of its folder says."
            )
    history = path / HISTORY
    with reading(history, "a table of numbers"), history.open(newline="", encoding="utf-8") as file:
        rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    metrics = read_json(path / METRICS)
    for key, value in metrics.items():
        if type(value) not in {int, float} or not math.isfinite(value):
            raise RunFolderError(f"{path / METRICS}: {key} = {value!r} is not a finite number.")
    return Run(path, config, rows, metrics, read_json(path / ENVIRONMENT), checksums)


def run_folders(path: Path) -> list[Path]:
    """The run folders at or below a path, sorted; damaged ones too, which `read_run` refuses."""
    if _has_files_of_a_run(path):
        return [path]
    found = (each for each in path.rglob("seed-*") if each.name.removeprefix("seed-").isdigit())
    return sorted(folder for folder in found if _has_files_of_a_run(folder))


def _has_files_of_a_run(folder: Path) -> bool:
    return any((folder / name).is_file() for name in (CONFIG, ENVIRONMENT, WEIGHTS, SUMS))
