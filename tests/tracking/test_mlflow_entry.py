"""What MLflow shows: parameters, ids, times and curves."""

import csv
import shutil
from dataclasses import replace

import pytest

from convchoice.runs.archive import copy_compact
from convchoice.runs.ownership import write_failure
from convchoice.runs.run import read_run
from convchoice.runs.run_folder import run_path
from convchoice.tracking.mlflow_entry import ARM, NOTE, arm_id, failure_entry, run_entry
from made_up_runs import MNIST, make_run

STARTED = 1_767_225_600_000  # 2026-01-01T00:00:00, in milliseconds


@pytest.mark.parametrize(
    ("epochs", "made", "start", "first_epoch"),
    [
        # `started` is the start of the last process: 30 s before the end, after 5 epochs of 8 s.
        (5, {}, STARTED - 10_000, STARTED - 2_000),
        # A row has each seed's share of the seconds: 3 seeds of 8 s each, for 24 s of training.
        (1, {"seeds_together": 3}, STARTED + 6_000, STARTED + 30_000),
    ],
)
def test_a_run_lasted_as_long_as_it_trained(tmp_path, epochs, made, start, first_epoch):
    entry = run_entry(read_run(make_run(tmp_path, "max", 0, epochs=epochs, environment=made)))
    assert (entry.start, entry.end) == (start, STARTED + 30_000)
    assert entry.points[0].key == "test/accuracy"
    curve = [point.time for point in entry.points if point.key == "train/loss"]
    assert (curve[0], len(curve)) == (first_epoch, epochs)
    parameters = {
        "arm": "max", "seed": 0, "downsample": "max", "padding": "valid", "kernel_size": "3",
        "filters": "32-64-64", "train_size": "all", "canvas": "none", "rotated": False,
    }  # fmt: skip
    assert entry.parameters.items() >= parameters.items()


def test_an_id_follows_from_what_a_folder_holds_and_not_from_its_path(tmp_path):
    here = make_run(tmp_path / "here", "max", 0)
    elsewhere = run_path(tmp_path / "elsewhere", "max", 0)
    shutil.copytree(here, elsewhere)
    first = run_entry(read_run(here))
    assert first.id == run_entry(read_run(elsewhere)).id
    again = {"started": "2026-02-02T00:00:00+00:00", "finished": "2026-02-02T00:00:30+00:00"}
    others = [
        make_run(tmp_path / "again", "max", 0, environment=again),
        make_run(tmp_path / "here", "average", 0),
        make_run(tmp_path / "here", "max", 1),
    ]
    assert first.id not in {run_entry(read_run(folder)).id for folder in others}
    # Seeds belong to an arm by its settings, data and code.
    known = [("max", {"arm_fingerprint": "a"}), ("max", {"arm_fingerprint": "b"})]
    known += [("average", {"arm_fingerprint": "a"}), ("max", {"commit": "c"})]
    assert len({arm_id(*each) for each in [*known, *known]}) == 4


def test_a_compact_run_folder_has_the_same_confusion_matrix(tmp_path):
    names = {"class_names": [f"digit {label}" for label in range(10)]}
    source = make_run(tmp_path / "runs", "max", 0, dataset={**MNIST, **names})
    copy_compact(source, tmp_path / "copy/max/seed-0", weights=False)
    copy = run_entry(read_run(tmp_path / "copy/max/seed-0"))
    assert copy.texts == run_entry(read_run(source)).texts
    _, *rows = csv.reader(copy.texts["confusion_matrix.csv"].splitlines())
    assert [row[0] for row in rows] == names["class_names"]
    assert sum(int(row[1 + at]) for at, row in enumerate(rows)) == 1000 - 10  # images, errors


def test_content_is_all_but_the_times(tmp_path):
    entry = run_entry(read_run(make_run(tmp_path, "max", 0)))
    assert entry.content() == replace(entry, start=0, end=0).content()
    fewer = {"points": entry.points[1:], "tags": {}, "files": entry.files[1:], "status": "FAILED"}
    changed = {replace(entry, **{key: value}).content() for key, value in fewer.items()}
    assert len({entry.content(), *changed}) == 5


def test_a_failed_run_has_its_reason_and_what_is_known_of_it(tmp_path):
    folder = run_path(tmp_path, "max", 3)
    record = {"reason": "the loss is nan", "fingerprint": "f"}
    write_failure(folder, record)
    bare = failure_entry(folder, record)
    assert (bare.name, bare.status) == ("max/seed-3", "FAILED")
    assert bare.parameters == {"arm": "max", "seed": 3}
    assert "the loss is nan" in bare.tags[NOTE]
    config = {"arm": "max", "seed": 3, "conv": {"padding": "same"}}
    known = {"config": config, "environment": {"arm_fingerprint": "a"}}
    full = failure_entry(folder, {**record, **known, "started": "2026-01-01T00:00:00+00:00"})
    assert full.parameters["padding"] == "same"
    assert full.start == STARTED < full.end
    assert full.tags[ARM] == arm_id("max", {"arm_fingerprint": "a"})
