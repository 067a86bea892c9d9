"""What runs are called in MLflow: kinds, tags, parameters, and what tells one from all others.

A run folder's identity follows from what it holds, never from where it lies, so that a folder which
comes from a cache or another machine is known again.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any

from convchoice.config.pairs import pair_of, shown
from convchoice.config.schema import Config, Padding
from convchoice.config.validation import config_from_mapping
from convchoice.runs.fingerprint import arm_fingerprint, code_digest, fingerprint
from convchoice.runs.run import Run

KIND_TAG = "convchoice.kind"
IDENTITY_TAG = "convchoice.identity"
TOLD_TAG = "convchoice.told"
"""Digest of the run folder's small files that the run was told last."""
OWNER_TAG = "convchoice.owner"
REASON_TAG = "reason"
PARENT_TAG = "mlflow.parentRunId"
NOTE_TAG = "mlflow.note.content"
DIGEST_CHARACTERS = 32


class Kind(Enum):
    """What an MLflow run stands for."""

    run = "run"
    arm = "arm"
    sweep = "sweep"
    study = "study"


@dataclass(frozen=True)
class Group:
    """A parent run: an arm over its seeds, or a sweep over its jobs.

    Attributes:
        kind: `Kind.arm` or `Kind.sweep`.
        name: of the run.
        identity: a text that is the same whenever the same group is meant, on any machine.
        parameters: what its children share and people compare groups by.
        tags: more of them.
        note: Markdown that the run's page shows.
    """

    kind: Kind
    name: str
    identity: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    note: str = ""


def digest(*parts: str | bytes) -> str:
    """A hash of texts or bytes in this order, short enough for a tag."""
    total = hashlib.sha256()
    for part in parts:
        encoded = part.encode() if isinstance(part, str) else part
        total.update(f"{len(encoded)}:".encode() + encoded)
    return total.hexdigest()[:DIGEST_CHARACTERS]


def run_identity(run: Run) -> str:
    """What tells a training from every other: what was trained, and when it began.

    The same training that was measured later is the same run; the same settings trained twice, on
    two machines, are two.
    """
    made = run.environment
    return digest(run.arm, str(run.seed), str(made.get("fingerprint")), str(made.get("started")))


def arm_group(config: Config, arm_fingerprint: str, studies: Iterable[str]) -> Group:
    """The parent of an arm's runs.

    Args:
        config: of any of its runs.
        arm_fingerprint: of its settings, data and code, whatever the seed.
        studies: that the arm belongs to.
    """
    parameters = parameters_of(config)
    for key in ("arm", "seed"):  # so that "group by arm" means seeds, and counts each once
        del parameters[key]
    return Group(
        kind=Kind.arm,
        name=str(config.arm),
        identity=digest(str(config.arm), arm_fingerprint),
        parameters=parameters,
        tags={"study": ",".join(studies)},
        note=f"Mean over the seeds of arm **{config.arm}**, which are the runs below it.",
    )


def arm_fingerprint_of(run: Run) -> str:
    """The fingerprint of a run's arm.

    Of a folder that was made before it was recorded: the present code's, if that made it; else one
    that goes by the commit.
    """
    made = run.environment
    if recorded := made.get("arm_fingerprint"):
        return str(recorded)
    config, data = config_from_mapping(run.config), str(made["dataset"]["digest"])
    code = _code()
    if fingerprint(config, data, code) == made.get("fingerprint"):
        return arm_fingerprint(config, data, code)
    return arm_fingerprint(config, data, str(made.get("commit")))


@cache
def _code() -> str:
    return code_digest()


def parameters_of(config: Config) -> dict[str, Any]:
    """The short, flat parameters that people group and filter runs by."""
    padding = config.conv.padding
    return {
        "arm": config.arm,
        "seed": config.seed,
        "downsample": config.downsample.operator.name,
        "window": config.downsample.window,
        "first_layer": config.model.first_layer.name,
        "kernel_size": shown(pair_of(config.conv.kernel_size)),
        "padding": padding.name if isinstance(padding, Padding) else shown(pair_of(padding)),
        "padding_mode": config.conv.padding_mode.name,
        "stride": shown(pair_of(config.conv.stride)),
        "filters": "-".join(str(filters) for filters in config.model.filters),
        "head": config.model.head.name,
        "activation": config.model.activation.name,
        "optimizer": config.optimizer.name.name,
        "learning_rate": config.optimizer.learning_rate,
        "data": config.data.name.name,
        "canvas": config.data.canvas or "none",
        "rotated": config.data.rotated,
        "permutation_seed": (
            "none" if config.data.permutation_seed is None else config.data.permutation_seed
        ),
        "batch_size": config.data.batch_size,
        "max_epochs": config.trainer.max_epochs,
        "train_size": config.data.train_size or "all",
        "precision": config.trainer.precision,
    }


def run_name(config: Config) -> str:
    """`arm/seed-n`: legends of charts show nothing else."""
    return f"{config.arm}/seed-{config.seed}"


def run_tags(config: Config, studies: Iterable[str]) -> dict[str, str]:
    """The tags that every run has from its beginning."""
    return {
        KIND_TAG: Kind.run.value,
        "arm": str(config.arm),
        "seed": str(config.seed),
        "stage": "train",
        "study": ",".join(studies),
        "mlflow.source.name": "convchoice.train",
    }


def commit_tags(commit: str, dirty: bool | None) -> dict[str, str]:
    """The commit that made a run; under a launcher MLflow would name the worker's script."""
    return {"mlflow.source.git.commit": commit, "git.dirty": str(dirty).lower()}


def milliseconds(moment: str) -> int:
    """Milliseconds since 1970 of an ISO time."""
    return int(datetime.fromisoformat(moment).timestamp() * 1000)
