"""Reading a run folder: every file is verified against the checksums.

Any missing, changed or damaged file raises `RunFolderError` and is named. Never imports torch.
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

from convchoice.config.schema import Curve
from convchoice.config.yaml_files import read_yaml
from convchoice.errors import RunFolderError
from convchoice.runs import introspection as inside
from convchoice.runs import pictures
from convchoice.runs.checksums import FIX, SUMS, Checksums, read_checksums
from convchoice.runs.curve_points import FIX as EVALUATE_AGAIN
from convchoice.runs.curve_points import CurvePoint, points_of_table, summary_metrics
from convchoice.runs.introspection import Inside
from convchoice.runs.pictures import Pictures
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

T = TypeVar("T")


@contextmanager
def reading(path: Path, content: str, fix: str = FIX) -> Iterator[None]:
    """Turn whatever a library raises for a damaged file into a `RunFolderError`.

    Args:
        path: the file.
        content: what it should hold.
        fix: what to do if it is damaged.

    Raises:
        RunFolderError: naming the file.
    """
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
    """One run folder, read."""

    path: Path
    config: dict[str, Any]
    history: list[dict[str, float]]
    """A row an epoch: ``epoch`` (from 1), ``train/loss``, ``train/accuracy``, ``val/loss`` and
    ``val/accuracy`` (absent without a validation split), ``seconds``."""
    metrics: dict[str, float]
    """Accuracies are fractions of 1, times seconds, memory bytes."""
    environment: dict[str, Any]
    checksums: Checksums

    @property
    def arm(self) -> str:
        """The arm's name."""
        return str(self.config["arm"])

    @property
    def seed(self) -> int:
        """The seed."""
        return int(self.config["seed"])

    @property
    def evaluated(self) -> bool:
        """Whether the test set's metrics and predictions are there."""
        return "test/accuracy" in self.metrics and (self.path / PREDICTIONS).exists()

    def weights_file(self) -> Path:
        """The file of the weights, verified.

        Raises:
            RunFolderError: if it was changed.
        """
        self.checksums.verify(WEIGHTS)
        return self.path / WEIGHTS

    def predictions(self) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """The test set's logits (N, 10) and labels (N,).

        Raises:
            RunFolderError: if the file is missing, changed or damaged.
        """
        path = self.path / PREDICTIONS
        self.checksums.verify(PREDICTIONS)
        with (
            reading(path, "predictions", EVALUATE_AGAIN),
            path.open("rb") as file,
            np.load(file, allow_pickle=False) as arrays,
        ):
            return arrays["logits"].astype(np.float32), arrays["labels"].astype(np.uint8)

    def pictures(self) -> Pictures | None:
        """Some test images with wrong predictions, or None.

        Raises:
            RunFolderError: if the file is changed or damaged.
        """
        return self._optional(PICTURES, pictures.read, "pictures")

    def inside(self) -> Inside | None:
        """The network's filters and maps, or None.

        Raises:
            RunFolderError: if the file is changed or damaged.
        """
        return self._optional(INSIDE, inside.read, "filters and maps")

    def _optional(self, name: str, read: Callable[[Path], T], content: str) -> T | None:
        self.checksums.verify(name)
        path = self.path / name
        if not path.exists():
            return None
        with reading(path, content, EVALUATE_AGAIN):
            return read(path)

    def curves(self) -> list[CurvePoint]:
        """The measured points; empty if the evaluation measures no curves.

        Raises:
            RunFolderError: if the file is missing though the configuration names curves, is changed
                or damaged, or disagrees with the configuration or the metrics.
        """
        path = self.path / CURVES
        self.checksums.verify(CURVES)
        named = set((self.config.get("evaluation") or {}).get("curves") or [])
        if not named and not path.exists():
            return []
        with reading(path, "curves", EVALUATE_AGAIN):
            points = points_of_table(path.read_text(encoding="utf-8"), str(path))
        measured = {point.curve.name for point in points}
        # A network that begins with its head has no map, and so no equivariance.
        if not measured <= named or named - measured - {Curve.equivariance.name}:
            raise RunFolderError(
                f"{path}: holds {', '.join(sorted(measured)) or 'no curve'}, but {CONFIG} names"
                f" {', '.join(sorted(named)) or 'none'}. {EVALUATE_AGAIN}"
            )
        for key, value in summary_metrics(points).items():
            recorded = self.metrics.get(key)
            if recorded is None or not math.isclose(recorded, value, rel_tol=1e-9, abs_tol=1e-12):
                raise RunFolderError(
                    f"{path}: gives {key} = {value:.6g}, but {METRICS} holds {recorded}: they are"
                    f" not of one evaluation. {EVALUATE_AGAIN}"
                )
        return points


def read_run(path: Path) -> Run:
    """Read one run folder: the files of the training, verified; the others when they are used.

    Raises:
        RunFolderError: if the folder is missing, incomplete, changed or damaged, holds a number
            that is not finite, or is not the run that its name says.
    """
    return _read(path, path)


def read_partial(path: Path) -> Run:
    """Read the complete run in the partial folder of `path`, which has no checksums yet.

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
        raise RunFolderError(f"{path}: not a complete run folder: {', '.join(missing)} missing.")
    if path == final:
        checksums = read_checksums(path)
        for name in TRAINED_FILES:
            checksums.verify(name)
    else:
        checksums = Checksums(path, {})
    with reading(path / CONFIG, "a configuration"):
        config = read_yaml(path / CONFIG)
        if (final.parent.name, final.name) != (config["arm"], f"seed-{config['seed']}"):
            raise RunFolderError(
                f"{path}: holds the run of arm {config['arm']!r} with seed {config['seed']!r},"
                " which is not what the name of its folder says."
            )
    return Run(
        path=path,
        config=config,
        history=_read_history(path / HISTORY),
        metrics=_read_metrics(path / METRICS),
        environment=read_json(path / ENVIRONMENT),
        checksums=checksums,
    )


def _read_history(path: Path) -> list[dict[str, float]]:
    with reading(path, "a table of numbers"), path.open(newline="", encoding="utf-8") as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


def _read_metrics(path: Path) -> dict[str, float]:
    metrics = read_json(path)
    for key, value in metrics.items():
        if type(value) not in {int, float} or not math.isfinite(value):
            raise RunFolderError(f"{path}: {key} = {value!r} is not a finite number.")
    return metrics


def run_folders(path: Path) -> list[Path]:
    """The run folders at or below a path, sorted; damaged ones too, which `read_run` refuses."""
    if _has_files_of_a_run(path):
        return [path]
    found = (each for each in path.rglob("seed-*") if each.name.removeprefix("seed-").isdigit())
    return sorted(folder for folder in found if _has_files_of_a_run(folder))


def _has_files_of_a_run(folder: Path) -> bool:
    return any((folder / name).is_file() for name in (CONFIG, ENVIRONMENT, WEIGHTS, SUMS))


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
