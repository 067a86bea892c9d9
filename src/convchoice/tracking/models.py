"""Trained networks as MLflow models: one an arm, registered by study, its winner the champion.

A model is logged once for each training. What is logged can be loaded and served without this
project: configuration, weights (safetensors), the code, a signature, an example and the versions
that it was made with.
"""

import logging
import re
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convchoice.config.datasets import SPECS
from convchoice.config.schema import Dataset
from convchoice.config.validation import config_from_mapping
from convchoice.data.dataset import load
from convchoice.errors import UserError
from convchoice.runs.run import Run
from convchoice.runs.run_folder import CONFIG
from convchoice.tracking.labels import IDENTITY_TAG, digest, run_identity
from convchoice.tracking.store import MlflowStore

CHAMPION = "champion"
PINNED = ("mlflow", "numpy", "omegaconf", "pandas", "pyyaml", "safetensors", "torch")
PACKAGE = Path(__file__).resolve().parents[1]
COLORLESS = 1


@dataclass(frozen=True)
class Chosen:
    """The run that stands for an arm, and why that one."""

    run: Run
    reason: str


def chosen_run(runs: Sequence[Run]) -> Chosen:
    """The seed of an arm with the best validation accuracy, of equals the first.

    Where nothing validates, as in the lecture's recipe, it is the first seed: that follows from the
    seeds' names alone, and to choose by training images would reward what is overfitted.
    """
    ordered = sorted(runs, key=lambda run: run.seed)
    if any("val/accuracy" not in run.metrics for run in runs):
        return Chosen(ordered[0], "the first seed: there are no validation images to choose by")
    best = max(ordered, key=lambda run: run.metrics["val/accuracy"])
    share = f"{100 * best.metrics['val/accuracy']:.2f} %"
    return Chosen(best, f"the best of {len(runs)} seeds on validation images, {share}")


def requirements() -> list[str]:
    """What a served model needs, pinned to what is installed, whichever build of torch that is."""
    return [f"{name}=={version(name).partition('+')[0]}" for name in PINNED]


def input_shape(run: Run) -> tuple[int, ...]:
    """The shape of one image as the data set has it: (H, W), or (C, H, W) with colours."""
    channels, height, width = SPECS[run.environment["dataset"]["name"]].image_shape
    return (height, width) if channels == COLORLESS else (channels, height, width)


@cache
def _first_training_image(root: str, name: Dataset) -> NDArray[np.uint8] | None:
    with suppress(UserError):  # models are published where there is no data, too
        images: NDArray[np.uint8] = load(Path(root), name).train()[0][:1]
        return images
    return None


def example(run: Run) -> NDArray[np.uint8]:
    """One training image (1, …) as an example of the input; a blank one where no data is there."""
    data = config_from_mapping(run.config).data
    image = _first_training_image(data.root, data.name)
    shape = (1, *input_shape(run))
    return np.zeros(shape, np.uint8) if image is None or image.shape != shape else image


def signature(run: Run) -> Any:
    """Images in, a row of answer, probability and logits out."""
    from mlflow.models import ModelSignature  # noqa: PLC0415
    from mlflow.types.schema import Array, ColSpec, DataType, Schema, TensorSpec  # noqa: PLC0415

    return ModelSignature(
        inputs=Schema([TensorSpec(np.dtype(np.uint8), (-1, *input_shape(run)))]),
        outputs=Schema(
            [
                ColSpec(DataType.string, "answer"),
                ColSpec(DataType.double, "probability"),
                ColSpec(Array(DataType.double), "logits"),
            ]
        ),
    )


def model_name(arm: str) -> str:
    """An arm's name without the characters that MLflow's models may not have."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", arm)


def logged_model(store: MlflowStore, run: Run, run_id: str) -> Any:
    """The MLflow model of a trained network, logged if it is not there yet.

    Args:
        store: that knows the run.
        run: the run's folder.
        run_id: of the run, which is taken over for the time of it and FINISHED again.
    """
    identity = digest("model", run_identity(run))
    found = store.client.search_logged_models(
        [store.experiment_id], filter_string=f"tags.`{IDENTITY_TAG}` = '{identity}'"
    )
    ready = [model for model in found if str(model.status) == "READY"]
    if ready:
        return ready[0]
    store.own(run_id)
    with store.closed_on_failure(run_id):
        made = _log(store, run, run_id, identity)
        store.end(run_id, "FINISHED", at=_ended(store, run_id))
    return made


def _ended(store: MlflowStore, run_id: str) -> int | None:
    found = store.run(run_id)
    return None if found is None else found.info.end_time


def _log(store: MlflowStore, run: Run, run_id: str, identity: str) -> Any:
    import mlflow  # noqa: PLC0415

    from convchoice.tracking import served_model  # noqa: PLC0415

    logging.getLogger("mlflow.pyfunc").setLevel(logging.WARNING)  # it tells each step of it
    mlflow.set_tracking_uri(store.uri)
    mlflow.set_experiment(experiment_id=store.experiment_id)
    names = run.environment["dataset"].get("class_names") or [str(one) for one in range(10)]
    with tempfile.TemporaryDirectory() as folder:
        classes = Path(folder) / "classes.txt"
        classes.write_text("\n".join(names) + "\n", encoding="utf-8")
        logged = mlflow.models.Model.log(
            None,
            mlflow.pyfunc,
            run_id=run_id,
            name=model_name(run.arm),
            tags={IDENTITY_TAG: identity, "arm": run.arm, "seed": str(run.seed)},
            step=len(run.history),
            python_model=served_model.__file__,
            artifacts={
                served_model.CONFIG: str(run.path / CONFIG),
                served_model.WEIGHTS: str(run.weights_file()),
                served_model.CLASSES: str(classes),
            },
            code_paths=[str(PACKAGE)],
            signature=signature(run),
            input_example=example(run),
            pip_requirements=requirements(),
        )
    return store.client.get_logged_model(logged.model_id)


def registered_name(study: str) -> str:
    """A study's name in the registry."""
    return f"convchoice-{study}"


def register(
    store: MlflowStore,
    study: Mapping[str, Any],
    models: Mapping[str, tuple[Any, str]],
    winner: str,
    reason: str,
) -> None:
    """Register an arm's model each as a version, and give the winner's the alias `champion`.

    A model that is a version already stays the one it is.

    Args:
        store: that holds the models.
        study: of a comparison.
        models: by arm, the logged model and why that seed stands for the arm.
        winner: one of the arms.
        reason: why it is.
    """
    name, client = registered_name(study["name"]), store.client
    about = f"{study['question']} {study['claim']}"
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name, description=about)
    versions = {str(one.source): one for one in client.search_model_versions(f"name = '{name}'")}
    for arm, (model, choice) in models.items():
        source = f"models:/{model.model_id}"
        there = versions.get(source)  # a search does not say the models' ids
        said = f"Arm {arm}, {choice}."
        if there is None:
            there = client.create_model_version(
                name,
                source=source,
                run_id=model.source_run_id,
                model_id=model.model_id,
                tags={"arm": arm, "study": study["name"]},
                description=said,
            )
        if arm == winner:
            client.set_registered_model_alias(name, CHAMPION, there.version)
            said = f"{reason} {said}"
        if there.description != said:
            client.update_model_version(name, there.version, description=said)
