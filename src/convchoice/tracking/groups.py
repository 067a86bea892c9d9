"""Parent runs: an arm over its seeds, with their means; a sweep over its jobs.

The means are of the children as MLflow shows them, so they agree with what "group by arm" says,
also where the seeds came from several machines. They are an echo: a study's result is made from run
folders.
"""

import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from convchoice.tracking.labels import (
    IDENTITY_TAG,
    NOTE_TAG,
    PARENT_TAG,
    TOLD_TAG,
    Group,
    Kind,
    digest,
)
from convchoice.tracking.store import MlflowStore, Point

AVERAGED = ("train/", "val/", "test/", "cost/")
CURVES = ("train/", "val/")
SPREAD = ("test/accuracy", "val/accuracy")
SPREAD_SUFFIX = "_sd"
SEEDS = "seeds"


def open_group(store: MlflowStore, group: Group) -> str:
    """Find the group's run or make it; RUNNING, on behalf of this process."""
    found = store.identified(group.identity)
    if found is not None:
        store.own(found.info.run_id)
        return str(found.info.run_id)
    tags = {**group.tags, "mlflow.source.name": "convchoice.train"}
    if group.note:
        tags[NOTE_TAG] = group.note
    run_id, made = store.create_once(group.identity, group.name, group.kind, tags, group.parameters)
    if not made:
        store.own(run_id)
    return run_id


def children(store: MlflowStore, run_id: str) -> list[Any]:
    """The finished runs of a group; of one that was trained twice the later."""
    found = store.search(f"tags.`{PARENT_TAG}` = '{run_id}' AND attributes.status = 'FINISHED'")
    return list({run.info.run_name: run for run in found}.values())


def _told(runs: Sequence[Any]) -> str:
    return digest(*(f"{run.info.run_id} {run.data.tags.get(TOLD_TAG)}" for run in runs))


def means_are_told(store: MlflowStore, run_id: str) -> bool:
    """Whether an arm's run is FINISHED and has the means of the children that there are."""
    found = store.run(run_id)
    return bool(
        found is not None
        and found.info.status == "FINISHED"
        and found.data.tags.get(TOLD_TAG) == _told(children(store, run_id))
    )


def mean_points(store: MlflowStore, runs: Sequence[Any], at: int) -> list[Point]:
    """Means over runs, of curves epoch by epoch; and the spread of what arms are compared by.

    A number that one of the runs lacks has no mean.
    """
    shared = set.intersection(*(set(run.data.metrics) for run in runs))
    points: list[Point] = []
    last = 0
    for key in sorted(key for key in shared if key.startswith(CURVES)):
        by_step: dict[int, list[float]] = {}
        for run in runs:
            # A step that was told twice, with two values, counts once.
            for step, value in dict(sorted(store.known_points(run.info.run_id, key))).items():
                by_step.setdefault(step, []).append(value)
        for step, values in sorted(by_step.items()):
            if len(values) == len(runs):
                points.append(Point(key, statistics.fmean(values), step, at))
                last = max(last, step)
    finals: list[Point] = []
    for key in sorted(key for key in shared if key.startswith(AVERAGED)):
        values = [run.data.metrics[key] for run in runs]
        if not key.startswith(CURVES):
            finals.append(Point(key, statistics.fmean(values), last, at))
        if key in SPREAD and len(runs) > 1:
            finals.append(Point(key + SPREAD_SUFFIX, statistics.stdev(values), last, at))
    # MLflow's comparison opens on the metric that was logged first.
    finals.sort(key=lambda point: point.key != SPREAD[0])
    return [*finals, *points, Point(SEEDS, len(runs), last, at)]


def _fresh(store: MlflowStore, run_id: str) -> str:
    """A new run in the place of an arm's run that has other means already.

    What is logged cannot be taken back, and a curve must not show two means at one epoch.
    """
    old = store.run(run_id)
    if old is None or TOLD_TAG not in old.data.tags:
        return run_id
    kept = (NOTE_TAG, IDENTITY_TAG, "study", "dataset", "mlflow.source.name")
    tags = {key: value for key, value in old.data.tags.items() if key in kept}
    new = store.create(str(old.info.run_name), Kind.arm, tags, old.data.params, old.info.start_time)
    for run in store.search(f"tags.`{PARENT_TAG}` = '{run_id}'"):
        store.client.set_tag(run.info.run_id, PARENT_TAG, new)
    store.client.delete_run(run_id)
    return new


def end_arm(store: MlflowStore, run_id: str, files: Iterable[Path], at: int) -> str:
    """Log an arm's means, unless they are there already, and finish its run.

    Returns:
        The run's id: a new one where other means were logged before.
    """
    runs = children(store, run_id)
    told = _told(runs)
    found = store.run(run_id)
    if found is None or found.data.tags.get(TOLD_TAG) != told:
        run_id = _fresh(store, run_id)
        store.own(run_id)
        with store.closed_on_failure(run_id):
            store.log_files(run_id, list(files))
            points = mean_points(store, runs, at) if runs else []
            dataset = runs[0].data.tags.get("dataset", "") if runs else ""
            if runs:
                store.client.log_inputs(run_id, runs[0].inputs.dataset_inputs)
            store.log(run_id, points, {TOLD_TAG: told, "dataset": dataset})
    store.end(run_id, "FINISHED")
    return run_id
