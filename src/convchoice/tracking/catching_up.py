"""A run brought up to its folder: what the folder holds and the store lacks, and nothing twice.

The end of a live run and `convchoice.publish` both come through here, so a run that was told epoch
by epoch, one whose server was away, and one that is told of long afterwards end up alike.
"""

import csv
import io
import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from convchoice.config.validation import config_from_mapping
from convchoice.runs.run import Run
from convchoice.runs.run_folder import CONFIG, CURVES, ENVIRONMENT, HISTORY, METRICS
from convchoice.tracking.labels import (
    DIGEST_CHARACTERS,
    IDENTITY_TAG,
    PARENT_TAG,
    TOLD_TAG,
    Kind,
    commit_tags,
    digest,
    milliseconds,
    parameters_of,
    run_identity,
    run_name,
    run_tags,
)
from convchoice.tracking.store import MlflowStore, Point

FILES = (CONFIG, HISTORY, METRICS, ENVIRONMENT, CURVES)
CONFUSION = "confusion_matrix.csv"
FINAL = ("test/", "cost/")


def told_digest(run: Run) -> str:
    """A digest of all that the store is told of a run folder."""
    there = [run.path / name for name in FILES if (run.path / name).is_file()]
    return digest(*(part for path in there for part in (path.name, path.read_bytes())))


def find(store: MlflowStore, run: Run) -> Any | None:
    """The store's run of this folder: the one that was noted in it, else the one of its identity.

    A noted run of another identity is not it: the folder's name was used again.
    """
    return store.identified(run_identity(run))


def up_to_date(run: Run, found: Any) -> bool:
    """Whether the store's run was told all of this folder, and ended as it should."""
    status = "FINISHED" if run.evaluated else "SCHEDULED"
    return bool(found.info.status == status and found.data.tags.get(TOLD_TAG) == told_digest(run))


def confusion_table(run: Run) -> str:
    """Counts of the test images by true class (rows) and answer (columns), as CSV."""
    logits, labels = run.predictions()
    classes = logits.shape[1]
    counts = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(counts, (labels, logits.argmax(1)), 1)
    names = run.environment["dataset"].get("class_names") or [str(one) for one in range(classes)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["true class \\ answer", *names])
    writer.writerows([name, *row] for name, row in zip(names, counts.tolist(), strict=True))
    return text.getvalue()


def history_points(run: Run) -> list[Point]:
    """The curves over epochs, at the times at which the epochs ended."""
    seconds, points = 0.0, []
    began = milliseconds(run.environment["started"])
    for row in run.history:
        seconds += row["seconds"]
        points += [
            Point(key, value, int(row["epoch"]), began + int(1000 * seconds))
            for key, value in row.items()
            if "/" in key
        ]
    return points


def final_points(run: Run) -> list[Point]:
    """What is measured once, at the step of the last epoch."""
    ended = milliseconds(run.environment["finished"])
    return [
        Point(key, value, len(run.history), ended)
        for key, value in run.metrics.items()
        if key.startswith(FINAL)
    ]


def missing_points(store: MlflowStore, run_id: str, points: Sequence[Point]) -> list[Point]:
    """Those of the points that a run does not have, whenever it was told."""
    found = store.run(run_id)
    has = {} if found is None else found.data.metrics
    known = {
        key: store.known_points(run_id, key) for key in {point.key for point in points} & set(has)
    }
    return [point for point in points if (point.step, point.value) not in known.get(point.key, ())]


def create(
    store: MlflowStore, run: Run, studies: Iterable[str], parent: str | None
) -> tuple[str, bool]:
    """Make the run of a folder that the store does not know; returns its id, and whether it is new.

    It begins when the training began.
    """
    config = config_from_mapping(run.config)
    made = run.environment
    tags = run_tags(config, studies) | commit_tags(str(made["commit"]), made["dirty"])
    if parent is not None:
        tags[PARENT_TAG] = parent
    return store.create_once(
        run_identity(run),
        run_name(config),
        Kind.run,
        tags,
        parameters_of(config),
        milliseconds(made["started"]),
    )


def bring_up_to_date(
    store: MlflowStore, run: Run, run_id: str, *, ended: int | None = None
) -> None:
    """Tell a run that is RUNNING what it lacks of its folder, and give it its status.

    Args:
        store: that knows the run.
        run: the folder.
        run_id: of the run.
        ended: milliseconds since 1970 at which it ended; None for now.
    """
    with store.closed_on_failure(run_id):
        dataset = run.environment["dataset"]
        tell_files(store, run, run_id)
        tell_dataset(store, run_id, dataset)
        points = [*history_points(run), *final_points(run)]
        tags = {
            IDENTITY_TAG: run_identity(run),
            "stage": "evaluate" if run.evaluated else "train",
            "dataset": str(dataset["title"]),
            TOLD_TAG: told_digest(run),
        }
        store.log(run_id, missing_points(store, run_id, points), tags)
        if run.evaluated:
            store.end(run_id, "FINISHED", at=ended)
        else:
            store.wait(run_id)


def tell_files(store: MlflowStore, run: Run, run_id: str) -> None:
    """The folder's small files, and the confusion matrix that follows from its predictions."""
    there = [run.path / name for name in FILES if (run.path / name).is_file()]
    with tempfile.TemporaryDirectory() as folder:
        if run.evaluated:
            table = Path(folder) / CONFUSION
            table.write_text(confusion_table(run), encoding="utf-8")
            there.append(table)
        store.log_files(run_id, there)


def tell_dataset(store: MlflowStore, run_id: str, dataset: Mapping[str, Any]) -> None:
    """The data set's name and digest, as the store's own notion of one."""
    source = json.dumps({"title": dataset["title"], "note": dataset["fallback_note"]})
    store.log_dataset(run_id, dataset["name"], dataset["digest"][:DIGEST_CHARACTERS], source)
