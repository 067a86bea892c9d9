"""A complete or a failed run, as MLflow shows it.

The id of a run follows from what its folder holds, never from where it is, so that a folder from a
cache or another machine is recognised.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from convchoice.config.pairs import pair_of, shown
from convchoice.config.schema import Config, Padding
from convchoice.config.study import studies_of_arm
from convchoice.config.validation import config_from_mapping
from convchoice.errors import UserError
from convchoice.runs.run import Run
from convchoice.runs.run_folder import CONFIG, CURVES, ENVIRONMENT, HISTORY, METRICS, failed_path
from convchoice.tracking.entry import ARM, NOTE, REASON, Entry, Point, digest

FILES = (CONFIG, HISTORY, METRICS, ENVIRONMENT, CURVES)


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
        "optimizer": config.optimizer.name.name,
        "learning_rate": config.optimizer.learning_rate,
        "data": config.data.name.name,
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
    """The id of an arm: its settings, data and code without the seed.

    Args:
        arm: name.
        made: a run's environment.
    """
    # Folders from before it was recorded are grouped by commit.
    return digest("arm", arm, str(made.get("arm_fingerprint") or made.get("commit")))


def run_id_of(run: Run) -> str:
    """The id of a training: what was trained and when it began.

    The same settings trained twice, on two machines, are two runs.
    """
    made = run.environment
    return digest(run.arm, str(run.seed), str(made.get("fingerprint")), str(made.get("started")))


def run_entry(run: Run) -> Entry:
    """A complete run.

    Start and end are those of the training. One that was interrupted began, for MLflow, as long
    before its end as it has trained.
    """
    config, made = config_from_mapping(run.config), run.environment
    end = milliseconds(made["finished"])
    trained = sum(row["seconds"] for row in run.history) * made.get("seeds_together", 1)
    start = min(milliseconds(made["started"]), end - round(1000 * trained))
    dataset = made["dataset"]
    source = {"title": dataset["title"], "note": dataset["fallback_note"]}
    return Entry(
        kind="run",
        id=run_id_of(run),
        name=f"{run.arm}/seed-{run.seed}",
        start=start,
        end=end,
        parameters=parameters_of(config),
        points=[*_curves(run, start), *_final(run, end)],
        tags={
            ARM: arm_id(run.arm, made),
            "study": _studies(run.arm),
            "mlflow.source.name": "convchoice train",
            "mlflow.source.git.commit": str(made["commit"]),
            "convchoice.dirty": str(made["dirty"]).lower(),
        },
        files=[run.path / name for name in FILES if (run.path / name).is_file()],
        texts={"confusion_matrix.csv": confusion_table(run)},
        dataset=(dataset["name"], dataset["digest"][:32], json.dumps(source)),
    )


def _curves(run: Run, start: int) -> list[Point]:
    """The history over epochs, at the times at which the epochs ended."""
    seconds, points = 0.0, []
    for row in run.history:
        seconds += row["seconds"] * run.environment.get("seeds_together", 1)
        points += [
            Point(key, value, int(row["epoch"]), start + round(1000 * seconds))
            for key, value in row.items()
            if "/" in key
        ]
    return points


def _final(run: Run, end: int) -> list[Point]:
    """What is measured once, at step 0: MLflow draws it as a bar."""
    keys = [key for key in run.metrics if key.startswith(("test/", "cost/"))]
    # MLflow's comparison opens on the metric that was logged first.
    keys.sort(key=lambda key: key != "test/accuracy")
    return [Point(key, run.metrics[key], 0, end) for key in keys]


def confusion_table(run: Run) -> str:
    """Counts of the test images by true class (rows) and predicted class (columns), as CSV."""
    logits, labels = run.predictions()
    names = run.environment["dataset"].get("class_names") or range(logits.shape[1])
    true, predicted = (
        pd.Categorical.from_codes(codes, list(names)) for codes in (labels, logits.argmax(1))
    )
    table = pd.crosstab(
        true, predicted, rownames=["true class"], colnames=["predicted class"], dropna=False
    )
    return str(table.to_csv(lineterminator="\n"))


def failure_entry(folder: Path, failure: Mapping[str, Any]) -> Entry:
    """A run whose training failed.

    Args:
        folder: that the run would have.
        failure: its record, see `runs.run_folder.read_failure`.
    """
    arm, seed = folder.parent.name, int(folder.name.removeprefix("seed-"))
    recorded = failure.get("config")
    reason = str(failure["reason"])
    written = int(failed_path(folder).stat().st_mtime * 1000)
    end = milliseconds(failure["finished"]) if "finished" in failure else written
    return Entry(
        kind="run",
        id=digest("failed", arm, str(seed), str(failure["fingerprint"])),
        name=f"{arm}/seed-{seed}",
        start=milliseconds(failure["started"]) if "started" in failure else end,
        end=end,
        status="FAILED",
        parameters=(
            parameters_of(config_from_mapping(recorded)) if recorded else {"arm": arm, "seed": seed}
        ),
        tags={
            ARM: arm_id(arm, failure.get("environment", {})),
            REASON: reason,
            NOTE: f"Training failed: {reason}",
            "study": _studies(arm),
            "mlflow.source.name": "convchoice train",
        },
    )
