"""What MLflow shows of a run, an arm or a study, ready to be written by `tracking.mlflow_store`.

The id of a run follows from what its folder holds, never from where it is, so that a folder from a
cache or another machine is recognised.
"""

import hashlib
import json
import statistics
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from convchoice.config.datasets import MOST_CONFUSED, data_name
from convchoice.config.field_types import pair_of, shown
from convchoice.config.schema import Config, Padding
from convchoice.config.study import studies_of_arm
from convchoice.config.validation import config_from_mapping
from convchoice.errors import UserError
from convchoice.runs import run_folder as files
from convchoice.runs.evaluation_files import Labels
from convchoice.runs.run import Run, read_run

ID = "convchoice.id"
ARM = "convchoice.arm"
"""Id of the arm that a run belongs to."""
REASON = "convchoice.reason"
NOTE = "mlflow.note.content"
SOURCE = "mlflow.source.name"
FILES = (files.CONFIG, files.HISTORY, files.METRICS, files.ENVIRONMENT, files.CURVES)
CURVE_METRICS = ("train/", "val/")
FINAL_METRICS = ("test/", "cost/")
SPREADS = ("test/accuracy", "test/nll", "val/accuracy")


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


def milliseconds(moment: str) -> int:
    """Milliseconds since 1970 of an ISO time."""
    return int(datetime.fromisoformat(moment).timestamp() * 1000)


def parameters_of(config: Config) -> dict[str, Any]:
    """The short, flat parameters that people group and filter runs by."""
    padding = config.conv.padding
    permuted = config.data.permutation_seed
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
        "optimizer": config.optimizer.own.get("_target_", config.optimizer.name.name),
        "network": config.network.get("_target_", "blocks"),
        "learning_rate": config.optimizer.learning_rate,
        "data": data_name(config.data),
        "canvas": config.data.canvas or "none",
        "rotated": config.data.rotated,
        "permutation_seed": "none" if permuted is None else permuted,
        "batch_size": config.data.batch_size,
        "max_epochs": config.trainer.max_epochs,
        "train_size": config.data.train_size or "all",
        "precision": config.trainer.precision,
    }


@cache
def _studies(arm: str) -> str:
    with suppress(UserError):  # only a label: a damaged study file must not prevent logging
        return ",".join(sorted(studies_of_arm(arm)))
    return ""


def arm_id(arm: str, made: Mapping[str, Any]) -> str:
    """The id of an arm: its settings, data and code without the seed."""
    # Folders from before it was recorded are grouped by commit.
    return digest("arm", arm, str(made.get("arm_fingerprint") or made.get("commit")))


def run_id_of(run: Run) -> str:
    """The id of a training: what was trained and when it began.

    The same settings trained twice, on two machines, are two runs.
    """
    made = run.environment
    return digest(run.arm, str(run.seed), str(made.get("fingerprint")), str(made.get("started")))


def entry_of(run_folder: Path) -> tuple[Entry | None, Run | None]:
    """What MLflow shows of a run folder, and the run that it holds.

    Returns:
        The entry, None for a run that is not evaluated yet; the run, None for a failed one.

    Raises:
        RunFolderError: if the folder cannot be read.
    """
    failure = files.read_failure(run_folder)
    if failure is not None:
        return failure_entry(run_folder, failure), None
    run = read_run(run_folder)
    return run_entry(run) if run.evaluated else None, run


def run_entry(run: Run) -> Entry:
    """A complete run.

    It began, for MLflow, as long before its end as it has trained, without set-up, waiting and
    interruptions. Curves are over epochs, at the times at which the epochs ended; what is measured
    once is at step 0, which MLflow draws as a bar.
    """
    made, dataset = run.environment, run.environment["dataset"]
    end, together = milliseconds(made["finished"]), made.get("seeds_together", 1)
    trained = sum(row["seconds"] for row in run.history) * together
    start = end - round(1000 * trained)
    # MLflow's comparison opens on the metric that was logged first.
    final = sorted(run.metrics, key=lambda key: key != "test/accuracy")
    points = [
        Point(key, run.metrics[key], 0, end) for key in final if key.startswith(FINAL_METRICS)
    ]
    seconds = 0.0
    for row in run.history:
        seconds += row["seconds"] * together
        at, epoch = start + round(1000 * seconds), int(row["epoch"])
        points += [Point(key, value, epoch, at) for key, value in row.items() if "/" in key]
    few = len(dataset.get("class_names") or ()) <= MOST_CONFUSED
    classes = run.classes() if few else None
    source = {"title": dataset["title"], "note": dataset["fallback_note"]}
    return Entry(
        kind="run",
        id=run_id_of(run),
        name=f"{run.arm}/seed-{run.seed}",
        start=start,
        end=end,
        parameters=parameters_of(config_from_mapping(run.config)),
        points=points,
        tags={
            ARM: arm_id(run.arm, made),
            "study": _studies(run.arm),
            SOURCE: "convchoice train",
            "mlflow.source.git.commit": str(made["commit"]),
            "convchoice.dirty": str(made["dirty"]).lower(),
        },
        files=[run.path / name for name in FILES if (run.path / name).is_file()],
        texts={"confusion_matrix.csv": confusion_table(run, classes)} if classes else {},
        dataset=(dataset["name"], dataset["digest"][:32], json.dumps(source)),
    )


def confusion_table(run: Run, classes: tuple[Labels, Labels]) -> str:
    """Counts of the test images by true class (rows) and predicted class (columns), as CSV."""
    import pandas as pd  # noqa: PLC0415 - slow, and only for a run that is logged

    codes, labels = classes
    most = max(codes.max(), labels.max())
    names = list(run.environment["dataset"].get("class_names") or range(most + 1))
    true = pd.Categorical.from_codes(labels, names)
    predicted = pd.Categorical.from_codes(codes, names)
    headings = {"rownames": ["true class"], "colnames": ["predicted class"]}
    return str(pd.crosstab(true, predicted, **headings, dropna=False).to_csv(lineterminator="\n"))


def failure_entry(folder: Path, failure: Mapping[str, Any]) -> Entry:
    """A run whose training failed."""
    arm, seed = folder.parent.name, int(folder.name.removeprefix("seed-"))
    recorded, reason = failure.get("config"), str(failure["reason"])
    end = int(files.failed_path(folder).stat().st_mtime * 1000)
    known = parameters_of(config_from_mapping(recorded)) if recorded else {}
    return Entry(
        kind="run",
        id=digest("failed", arm, str(seed), str(failure["fingerprint"])),
        name=f"{arm}/seed-{seed}",
        start=milliseconds(failure["started"]) if "started" in failure else end,
        end=end,
        status="FAILED",
        parameters=known or {"arm": arm, "seed": seed},
        tags={
            ARM: arm_id(arm, failure.get("environment", {})),
            REASON: reason,
            NOTE: f"Training failed: {reason}",
            "study": _studies(arm),
            SOURCE: "convchoice train",
        },
    )


def arm_entry(identity: str, runs: Sequence[Any]) -> Entry:
    """An arm, with the means over its seeds; a metric that one of them lacks has no mean.

    Of a seed that was trained twice the later run counts.
    """
    by_seed = {run.data.params.get("seed"): run for run in runs if run.info.status == "FINISHED"}
    finished = list(by_seed.values())
    first = (finished or list(runs))[0]
    failed = sum(run.info.status == "FAILED" for run in runs)
    end = max(run.info.end_time for run in runs)
    at = end + len(runs)  # so that of several writers the one that saw most runs wins
    found: dict[str, float] = {}
    shared = set.intersection(*(set(run.data.metrics) for run in finished)) if finished else set()
    for key in sorted(shared, key=lambda key: (key != "test/accuracy", key)):
        values = [run.data.metrics[key] for run in finished]
        if key.startswith((*CURVE_METRICS, *FINAL_METRICS)):
            found[key] = statistics.fmean(values)
        if key in SPREADS and len(values) > 1:
            found[f"{key}_sd"] = statistics.stdev(values)
    # Last, since MLflow's comparison opens on the metric that was logged first.
    found |= {"seeds": len(finished)} | ({"seeds_failed": failed} if failed else {})
    inputs = [item.dataset for item in first.inputs.dataset_inputs]
    name = str(first.data.params["arm"])
    return Entry(
        kind="arm",
        id=identity,
        name=name,
        start=min(run.info.start_time for run in runs),
        end=end,
        status="FINISHED" if finished else "FAILED",
        # Without `arm` and `seed`, "group by arm" counts each seed once.
        parameters={k: v for k, v in first.data.params.items() if k not in ("arm", "seed")},
        points=[Point(key, value, 0, at) for key, value in found.items()],
        tags={
            "study": first.data.tags.get("study", ""),
            NOTE: f"Mean over the seeds of arm **{name}**, which are the runs below it.",
            SOURCE: "convchoice",
        },
        dataset=(inputs[0].name, inputs[0].digest, inputs[0].source) if inputs else None,
    )
