"""Trained networks as MLflow models: one per arm, registered by study, the winner as champion.

A logged model can be loaded and served without this project, and nothing in it is pickled: MLflow
copies this file and the package, and runs `ImageClassifier`, which builds the network from its
composed YAML and reads its weights from safetensors.
"""

import re
import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel
from numpy.typing import NDArray

from convchoice.config.datasets import spec_of
from convchoice.config.validation import config_from_mapping
from convchoice.config.yaml_files import read_yaml
from convchoice.runs.run import Run
from convchoice.runs.run_folder import CONFIG, WEIGHTS
from convchoice.tracking.mlflow_entry import ID, digest, run_id_of
from convchoice.tracking.mlflow_store import MlflowStore, TrackingError

CHAMPION = "champion"
PINNED = ("mlflow", "numpy", "omegaconf", "pandas", "pyyaml", "safetensors", "torch")
PACKAGE = Path(__file__).resolve().parents[1]
CLASSES = "classes.txt"
"""The artifact with the names of the classes, one per line."""
PIXELS = "whole numbers from 0 to 255 as in the data set, neither scaled to 0 … 1 nor standardised"
DARK = 16
"""The brightest pixel of every image of a data set is above it. MLflow's server casts what it
receives to bytes, and a scaled or standardised image then has no pixel above 3."""


def chosen_run(runs: Sequence[Run]) -> tuple[Run, str]:
    """The seed that represents an arm, and why: the best validation accuracy, then the first.

    Without validation images, as in the lecture's recipe, it is the first seed: choosing by
    training images would reward overfitting.
    """
    ordered = sorted(runs, key=lambda run: run.seed)
    if any("val/accuracy" not in run.metrics for run in runs):
        return ordered[0], "the first seed: there are no validation images to choose by"
    best = max(ordered, key=lambda run: run.metrics["val/accuracy"])
    share = f"{100 * best.metrics['val/accuracy']:.2f} %"
    if len(runs) == 1:
        return best, f"the only seed, {share} on validation images"
    return best, f"the best of {len(runs)} seeds on validation images, {share}"


def input_shape(run: Run) -> tuple[int, ...]:
    """The shape of one image of the data set: (H, W), or (C, H, W) with colours."""
    channels, height, width = spec_of(config_from_mapping(run.config).data).image_shape
    return (height, width) if channels == 1 else (channels, height, width)


def example(shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """One image (1, …) with every value that a pixel may have."""
    return np.resize(np.arange(256, dtype=np.uint8), (1, *shape))


def checked_pixels(images: Any) -> NDArray[np.uint8]:
    """Images (N, …) as bytes.

    Raises:
        ValueError: for pixels that are not `PIXELS`, or an image without any ink.
    """
    given = np.asarray(images)
    if not (np.equal(given, np.round(given)).all() and given.min() >= 0 and given.max() <= 255):  # noqa: PLR2004
        raise ValueError(f"pixels from {given.min():g} to {given.max():g}: must be {PIXELS}.")
    brightest = given.reshape(len(given), -1).max(axis=1)
    if (brightest < DARK).any():
        dark = int(np.argmin(brightest))
        raise ValueError(
            f"image {dark}: its brightest pixel is {brightest[dark]:g}. Pixels must be {PIXELS}."
        )
    return given.astype(np.uint8)


def logged_model(store: MlflowStore, run: Run) -> Any:
    """The MLflow model of a trained network, logged unless the store has it.

    Raises:
        TrackingError: if the store does not have the run.
    """
    identity = digest("model", run_id_of(run))
    same = f"tags.`{ID}` = '{identity}'"
    for model in store.client.search_logged_models([store.experiment_id], same):
        if str(model.status) == "READY":
            return model
    source = store.find(run_id_of(run))
    if source is None:
        raise TrackingError(f"{run.path}: MLflow does not have this run. Publish it first.")
    mlflow.set_tracking_uri(store.uri)
    mlflow.set_experiment(experiment_id=store.experiment_id)
    names = run.environment["dataset"].get("class_names") or [str(one) for one in range(10)]
    # Pinned to what is installed, for any build of torch.
    requirements = [f"{name}=={version(name).partition('+')[0]}" for name in PINNED]
    with tempfile.TemporaryDirectory() as folder:
        classes = Path(folder) / CLASSES
        classes.write_text("\n".join(names) + "\n", encoding="utf-8")
        paths = {CONFIG: run.path / CONFIG, WEIGHTS: run.verified(WEIGHTS), CLASSES: classes}
        logged = mlflow.models.Model.log(
            None,
            mlflow.pyfunc,
            run_id=source.info.run_id,
            name=re.sub(r"[^A-Za-z0-9_-]", "_", run.arm),  # MLflow refuses other characters
            tags={ID: identity, "arm": run.arm, "seed": str(run.seed)},
            step=0,  # of the test metrics, which MLflow copies to the model
            python_model=__file__,
            artifacts={name: str(path) for name, path in paths.items()},
            code_paths=[str(PACKAGE)],
            input_example=example(input_shape(run)),  # and the signature
            metadata={"pixels": PIXELS},
            pip_requirements=requirements,
        )
    return store.client.get_logged_model(logged.model_id)


def register(
    store: MlflowStore,
    study: str,
    about: str,
    models: Mapping[str, tuple[Any, str]],
    winner: str,
    reason: str,
) -> str:
    """Register each arm's model as a version, and give the winner's the alias `champion`.

    `models` has, by arm, the logged model and why its seed represents the arm.

    Returns:
        The study's name in the registry.
    """
    name, client = f"convchoice-{study}", store.client
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name, description=about)
    versions = {str(one.source): one for one in client.search_model_versions(f"name = '{name}'")}
    for arm, (model, choice) in models.items():
        source = f"models:/{model.model_id}"
        text = f"{reason} Arm {arm}, {choice}." if arm == winner else f"Arm {arm}, {choice}."
        known = versions.get(source) or client.create_model_version(
            name, source, model.source_run_id, tags={"arm": arm, "study": study},
            description=text, model_id=model.model_id,
        )  # fmt: skip
        if known.description != text:
            client.update_model_version(name, known.version, description=text)
        if arm == winner:
            client.set_registered_model_alias(name, CHAMPION, known.version)
    return name


class ImageClassifier(PythonModel):
    """Classifies images as the data set has them."""

    def load_context(self, context: Any) -> None:
        """Build the network and load its weights; torch is imported only here."""
        from safetensors.torch import load_file  # noqa: PLC0415

        from convchoice.networks.own_network import network_of  # noqa: PLC0415

        files = {name: Path(path) for name, path in context.artifacts.items()}
        self.config = config_from_mapping(read_yaml(files[CONFIG]), str(files[CONFIG]))
        self.network = network_of(self.config)
        self.network.load_state_dict(load_file(files[WEIGHTS]))
        self.network.eval()
        self.names = files[CLASSES].read_text(encoding="utf-8").splitlines()

    def predict(
        self,
        context: Any,  # noqa: ARG002
        model_input: np.ndarray,  # MLflow accepts only this annotation
        params: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> Any:
        """Classify images.

        `model_input` is (N, H, W) or (N, C, H, W), pixels from 0 to 255.

        Returns:
            A data frame with one row per image: `answer` (the name of the class), its `probability`
            and all `logits`.

        Raises:
            ValueError: for pixels on another scale.
        """
        import pandas as pd  # noqa: PLC0415
        import torch  # noqa: PLC0415

        from convchoice.data.preparation import test_images  # noqa: PLC0415
        from convchoice.training.batches import scaled  # noqa: PLC0415

        images = torch.from_numpy(checked_pixels(model_input))
        with torch.inference_mode():
            logits = self.network(scaled(test_images(images, self.config.data))).float()
        chances, places = logits.double().softmax(1).max(1)
        return pd.DataFrame(
            {
                "answer": [self.names[place] for place in places.tolist()],
                "probability": chances.tolist(),
                "logits": logits.tolist(),
            }
        )


set_model(ImageClassifier())
