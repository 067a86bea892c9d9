"""Images of one's own, from the folder to the page: two grey classes, and more than 256."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from convchoice.analysis.published_runs import LABELS, read_published
from convchoice.commands import compare, report
from convchoice.commands.train import main as train
from convchoice.config.schema import DataConfig, Dataset, TrainerConfig
from convchoice.config.validation import config_from_mapping
from convchoice.data.conversion import prepare, with_contents
from convchoice.errors import UserError
from convchoice.runs.run import Run, RunSpecification, read_run
from convchoice.runs.run_folder import run_path
from own_images import CLASSES, write_images
from project_copy import ProjectCopy
from small_runs import OVERRIDES, evaluate_run, trained

MANY = [f"class {number:03}" for number in range(300)]


def train_and_evaluate(arm: str, seed: int, **model: object) -> Run:
    """A run of the folder `images`, trained for an epoch."""
    data = DataConfig(Dataset.folder, "data/folder", "images", size=26, fallback=None)
    trainer = TrainerConfig(max_epochs=1, accelerator="cpu")
    model = {"filters": [4, 4], "hidden_units": 0} | model
    values = {"model": model, "arm": arm, "seed": seed}
    config = replace(config_from_mapping(values), data=data, trainer=trainer)
    config = with_contents(config)
    root = prepare(config.data).root
    folders = [run_path(Path(parent), arm, seed) for parent in ("trained", "runs")]
    first, final = (RunSpecification(config, root, each, "x", {"commit": "x"}) for each in folders)
    evaluate_run(replace(final, trained=trained(first).path))
    return read_run(final.folder)


@pytest.mark.parametrize(("classes", "mode"), [(["no", "yes"], "L"), (MANY, "RGB")])
def test_everything_follows_the_number_of_classes(classes, mode, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    parts = {"train": 4, "val": 1, "test": 2}
    write_images(Path("images"), parts, classes, [(28, 28), (40, 30)], mode)
    for arm, tanh in (("plain", {}), ("tanh", {"activation": "tanh"})):
        for seed in (0, 1):
            run = train_and_evaluate(arm, seed, **tanh)
    count = len(classes)
    logits, labels = run.predictions()
    assert logits.shape == (2 * count, count)
    assert labels.tolist() == [label for label in range(count) for _ in range(2)]
    dataset = run.environment["dataset"]
    assert dataset["class_names"] == classes
    assert (dataset["train_images"], dataset["validation_images"]) == (4 * count, count)
    assert dataset["shared_images"] == {"val": 0, "test": 0}
    assert dataset["title"] == f"images ({7 * count:,} images of {count} classes, 26×26 pixels)"

    output = Path("reports/mine")
    compare.main(["--baseline", "plain", "--name", "mine", "--output", str(output), "runs"])
    report.main(["--studies", "mine", "--reports", "reports"])
    result = json.loads((output / "comparison.json").read_text())
    assert result["provenance"]["dataset"]["title"] == dataset["title"]
    errors = result["arms"]["tanh"]["class_errors"]
    assert errors["images"] == [2] * count
    assert len(errors["mean"]) == count
    assert (result["arms"]["plain"]["confusion"] is None) == (count > 50)
    published = read_published(output)
    for run in published.runs["tanh"]:
        again = read_run(Path("runs/tanh") / f"seed-{run.seed}").classes()
        for found, expected in zip(run.classes(), again, strict=True):
            assert np.array_equal(found, expected)
    assert ((output / LABELS).read_text() == "0011\n") == (count == 2)

    page = Path("reports/index.html").read_text()
    assert f"Data: {dataset['title']}" in page
    assert "digit" not in page.lower()
    [headings] = re.findall(r"Errors by class of mine.*?</thead>", page, re.DOTALL)
    assert headings.count("<th ") == 1 + min(count, 12) + 1
    assert ("Of 300 classes, those with the most errors." in page) == (count == 300)
    shown = re.findall(r"class \d{3}|\bno\b|\byes\b", headings)
    assert set(shown) <= set(classes)


def test_a_sweep_compares_within_each_folder(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    for name, classes in (("pets", CLASSES), ("birds", CLASSES[:2])):
        write_images(Path(name), {"train": 8, "test": 4}, classes)
    swept = ["data.path=pets,birds", "downsample=max,average", "data=folder", "run_root=runs"]
    train(["-m", *swept, "trainer.max_epochs=1", "tracking=none", *OVERRIDES[:2], OVERRIDES[3]])
    printed = capfd.readouterr().out
    assert re.findall(r"Data: (\w+) \((\d+) images", printed) == [("pets", "36"), ("birds", "24")]
    arms = {path.parent.name for path in Path("runs").glob("*/seed-0")}
    assert arms == {"birds-average", "birds-max", "pets-average", "pets-max"}


@pytest.mark.parametrize("change", ["contents", "added", "removed", "class"])
def test_a_run_of_other_images_is_never_replaced(tmp_path, monkeypatch, change):
    monkeypatch.chdir(tmp_path)
    pets = Path("pets")
    write_images(pets, {"train": 8, "test": 4})
    run = ["data=folder", "data.path=pets", "arm=mine", "trainer.max_epochs=1", "tracking=none"]
    train(run)
    made = {path: path.read_bytes() for path in Path("runs/mine").rglob("*") if path.is_file()}
    dog = pets / "train" / "dog"
    if change == "contents":
        (dog / "0.png").write_bytes((dog / "2.png").read_bytes())
    elif change == "added":
        (dog / "more.png").write_bytes((dog / "2.png").read_bytes())
    elif change == "removed":
        (dog / "0.png").unlink()
    else:
        for part in ("train", "test"):
            (pets / part / "dog").rename(pets / part / "dogs")
    with pytest.raises(UserError, match=r"holds a run that differs in .*the images \(SHA-256 "):
        train(run)
    assert made == {path: path.read_bytes() for path in made}
    train([*run, "run_root=new"])


@pytest.mark.pipeline
def test_the_pipeline_notices_a_changed_image_and_a_new_class(tmp_path):
    project = ProjectCopy(tmp_path / "project", {"small": ["strided"]})
    write_images(project.root / "pets", {"train": 6, "test": 2}, sides=[(28, 28), (40, 30)])
    data = ["data=folder", "data.path=pets", "data.size=28"]
    study = {
        "name": "pets",
        "question": "Which pooling tells pets apart?",
        "source": "a test",
        "baseline": "largest",
        "arms": ["mean"],
        "new_arms": {"largest": data, "mean": [*data, "downsample=average"]},
        "margin": 1.0,
    }
    (project.root / "pets.yaml").write_text(yaml.safe_dump(study))
    project.choose("pets.yaml")
    [folder] = yaml.safe_load((project.root / "params.yaml").read_text())["data"]
    assert (folder["source"], folder["size"]) == ("pets", 28)
    every = [
        "download@data0", "compose", "train", "evaluate", "compare@pets", "report",
    ]  # fmt: skip
    assert project.repro() == every
    assert project.repro() == []
    image = project.root / "pets/train/dog/0.png"
    image.write_bytes((project.root / "pets/train/dog/2.png").read_bytes())
    write_images(project.root / "yaks", {"train": 6, "test": 2}, ["yak"], [(30, 30)])
    for part in ("train", "test"):
        (project.root / "yaks" / part / "yak").rename(project.root / "pets" / part / "yak")
    assert project.repro() == every
    run = read_run(project.root / "runs" / "mean" / "seed-0")
    assert run.environment["dataset"]["class_names"] == [*CLASSES, "yak"]
    assert run.predictions()[0].shape == (8, 4)
