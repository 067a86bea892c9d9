"""One run as MLflow shows it, ready to be written by `convchoice.tracking.store`."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

KIND = "convchoice.kind"
ID = "convchoice.id"
CONTENT = "convchoice.content"
"""Digest of all that was logged; set last, so a run that lacks it is incomplete."""
ARM = "convchoice.arm"
"""Id of the arm that a run belongs to."""
REASON = "convchoice.reason"
PARENT = "mlflow.parentRunId"
NOTE = "mlflow.note.content"


class Point(NamedTuple):
    """A metric's value at a step, and when it was measured (milliseconds since 1970)."""

    key: str
    value: float
    step: int
    time: int


@dataclass(frozen=True)
class Entry:
    """One run of MLflow.

    Attributes:
        kind: ``run``, ``arm`` or ``study``.
        id: the same whenever the same thing is meant, on any machine.
        name: as the UI shows it.
        start: milliseconds since 1970.
        end: milliseconds since 1970.
        status: ``FINISHED`` or ``FAILED``.
        parameters: short and flat; people group and filter by them.
        points: of all metrics.
        tags: beside the kind and the id.
        files: artifacts; figures go into a folder of their own.
        texts: artifacts by name.
        dataset: name, digest and source of the data set.
    """

    kind: str
    id: str
    name: str
    start: int
    end: int
    status: str = "FINISHED"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    points: Sequence[Point] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    files: Sequence[Path] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    dataset: tuple[str, str, str] | None = None

    def content(self) -> str:
        """A digest of all that is logged, except for the times."""
        points = [point[:3] for point in self.points]
        described = [self.status, dict(self.parameters), points, dict(self.tags), dict(self.texts)]
        return digest(json.dumps(described, default=str), *(p.read_bytes() for p in self.files))


def digest(*parts: str | bytes) -> str:
    """A hash of texts or bytes in this order, short enough for a tag."""
    total = hashlib.sha256()
    for part in parts:
        encoded = part.encode() if isinstance(part, str) else part
        total.update(f"{len(encoded)}:".encode() + encoded)
    return total.hexdigest()[:32]
