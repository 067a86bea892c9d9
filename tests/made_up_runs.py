"""Small run folders for tests, made through `run_folder`'s own writers."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from safetensors.numpy import save_file

from convchoice import CONF_DIR
from convchoice.analysis.result import Comparison
from convchoice.config.composition import ArmComposer
from convchoice.config.schema import Config, Curve
from convchoice.config.validation import config_from_mapping, config_to_mapping
from convchoice.runs import evaluation_files, run_folder
from convchoice.runs.evaluation_files import CurvePoint, Introspection, summary_metrics
from convchoice.runs.ownership import written
from convchoice.runs.run import Run, read_run

Compare = Callable[..., Comparison]
"""The type of the fixture `comparison_of`."""

MNIST = {
    "name": "mnist", "title": "MNIST (70,000 handwritten digits)", "digest": "0123456789abcdef",
    "train_images": 55_000, "validation_images": 5_000, "test_images": 1_000,
    "fallback_note": None, "retry": None,
}  # fmt: skip
NOTE = (
    "No source of MNIST answered: these numbers are of scikit-learn's digits, not of MNIST."
    " To try MNIST again: make retry."
)
DIGITS = {
    "name": "digits", "title": "scikit-learn's digits (1,797 handwritten digits)",
    "digest": "fedcba9876543210", "train_images": 1_297, "validation_images": 100,
    "test_images": 400, "fallback_note": NOTE, "retry": "make retry",
}  # fmt: skip


def logits_with_errors(images: int, errors: int, seed: int) -> tuple[Any, Any]:
    """Logits (images, 10) that are wrong on exactly `errors` images, and labels (images,)."""
    labels = (np.arange(images) % 10).astype(np.uint8)
    # The same hundred images are hard for every run; the seed decides which of them go wrong.
    hard = min(images, max(100, 2 * errors))
    wrong = np.random.default_rng(seed).permutation(hard)[:errors]
    answers = labels.astype(np.int64)
    answers[wrong] = (answers[wrong] + 1) % 10
    logits = np.zeros((images, 10), dtype=np.float32)
    logits[np.arange(images), answers] = 5.0
    return logits, labels


def made_up_images(images: int, shape: tuple[int, ...]) -> Any:
    """Made-up test images, uint8 (images, *shape), the same each time."""
    return np.random.default_rng(0).integers(0, 256, (images, *shape)).astype(np.uint8)


def make_run(
    root: Path,
    arm: str,
    seed: int,
    errors: int = 10,
    *,
    epochs: int = 1,
    config: Mapping[str, Any] | None = None,
    metrics: Mapping[str, float] | None = None,
    environment: Mapping[str, Any] | None = None,
    dataset: Mapping[str, Any] = MNIST,
    validation: bool = True,
    evaluated: bool = True,
    curves: Sequence[CurvePoint] = (),
    picture_shape: tuple[int, ...] | None = None,
    inside: Introspection | None = None,
) -> Path:
    """Write one run folder.

    `config`, `metrics` and `environment` are laid over made-up values. Without `validation` the
    history has no such columns; without `evaluated` there are no test results. Some wrong answers'
    images are kept if they have a `picture_shape`, and what is `inside` of the network if given.
    """
    values = config_to_mapping(config_from_mapping({"arm": arm, "seed": seed, **(config or {})}))
    values["trainer"]["max_epochs"] = epochs
    values["evaluation"]["curves"] = list(dict.fromkeys(point.curve.name for point in curves))
    images = dataset["test_images"]
    accuracy = (images - errors) / images
    history = []
    for epoch in range(1, epochs + 1):
        row = {
            "epoch": epoch,
            "train/loss": round(0.2 / epoch + 0.001 * seed + 0.0002 * errors, 6),
            "train/accuracy": round(0.95 + 0.008 * epoch - 0.0001 * errors, 6),
        }
        if validation:
            row["val/loss"] = round(0.1 / epoch + 0.002 * seed + 0.0002 * errors, 6)
            row["val/accuracy"] = round(0.97 + 0.004 * epoch - 0.0002 * errors, 6)
        history.append({**row, "seconds": 8.0 + 0.1 * seed})
    made = {key: value for key, value in history[-1].items() if "/" in key}
    made |= {
        "cost/parameters": 93_322, "cost/macs": 2_794_240, "cost/pooling_operations": 29_000,
        "cost/activation_bytes": 7_000_000,
        "cost/train_seconds": round(sum(row["seconds"] for row in history), 6),
    }  # fmt: skip
    if evaluated:
        made |= {"test/accuracy": accuracy, "test/nll": round(0.02 + 0.002 * errors, 6)}
    made |= summary_metrics(curves)
    described = {
        "commit": "c0ffee" * 6 + "c0ff", "dirty": False, "python": "3.11.2",
        "platform": "Linux-x86_64", "versions": {"torch": "2.9.0", "numpy": "2.4.0"},
        "device": "cpu", "device_name": "a CPU", "threads": 1, "precision": "32-true",
        "instructions": "avx2", "deterministic": True, "dataset": dict(dataset),
        "fingerprint": "f" * 64, "started": f"2026-01-01T00:{seed:02}:00+00:00",
        "finished": f"2026-01-01T00:{seed:02}:30+00:00",
    }  # fmt: skip
    path = run_folder.run_path(root, arm, seed)
    with written(path) as folder:
        run_folder.write_config(folder, values)
        run_folder.write_history(folder, history)
        run_folder.write_json(folder / run_folder.METRICS, {**made, **(metrics or {})})
        run_folder.write_json(folder / run_folder.ENVIRONMENT, {**described, **(environment or {})})
        save_file({}, folder / run_folder.WEIGHTS)  # no weights are read here
        if evaluated:
            logits, labels = logits_with_errors(images, errors, seed)
            evaluation_files.write_predictions(folder, logits, labels)
            evaluation_files.write_curves(folder, curves)
            if picture_shape is not None:
                drawn = made_up_images(images, picture_shape)
                evaluation_files.write_pictures(folder, logits, labels, drawn)
            if inside is not None:
                evaluation_files.write_introspection(folder, inside)
    return path


def runs_of_arm(root: Path, arm: str) -> list[Run]:
    """The runs of one arm under `root`, by seed."""
    paths = sorted((root / arm).iterdir(), key=lambda path: int(path.name.removeprefix("seed-")))
    return [read_run(path) for path in paths]


@contextmanager
def altered(folder: Path) -> Iterator[Path]:
    """A run folder to change; its checksums are written anew afterwards."""
    yield folder
    run_folder.write_checksums(folder)


def curve_points(
    shift_accuracy: float = 0.9, *, layers: Sequence[str] = ("block1.convolution",), jump: int = 1
) -> list[CurvePoint]:
    """A few points of every curve, as a run of a small evaluation would have them.

    `shift_accuracy` is of moved digits, beside 0.95; `layers` have errors and a `jump` in pixels.
    """
    pixels: Any = {"unit": "pixels", "images": 500}
    moved: list[tuple[Curve, str, Any, tuple[float, ...], float]] = [
        *((Curve.shift, kind, "pixels", (-4.0, 0.0, 4.0), 0.0)
          for kind in ("horizontal", "vertical", "diagonal")),
        (Curve.rotation, "", "degrees", (0.0, 45.0, 90.0), 0.0),
        (Curve.scale, "", "factor", (0.7, 1.0, 1.5), 1.0),
    ]  # fmt: skip
    points = []
    for curve, kind, unit, values, unmoved in moved:
        for value in values:
            accuracy, lost = (0.95, 0.0) if value == unmoved else (shift_accuracy, 0.02)
            points.append(
                CurvePoint(
                    curve=curve, kind=kind, unit=unit, value=value, images=500,
                    accuracy=accuracy, nll=1 - accuracy, ink_lost=lost,
                )
            )  # fmt: skip
    points.append(
        CurvePoint(
            curve=Curve.consistency, value=4.0, **pixels,
            accuracy=shift_accuracy, nll=0.5, ink_lost=0.01, consistency=shift_accuracy + 0.01,
        )
    )  # fmt: skip
    errors: list[tuple[str, Any, float, float]] = [
        ("translation", "pixels", 1.0, 0.0 if jump == 1 else 0.5),
        ("translation", "pixels", 4.0, 0.0),
        ("rotation", "degrees", 90.0, 0.75),
        ("scale", "factor", 1.2, 0.25),
    ]
    points += [
        CurvePoint(
            curve=Curve.equivariance, kind=kind, layer=layer, unit=unit, value=value,
            jump_pixels=jump, images=500, error_interior=error, error_whole=error + 0.125,
        )
        for layer in layers for kind, unit, value, error in errors
    ]  # fmt: skip
    for side in (26.0, 28.0):
        point = CurvePoint(curve=Curve.input_size, value=side, **pixels, accuracy=0.9, nll=0.3)
        points.append(point)
    points.append(CurvePoint(curve=Curve.input_size, value=30.0, **pixels, accepted=False))
    return points


def study_values(**changes: Any) -> dict[str, Any]:
    """A small legal study's mapping; unless told otherwise it claims that the baseline is best."""
    values = {
        "name": "pooling",
        "question": "Does max pooling work better?",
        "source": 'Lecture 4, slide "Pooling"',
        "baseline": "max",
        "arms": ["average"],
        "margin": 0.10,
        **changes,
    }
    others = {*values.get("against", {}), *values.get("controls", ())}  # claim nothing of these
    predicts = {arm: "worse" for arm in values["arms"] if arm not in others}
    claims = [{"says": "Max pooling works better.", "predicts": predicts}] if predicts else []
    return {"claims": claims, **values}


LECTURE = study_values(
    name="lecture",
    baseline="lecture",
    arms=[],
    claims=[{"says": "Test accuracy 0.9921 after 5 epochs."}],
    printed={
        "train/loss": [0.1787, 0.0483, 0.0339, 0.0247, 0.0192],
        "train/accuracy": [0.9436, 0.9853, 0.9897, 0.9927, 0.9942],
        "test/nll": [0.0291],
        "test/accuracy": [0.9921],
    },
)
"""A study of a printed table, as a mapping."""


def compose_arm(
    name: str, scale: str, overrides: Sequence[str] = (), conf: Path = CONF_DIR
) -> Config:
    """One arm of `conf/arm`, composed by itself."""
    return ArmComposer(scale, conf).arm(name, overrides)


def values_of(settings: str) -> dict[str, Any]:
    """Nested values of "conv.stride=2 model.filters=[4,8]": YAML, without spaces in a value."""
    values: dict[str, Any] = {}
    for setting in settings.split():
        key, _, text = setting.partition("=")
        *groups, last = key.split(".")
        block = values
        for group in groups:
            block = block.setdefault(group, {})
        block[last] = yaml.safe_load(text)
    return values
