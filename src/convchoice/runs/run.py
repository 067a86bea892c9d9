"""A run to make, and reading the folder of one: every file is verified before it is used.

A missing, changed or damaged file raises `RunFolderError` and is named. Never imports torch.
"""

import csv
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from convchoice.config.schema import Config
from convchoice.config.yaml_files import read_yaml
from convchoice.errors import RunFolderError, UserError
from convchoice.runs import evaluation_files as measured
from convchoice.runs.events import RunKey
from convchoice.runs.run_folder import (
    CONFIG,
    CURVES,
    ENVIRONMENT,
    FIX,
    HISTORY,
    INSIDE,
    METRICS,
    PICTURES,
    PREDICTIONS,
    SUMS,
    TRAINED_FILES,
    WEIGHTS,
    partial_path,
    read_checksums,
    read_json,
    verify,
)

T = TypeVar("T")


@dataclass(frozen=True)
class RunSpecification:
    """What a worker process needs to train or to evaluate a run. Picklable.

    Attributes:
        data_root: folder of the verified data set.
        folder: final run folder; files are written to its partial folder first.
        fingerprint: of configuration, data and code of the training.
        environment: `environment()` of the current start; of an evaluation, that of the training.
        data_digest: of the data set that the fingerprint names; only for training.
        trained: folder that the training wrote, if it is another one; only for evaluation.
        evaluation_code: `code_digest` of the evaluation.
    """

    config: Config
    data_root: Path
    folder: Path
    fingerprint: str = ""
    environment: Mapping[str, Any] = field(default_factory=dict)
    data_digest: str = ""
    trained: Path | None = None
    evaluation_code: str = ""

    @property
    def arm(self) -> str:
        """Name of the arm."""
        return str(self.config.arm)

    @property
    def seed(self) -> int:
        """Seed of the run."""
        return self.config.seed

    @property
    def key(self) -> RunKey:
        """Arm and seed."""
        return (self.arm, self.seed)


@contextmanager
def reading(
    path: Path, content: str, fix: str = FIX, *, keep: type[UserError] = RunFolderError
) -> Iterator[None]:
    """Turn whatever is raised for a damaged file into a `RunFolderError`, except errors to keep."""
    try:
        yield
    except keep:
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
        checksums: SHA-256 by file name.
    """

    path: Path
    config: dict[str, Any]
    history: list[dict[str, float]]
    metrics: dict[str, float]
    environment: dict[str, Any]
    checksums: Mapping[str, str]

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

    def verified(self, name: str) -> Path:
        """A file of the run, which need not exist, after it was verified."""
        verify(self.path / name, self.checksums.get(name))
        return self.path / name

    def predictions(self) -> tuple[measured.Numbers, measured.Labels]:
        """The test set's logits (N, classes) and labels (N,); a compact copy has no logits."""
        return self._predicted(measured.read_predictions)

    def classes(self) -> tuple[measured.Labels, measured.Labels]:
        """The predicted and the true class of each test image, (N,) each."""
        return self._predicted(measured.read_classes)

    def _predicted(self, read: Callable[[Path], T]) -> T:
        found = self._read(PREDICTIONS, "predictions", read)
        if found is None:
            missing = f"{self.path / PREDICTIONS}: is missing."
            raise RunFolderError(f"{missing} {measured.EVALUATE_AGAIN}")
        return found

    def is_compact(self) -> bool:
        """Whether this is a compact copy, which cannot be evaluated again."""
        return not self._predicted(measured.has_logits)

    def pictures(self) -> dict[int, measured.Bytes]:
        """Some test images with wrong predictions, by index; empty if none are stored."""
        return self._read(PICTURES, "pictures", measured.read_pictures) or {}

    def inside(self) -> measured.Introspection | None:
        """The network's filters and maps, or None."""
        return self._read(INSIDE, "filters and maps", measured.read_introspection)

    def curves(self) -> list[measured.CurvePoint]:
        """The points of the curves; empty if the evaluation measures none."""
        return self._read(CURVES, "curves", measured.read_curves) or []

    def _read(self, name: str, content: str, read: Callable[[Path], T]) -> T | None:
        path = self.verified(name)
        if not path.exists():
            return None
        with reading(path, content, measured.EVALUATE_AGAIN):
            return read(path)


def read_run(path: Path, *, partial: bool = False) -> Run:
    """Read a run folder: the files of the training now, the others when they are used.

    Args:
        path: the final run folder.
        partial: read the complete run in its partial folder, which has no checksums yet.

    Raises:
        RunFolderError: if the folder is missing, incomplete, changed or damaged, or is not the run
            that its name says.
    """
    folder = partial_path(path) if partial else path
    if not folder.is_dir():
        raise RunFolderError(f"{folder}: there is no such run folder.")
    missing = [name for name in TRAINED_FILES if not (folder / name).is_file()]
    if missing:
        raise RunFolderError(f"{folder}: not a complete run folder: {', '.join(missing)} missing.")
    checksums = {} if partial else read_checksums(folder)
    for name in () if partial else TRAINED_FILES:
        verify(folder / name, checksums.get(name))
    with reading(folder / CONFIG, "a configuration"):
        config = read_yaml(folder / CONFIG)
        if (path.parent.name, path.name) != (config["arm"], f"seed-{config['seed']}"):
            raise RunFolderError(
                f"{folder}: holds the run of arm {config['arm']!r} with seed {config['seed']!r},"
                " which is not what the name of its folder says."
            )
    table = folder / HISTORY
    with reading(table, "a table of numbers"), table.open(newline="", encoding="utf-8") as file:
        rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
        if not rows or any(not math.isfinite(value) for row in rows for value in row.values()):
            raise ValueError(rows)
    metrics = read_json(folder / METRICS)
    for key, value in metrics.items():
        if type(value) not in {int, float} or not math.isfinite(value):
            raise RunFolderError(f"{folder / METRICS}: {key} = {value!r} is not a finite number.")
    return Run(folder, config, rows, metrics, read_json(folder / ENVIRONMENT), checksums)


def run_folders(path: Path) -> list[Path]:
    """The run folders at or below a path, sorted; damaged ones too, which `read_run` refuses."""
    if _has_files_of_a_run(path):
        return [path]
    found = (each for each in path.rglob("seed-*") if each.name.removeprefix("seed-").isdigit())
    return sorted(folder for folder in found if _has_files_of_a_run(folder))


def _has_files_of_a_run(folder: Path) -> bool:
    return any((folder / name).is_file() for name in (CONFIG, ENVIRONMENT, WEIGHTS, SUMS))
