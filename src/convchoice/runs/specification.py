"""The specification of a run: what a worker process needs to train or to evaluate it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from convchoice.config.schema import Config
from convchoice.runs.events import RunKey


@dataclass(frozen=True)
class RunSpecification:
    """One run to train or to evaluate. Picklable.

    Attributes:
        data_root: folder of the verified data set.
        folder: final run folder; files are written to its partial folder first.
        fingerprint: of configuration, data and code; only for training.
        environment: `environment.describe()` of the current start; only for training.
        trained: folder that the training wrote; only for evaluation.
    """

    config: Config
    data_root: Path
    folder: Path
    fingerprint: str = ""
    environment: Mapping[str, Any] = field(default_factory=dict)
    trained: Path | None = None

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
