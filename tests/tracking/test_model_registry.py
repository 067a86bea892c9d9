"""Trained networks as MLflow models: the chosen seed, no pickle, the same answers when served."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from convchoice.analysis.comparison import compare
from convchoice.commands import publish as command
from convchoice.config.schema import TrackingConfig
from convchoice.config.study import study_from_mapping
from convchoice.config.validation import config_from_mapping
from convchoice.data.dataset import load
from convchoice.evaluation.evaluate import load_network
from convchoice.execution.executors import LocalExecutor
from convchoice.execution.runner import run
from convchoice.execution.specification import specify
from convchoice.runs.run import read_run
from convchoice.tracking.mlflow_store import MlflowStore
from convchoice.tracking.publish import publish
from convchoice.training.batches import scaled
from made_up_runs import make_run, study_values
from mlflows_warnings import MLFLOWS_WARNINGS
from small_data import store_digits
from small_runs import SMALL

pytestmark = [*MLFLOWS_WARNINGS, pytest.mark.filterwarnings("ignore::UserWarning")]


def test_the_best_seed_on_validation_images_else_the_first_represents_its_arm(tmp_path):
    from convchoice.tracking.model_registry import chosen_run, input_shape  # noqa: PLC0415 - warns

    accuracies = enumerate([0.97, 0.99, 0.99])
    made = [
        make_run(tmp_path, "max", n, metrics={"val/accuracy": value}) for n, value in accuracies
    ]
    run, reason = chosen_run([read_run(folder) for folder in made])
    assert (run.seed, reason) == (1, "the best of 3 seeds on validation images, 99.00 %")
    made = [make_run(tmp_path, "l2", n, errors=20 - n, validation=False) for n in (2, 1)]
    run, reason = chosen_run([read_run(folder) for folder in made])
    assert (run.seed, "no validation images" in reason) == (1, True)
    assert input_shape(run) == (28, 28)
    colours = {"data": {"name": "cifar10", "fallback": None}}
    assert input_shape(read_run(make_run(tmp_path, "max", 4, config=colours))) == (3, 32, 32)


class Trained:
    """Two small arms trained, measured, compared and published, with their models registered."""

    def __init__(self, root: Path) -> None:
        self.root = root
        store_digits(root / "raw")
        for arm, padding in (("max", "valid"), ("padded", "same")):
            data = {"train_size": 100, "root": str(root / "raw")}
            changes = {"arm": arm, "conv": {"padding": padding}, "data": data}
            one = [config_from_mapping(SMALL | changes)]
            assert run(specify(one, root / "runs"), LocalExecutor()) == []
        self.runs = [read_run(root / "runs" / arm / "seed-0") for arm in ("max", "padded")]
        study = study_from_mapping(study_values(arms=["padded"]), "test")
        self.comparison = compare(study, {run.arm: [run] for run in self.runs})
        settings = TrackingConfig(uri=f"sqlite:///{root}/mlflow.db", experiment="models")
        self.store = MlflowStore(settings)
        for each in self.runs:
            publish(each.path, settings)

    def publish(self) -> list[str]:
        return command.publish_models(self.store, [self.comparison], self.runs)

    def images(self) -> Any:
        return load(self.root / "raw").test()[0][:3]

    def wanted(self) -> Any:
        """Logits of the training code's own network."""
        network = load_network(self.runs[0])
        with torch.inference_mode():
            return network(scaled(torch.from_numpy(self.images()))).numpy()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    made = Trained(tmp_path_factory.mktemp("models"))
    assert made.publish() == ["convchoice-pooling: 2 models, champion max"]
    return made


def test_a_studys_models_are_registered_once_and_its_winner_is_the_champion(trained):
    trained.publish()
    client = trained.store.client
    versions = client.search_model_versions("name = 'convchoice-pooling'")
    assert sorted(version.tags["arm"] for version in versions) == ["max", "padded"]
    crowned = client.get_model_version_by_alias("convchoice-pooling", "champion")
    assert crowned.tags["arm"] == "max"
    assert "max is the baseline, and no other arm is shown to be better." in crowned.description
    assert "seed 0, the only seed, " in crowned.description
    run = client.get_run(crowned.run_id)
    assert (run.info.run_name, run.info.status) == ("max/seed-0", "FINISHED")
    model = client.get_logged_model(crowned.source.removeprefix("models:/"))
    assert model.experiment_id == trained.store.experiment_id
    metrics = {metric.key: metric.value for metric in model.metrics}
    assert metrics["test/accuracy"] == trained.runs[0].metrics["test/accuracy"]


def test_a_logged_model_holds_no_pickle_and_answers_as_the_training_code_does(trained, tmp_path):
    client = trained.store.client
    crowned = client.get_model_version_by_alias("convchoice-pooling", "champion")
    # As somebody without this project would: another process, in another folder, from the store.
    code = (
        "import json, sys, mlflow, numpy as np; mlflow.set_tracking_uri(sys.argv[1]);"
        "model = mlflow.pyfunc.load_model('models:/convchoice-pooling@champion');"
        "import convchoice; print(convchoice.__file__);"
        "print(model.predict(np.load(sys.argv[2])).to_json(orient='records', double_precision=15));"
        "print(json.dumps(model.metadata.signature.to_dict())); print(model.metadata.metadata)"
    )
    np.save(tmp_path / "images.npy", trained.images())
    done = subprocess.run(
        [sys.executable, "-c", code, trained.store.uri, tmp_path / "images.npy"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    where, rows, signature, pixels = done.stdout.splitlines()[-4:]
    assert "model_registry.py" not in where
    assert str(Path(where).parent.parent) != str(Path(command.__file__).parent.parent)
    answers = json.loads(rows)
    np.testing.assert_allclose([row["logits"] for row in answers], trained.wanted(), rtol=1e-6)
    assert [row["answer"] for row in answers] == [str(one) for one in trained.wanted().argmax(1)]
    assert "uint8" in signature
    assert "28, 28" in signature
    assert "from 0 to 255" in pixels
    model = client.get_logged_model(crowned.source.removeprefix("models:/"))
    folder = Path(model.artifact_location)
    names = {path.name for path in folder.rglob("*") if path.is_file()}
    assert {"weights.safetensors", "config.yaml", "model_registry.py", "requirements.txt"} <= names
    assert {"input_example.json", "serving_input_example.json"} & names
    (pinned,) = folder.rglob("requirements.txt")
    pins = dict(pin.split("==") for pin in pinned.read_text().split())
    assert pins["torch"] == torch.__version__.partition("+")[0]
    assert pins["numpy"] == np.__version__
    assert not any("+" in pin for pin in pins.values())
    assert not [name for name in names if name.endswith((".pkl", ".pickle", ".pt", ".pth"))]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda images: images / 255, "image 0: its brightest pixel is|pixels from 0 to"),
        (lambda images: (images / 255 - 0.1307) / 0.3081, "pixels from -0.4"),
        (lambda images: (images / 255).astype(np.uint8), "image .: its brightest pixel is [01]. P"),
        (lambda images: ((images / 255 - 0.1307) / 0.3081).astype(np.uint8), "brightest pixel is"),
        (lambda images: images.astype(int) + 1, "pixels from 1 to 256"),
        (lambda images: images * np.nan, "pixels from nan to nan"),
    ],
)
def test_pixels_on_another_scale_are_refused(change, message):
    from convchoice.tracking.model_registry import checked_pixels  # noqa: PLC0415 - warns

    images = np.resize(np.arange(256, dtype=np.uint8), (2, 28, 28))
    assert np.array_equal(checked_pixels(images.astype(float)), images)
    with pytest.raises(ValueError, match=rf"({message}).*whole numbers from 0 to 255"):
        checked_pixels(change(images))
