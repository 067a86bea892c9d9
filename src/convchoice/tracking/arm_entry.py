"""An arm, as MLflow shows it: the means over its runs, which MLflow has already."""

import statistics
from collections.abc import Sequence
from typing import Any

from convchoice.tracking.entry import NOTE, Entry, Point

MEANS = ("train/", "val/", "test/", "cost/")
SPREADS = ("test/accuracy", "test/nll", "val/accuracy")


def arm_entry(identity: str, runs: Sequence[Any]) -> Entry:
    """An arm, with the means over its seeds; a metric that one of them lacks has no mean.

    Args:
        identity: of the arm.
        runs: MLflow's runs of it. Of a seed that was trained twice the later counts.
    """
    by_seed = {run.data.params.get("seed"): run for run in runs if run.info.status == "FINISHED"}
    finished = list(by_seed.values())
    first = (finished or list(runs))[0]
    failed = sum(run.info.status == "FAILED" for run in runs)
    epochs = int(first.data.params.get("max_epochs", 0))
    # With every run this time grows, so that of several writers the one that saw most runs wins.
    at = max(run.info.end_time for run in runs) + len(runs)

    def point(key: str, value: float) -> Point:
        return Point(key, value, epochs if key.startswith(("train/", "val/")) else 0, at)

    points = [point("seeds", len(finished))] + ([point("seeds_failed", failed)] if failed else [])
    shared = set.intersection(*(set(run.data.metrics) for run in finished)) if finished else set()
    for key in sorted(shared, key=lambda key: (key != "test/accuracy", key)):
        values = [run.data.metrics[key] for run in finished]
        if key.startswith(MEANS):
            points.append(point(key, statistics.fmean(values)))
        if key in SPREADS and len(values) > 1:
            points.append(point(f"{key}_sd", statistics.stdev(values)))
    # Without `arm` and `seed`, "group by arm" counts each seed once.
    parameters = {k: v for k, v in first.data.params.items() if k not in ("arm", "seed")}
    inputs = [item.dataset for item in first.inputs.dataset_inputs]
    name = str(first.data.params["arm"])
    return Entry(
        kind="arm",
        id=identity,
        name=name,
        start=min(run.info.start_time for run in runs),
        end=max(run.info.end_time for run in runs),
        status="FINISHED" if finished else "FAILED",
        parameters=parameters,
        points=points,
        tags={
            "study": first.data.tags.get("study", ""),
            NOTE: f"Mean over the seeds of arm **{name}**, which are the runs below it.",
            "mlflow.source.name": "convchoice",
        },
        dataset=(inputs[0].name, inputs[0].digest, inputs[0].source) if inputs else None,
    )
