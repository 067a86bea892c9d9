"""The evaluation of a trained run: metrics by hand, and what is refused."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import small_runs
from convchoice.config.schema import Curve, EvaluationConfig
from convchoice.data import dataset as datasets
from convchoice.errors import UserError
from convchoice.evaluation import evaluate as evaluate_module
from convchoice.evaluation.evaluate import (
    _seeds_together,
    evaluate,
    evaluate_together,
    load_network,
    read_trained,
)
from convchoice.evaluation.evaluate import test_metrics as metrics_of
from convchoice.evaluation.introspection import chosen_images
from convchoice.runs.archive import copy_compact
from convchoice.runs.evaluation_files import summary_metrics
from convchoice.runs.events import Event, RunEnded
from convchoice.runs.run import RunSpecification, read_run
from convchoice.runs.run_folder import CURVES, INSIDE, WEIGHTS, run_path
from convchoice.training import device
from made_up_runs import altered
from small_data import store_digits
from small_runs import evaluate_run, small_run


@pytest.fixture(scope="module")
def once_trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `raw` (the data) and `trained/tiny/seed-0`."""
    root = tmp_path_factory.mktemp("once")
    store_digits(root / "raw")
    small_runs.trained(small_run(root / "trained", root / "raw"))
    return root


@pytest.fixture
def trained(once_trained: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may damage."""
    shutil.copytree(once_trained, tmp_path / "copy")
    return tmp_path / "copy"


def job(root: Path) -> RunSpecification:
    trained = run_path(root / "trained", "tiny", 0)
    return replace(small_run(root / "runs", root / "raw"), trained=trained)


def test_metrics_by_hand():
    logits = torch.log(torch.tensor([[0.5, 0.25, 0.25], [0.25, 0.25, 0.5]]))
    measured = metrics_of(logits, torch.tensor([0, 1]))
    assert measured["test/accuracy"] == 0.5
    assert measured["test/errors"] == 1
    assert measured["test/nll"] == pytest.approx(-(np.log(0.5) + np.log(0.25)) / 2)


def test_the_final_folder_has_the_trained_files_and_the_measurements(trained):
    work = job(trained)
    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        evaluate_run(work)
        used = torch.get_num_threads()
    finally:
        torch.set_num_threads(threads)
    assert work.trained is not None
    before, run = read_run(work.trained), read_run(work.folder)
    # Sums over other numbers of threads may differ in the last bit.
    assert used == run.config["trainer"]["threads"] == run.environment["threads"] != 3
    assert run.evaluated
    assert not before.evaluated
    assert before.inside() is None
    assert run.history == before.history
    assert before.metrics.items() < run.metrics.items()
    images, true_labels = datasets.load(trained / "raw").test()

    logits, labels = run.predictions()
    assert np.array_equal(labels, true_labels)
    assert run.metrics["test/accuracy"] == pytest.approx((logits.argmax(1) == labels).mean())
    with torch.inference_mode():
        expected = load_network(run)(torch.from_numpy(images[:64])[:, None].float() / 255)
    np.testing.assert_allclose(logits[:64], expected.numpy(), rtol=1e-4, atol=1e-4)

    kept = run.pictures()
    wrong = np.flatnonzero(logits.argmax(axis=1) != labels)
    assert len(wrong) == run.metrics["test/errors"] > 0
    assert list(kept) == wrong.tolist()  # of 500 images all fit
    assert np.array_equal(list(kept.values()), images[wrong])

    inside = run.inside()
    assert inside is not None
    assert inside.labels.tolist() == labels[inside.indices].tolist() == [0, 1, 2]
    assert np.array_equal(inside.images, images[inside.indices])
    weights = load_file(work.folder / WEIGHTS)["block1_convolution.weight"]
    np.testing.assert_allclose(inside.filters, weights, rtol=1e-3, atol=1e-4)
    assert (work.folder / INSIDE).stat().st_size < 40_000


def test_a_compact_run_folder_without_weights_says_so(trained):
    work = job(trained)
    evaluate_run(work)
    compact = trained / "compact" / work.folder.parent.name / work.folder.name
    copy_compact(work.folder, compact, weights=False)
    with pytest.raises(UserError, match="is of a compact run folder, without logits"):
        load_network(read_run(compact))


def test_curves_are_measured_on_the_chosen_images_and_no_number_else_changes(trained):
    evaluation = EvaluationConfig([Curve.consistency, Curve.rotation], images=60)
    work = job(trained)
    evaluate_run(replace(work, config=replace(work.config, evaluation=evaluation)))
    run = read_run(work.folder)
    points = run.curves()
    assert list(dict.fromkeys(point.curve for point in points)) == [
        Curve.rotation,
        Curve.consistency,
    ]
    assert {point.images for point in points} == {60}
    assert run.config["evaluation"] == {"curves": ["consistency", "rotation"], "images": 60}
    assert summary_metrics(points).items() <= run.metrics.items()
    logits, labels = run.predictions()
    chosen = chosen_images(labels, 60)
    upright = next(point for point in points if point.curve is Curve.rotation and not point.value)
    assert upright.accuracy == (logits[chosen].argmax(1) == labels[chosen]).mean()
    evaluate_run(replace(work, trained=work.folder))
    clean = read_run(work.folder)
    assert np.array_equal(clean.predictions()[0], logits)
    assert clean.metrics.items() < run.metrics.items()
    measured = {key for key in clean.metrics if key.startswith("test/")}
    assert measured == {"test/accuracy", "test/errors", "test/nll"}
    assert clean.curves() == []
    assert not (work.folder / CURVES).exists()


def other_data(folder: Path) -> None:
    path = folder / "environment.json"
    environment = json.loads(path.read_text())
    environment["dataset"]["digest"] = "0" * 64
    path.write_text(json.dumps(environment))


def other_network(folder: Path) -> None:
    weights = load_file(folder / WEIGHTS)
    rest = {name: weight for name, weight in weights.items() if "head" not in name}
    save_file(rest, folder / WEIGHTS)


def shortened(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:100])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (other_data, r"was trained on a data set with digest 000000000000…, but"),
        (other_network, r"does not hold the weights of the network in config"),
        (shortened, "cannot be read as weights"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(trained, change, message):
    with altered(run_path(trained / "trained", "tiny", 0)) as folder:
        change(folder)
    with pytest.raises(UserError, match=message):
        evaluate_run(job(trained))
    assert not (trained / "runs" / "tiny" / "seed-0").exists()


def test_a_run_that_cannot_be_evaluated_does_not_affect_the_others(trained):
    foreign = run_path(trained / "trained", "tiny", 1)
    shutil.copytree(run_path(trained / "trained", "tiny", 0), foreign)
    good = job(trained)
    config, folder = replace(good.config, seed=1), run_path(trained / "runs", "tiny", 1)
    bad = replace(good, config=config, trained=foreign, folder=folder)
    events: list[Event] = []
    evaluate([bad, good], events.append)
    ended = {event.seed: event.failure for event in events if isinstance(event, RunEnded)}
    assert ended[0] == ""
    assert "which is not what the name of its folder says" in ended[1]
    assert read_run(good.folder).evaluated
    assert not bad.folder.exists()


def test_nothing_to_evaluate():
    evaluate([], lambda event: None)


@pytest.mark.parametrize(
    ("gpu", "trainer", "size"),
    [(True, {}, 3), (True, {"seeds_together": 2}, 2), (False, {"seeds_together": 2}, 1)],
)
def test_as_many_seeds_as_the_configuration_says_are_evaluated_together(
    monkeypatch, gpu, trainer, size
):
    monkeypatch.setattr(device, "gpu_fault", lambda: "" if gpu else device.NO_GPU)
    run = small_run(Path("runs"), Path("raw"), trainer={"accelerator": "auto", **trainer})
    assert _seeds_together([run] * 3) == size


def test_seeds_that_the_memory_does_not_hold_together_are_evaluated_in_parts(
    once_trained, tmp_path, monkeypatch, capsys
):
    measured, sizes = evaluate_module._measured, []

    def of_one(runs: Any, *arguments: Any) -> Any:
        sizes.append(len(runs))
        if len(runs) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return measured(runs, *arguments)

    monkeypatch.setattr(evaluate_module, "_measured", of_one)
    items = [small_run(tmp_path, once_trained / "raw", seed=seed) for seed in (0, 3)]
    for item in items:
        small_runs.trained(item)
    events: list[Event] = []
    evaluate_together([read_trained(each) for each in items], events.append)
    assert sizes == [2, 1, 1]
    assert [event.failure for event in events if isinstance(event, RunEnded)] == ["", ""]
    assert all(read_run(item.folder).evaluated for item in items)
    assert "does not hold 2 seeds together: 1 are" in capsys.readouterr().out


ALL_KINDS = [Curve.rotation, Curve.consistency, Curve.equivariance, Curve.input_size]


def test_seeds_evaluated_together_write_the_folders_that_each_writes_alone(once_trained, tmp_path):
    trained = tmp_path / "trained"
    evaluation = EvaluationConfig(ALL_KINDS, images=30)
    items = [small_run(trained, once_trained / "raw", seed=seed) for seed in (0, 3)]
    for item in items:
        small_runs.trained(item)
    wanted = [replace(each, config=replace(each.config, evaluation=evaluation)) for each in items]

    def evaluated(root: Path) -> list[RunSpecification]:
        return [
            replace(each, trained=each.folder, folder=run_path(root, *each.key)) for each in wanted
        ]

    both, single = evaluated(tmp_path / "both"), evaluated(tmp_path / "single")
    foreign = run_path(tmp_path / "both", "tiny", 7)
    foreign.mkdir(parents=True)
    (foreign / "notes.txt").write_text("mine")
    refused = replace(both[0], config=replace(both[0].config, seed=7), folder=foreign)
    events: list[Event] = []
    evaluate_together([read_trained(each) for each in (both[0], refused, both[1])], events.append)
    failures = {each.seed: each.failure for each in events if isinstance(each, RunEnded)}
    assert (failures[0], failures[3]) == ("", "")
    assert "seed-7" in failures[7]
    assert (foreign / "notes.txt").read_text() == "mine"
    for each in single:
        evaluate_run(each)
    for ours, theirs in zip(both, single, strict=True):
        run, alone = read_run(ours.folder), read_run(theirs.folder)
        assert run.metrics == pytest.approx(alone.metrics, rel=1e-5)
        np.testing.assert_allclose(run.predictions()[0], alone.predictions()[0], atol=1e-4)
        for point, other in zip(run.curves(), alone.curves(), strict=True):
            assert replace(point, nll=None) == replace(other, nll=None)
            assert (point.nll or 0) == pytest.approx(other.nll or 0, rel=1e-5)
        inside = {each: (each / INSIDE).read_bytes() for each in (run.path, alone.path)}
        assert inside[run.path] == inside[alone.path]
    assert read_run(both[0].folder).metrics != read_run(both[1].folder).metrics
