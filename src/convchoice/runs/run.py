"""A run folder, read with suspicion: checked against its seal, and every number looked at.

Its layout is told in `run_folder`. Never imports torch.
"""

import csv
import math
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from convchoice.config.schema import Curve
from convchoice.config.yaml_files import read_yaml
from convchoice.errors import RunFolderError, UserError
from convchoice.runs import introspection as inside
from convchoice.runs import pictures
from convchoice.runs.checksums import Seal, seal_of
from convchoice.runs.curve_points import MEND, CurvePoint, points_of_table, summary_metrics
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
    seal: Seal

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
        """The file of the weights, byte for byte as the training left it.

        Raises:
            RunFolderError: if it was altered.
        """
        self.seal.check(WEIGHTS)
        return self.path / WEIGHTS

    def predictions(self) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """The test set's logits (N, 10) and labels (N,).

        Raises:
            RunFolderError: if the file is missing, altered, damaged, or holds anything but plain
                numbers.
        """
        path = self.path / PREDICTIONS
        self.seal.check(PREDICTIONS)
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                logits, labels = arrays["logits"], arrays["labels"]
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise RunFolderError(f"{path}: cannot be read as predictions: {error}") from error
        return logits.astype(np.float32), labels.astype(np.uint8)

    def pictures(self) -> Pictures | None:
        """The pictures that it kept; None where it has no such file.

        Raises:
            RunFolderError: if the file is altered, damaged, or holds anything but plain numbers.
        """
        return self._kept(PICTURES, pictures.read, "pictures")

    def inside(self) -> Inside | None:
        """What its network looks like inside; None where it has no such file.

        Raises:
            RunFolderError: if the file is altered, damaged, or holds anything but plain numbers.
        """
        return self._kept(INSIDE, inside.read, "a network's inside")

    def _kept(self, name: str, read: Callable[[Path], T], what: str) -> T | None:
        """What one of its files holds that a run may be without; None where there is no file."""
        path = self.path / name
        self.seal.check(name)
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
                altered, damaged, or does not belong to this configuration or these metrics.
        """
        path = self.path / CURVES
        self.seal.check(CURVES)
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

    Of its files those are read, and checked against its seal, that are small and always there; the
    others when they are asked for. The weights are looked at again only where they were touched.

    Raises:
        RunFolderError: if the folder is missing, unfinished, altered, damaged, holds a number that
            is not finite, or is not the run that its own name says.
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
    seal = seal_of(path)
    for name in (CONFIG, HISTORY, METRICS, ENVIRONMENT):
        seal.check(name)
    seal.check_if_touched(WEIGHTS)
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
        seal=seal,
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
