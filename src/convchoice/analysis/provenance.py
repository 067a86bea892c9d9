"""How a study's values were made, and cautions about what is unusual in it."""

from collections.abc import Iterable, Sequence
from typing import Any

from convchoice.analysis.result import Caution, Comparison, Dataset, Provenance
from convchoice.analysis.text import count, listed
from convchoice.analysis.verdict import FEWEST_SEEDS
from convchoice.config.field_types import flattened, within
from convchoice.errors import UserError
from convchoice.runs.run import Run

STEEP = 0.05
"""Fall of the mean training loss in the last epoch, in nats, above which an arm is unconverged: ten
times that of the lecture's fifth epoch."""
FULL_EPOCHS = 5
"""Epochs of the lecture's recipe; fewer is a small scale."""
RECORDED = (
    "epochs", "commit", "dirty", "python", "platform", "versions", "device", "device_name",
    "instructions", "cpu_capability", "tf32", "threads", "precision", "deterministic",
    "dataset.train_images", "dataset.validation_images",
)  # fmt: skip
"""Keys, and groups of keys, of `environment.json` whose distinct values are part of the result; and
the number of epochs."""


def _distinct(values: Iterable[Any]) -> list[Any]:
    """The distinct values without None, sorted."""
    distinct = {value for value in values if value is not None}
    return sorted(distinct, key=lambda value: (isinstance(value, str), value))


def dataset_of(run: Run) -> Dataset:
    """A run's data set; its fields are None where they are not recorded."""
    found = flattened(run.environment)
    return Dataset(**{key: found.get(f"dataset.{key}") for key in Dataset.model_fields})


def _one_dataset(runs: Sequence[Run]) -> Dataset:
    first, *others = runs
    ours = dataset_of(first)
    for run in others:
        for key in ("name", "digest", "test_images"):
            a, b = getattr(ours, key), getattr(dataset_of(run), key)
            if a != b:
                fix = "Use one study a data set." if key == "name" else "Train one of them again."
                raise UserError(
                    f"{first.path} and {run.path} used different data: {key} is {a!r} and {b!r}."
                    f" All arms of a study must use the same images. {fix}"
                )
    return ours


def provenance_of_runs(runs: Sequence[Run]) -> Provenance:
    """How the runs of a study were made.

    Raises:
        UserError: if two runs used different data sets, or different files of one.
    """
    made: list[dict[str, Any]] = [
        {"epochs": len(run.history), **flattened(run.environment)} for run in runs
    ]
    keys = sorted(key for key in {key for each in made for key in each} if within(key, RECORDED))
    seconds = [run.metrics.get("cost/train_seconds") for run in runs]
    return Provenance(
        runs=len(runs),
        dataset=_one_dataset(runs),
        recorded={key: _distinct(each.get(key) for each in made) for key in keys},
        train_seconds_total=None if None in seconds else sum(filter(None, seconds)),
        first_started=min(_distinct(each.get("started") for each in made), default=None),
        last_finished=max(_distinct(each.get("finished") for each in made), default=None),
    )


def _range(numbers: Sequence[Any], noun: str) -> str:
    if len(set(numbers)) == 1:
        return count(numbers[0], noun)
    return f"{min(numbers):,} to {count(max(numbers), noun)}"


def _failures(comparison: Comparison) -> list[str]:
    study, compared, failed = comparison.study, comparison.arms, comparison.failed
    found = []
    for arm, seeds in failed.items():
        reasons = "; ".join(f"seed {seed}: {reason}" for seed, reason in seeds.items())
        effect = (
            "Its results are of the other seeds only, and so too favourable."
            if arm in compared
            else "It has no results and is not compared."
        )
        found.append(f"Failed in training: {arm}, {reasons} {effect}")
    alone = [arm for arm in study.arms if arm not in compared and arm not in failed]
    if alone:
        found.append(f"Not compared, because the reference failed: {', '.join(alone)}.")
    return found


def short_training(comparison: Comparison) -> str:
    """The length of a training that is not the full one: ``2 epochs of 6,000 images``; or empty."""
    recorded, arms = comparison.provenance.recorded, comparison.arms.values()
    epochs, images = recorded.get("epochs", []), recorded.get("dataset.train_images")
    subset = any(arm.configuration.get("data.train_size") is not None for arm in arms)
    if not epochs or (max(map(int, epochs)) >= FULL_EPOCHS and not subset):
        return ""
    over = f" of {_range(images, 'image')}" if images else ""
    return f"{_range(epochs, 'epoch')}{over}"


def _scale(comparison: Comparison) -> str:
    """The scale in numbers; empty if it is the full one."""
    seeds, length = [arm.n for arm in comparison.arms.values()], short_training(comparison)
    if not length and min(seeds) >= FEWEST_SEEDS:
        return ""
    return f"Small scale: {', '.join(filter(None, [length, _range(seeds, 'seed')]))} an arm."


NETWORK = ("conv", "downsample", "model")
"""Groups of keys that together are one choice: the network. The optimiser with its keys is another
one, and so is every other key."""


def _confounded(comparison: Comparison) -> str:
    """What else differs, between an arm and its reference, than the network or one other choice."""
    found = []
    for name, arm in comparison.arms.items():
        changes = arm.differs_from_reference
        network = any(within(key, NETWORK) for key in changes)
        others = [key for key in changes if not within(key, NETWORK)]
        choices = {"optimizer" if within(key, ("optimizer",)) else key for key in others}
        if len(choices) + network > 1:
            values = [f"{key} ({changes[key].arm}, not {changes[key].reference})" for key in others]
            also = "also " if network else ""
            found.append(f"{name} differs from {arm.reference} {also}in {listed(values)}")
    if not found:
        return ""
    return f"Not one choice alone: {'; '.join(found)}. A difference may come from any of them."


def _devices(made: Provenance) -> str:
    """On what different devices, or with what different arithmetic, the runs were made."""
    names = {"device": "device", "instructions": "CPU instructions", "tf32": "use of TF32"}
    different = [
        f"{name} ({' and '.join(map(str, made.recorded[key]))})"
        for key, name in names.items()
        if len(made.recorded.get(key, [])) > 1
    ]
    if not different:
        return ""
    return (
        f"The runs differ in {', '.join(different)}: their seconds are not comparable, and their"
        " numbers differ for this reason too."
    )


def _unconverged(comparison: Comparison) -> str:
    """Arms whose training loss still fell steeply in the last epoch."""
    falling = {}
    for name, arm in comparison.arms.items():
        band = arm.learning_curves.bands.get("train/loss")
        means = [] if band is None else [mean for mean in band.mean if mean is not None]
        if len(means) > 1 and means[-2] - means[-1] > STEEP:
            falling[name] = means[-2] - means[-1]
    if not falling:
        return ""
    every = len(falling) == len(comparison.arms)
    which = "every arm" if every else listed(list(falling))
    return (
        f"Far from converged: the last epoch still lowered the training loss of {which} by up to"
        f" {max(falling.values()):.2f} nats. Differences may be in the speed of learning alone."
    )


def _amended(comparison: Comparison) -> str:
    history = comparison.definition
    if history is None or not history.amendments:
        return ""
    keys = listed([each.field for each in history.amendments])
    return f"The study's definition was amended after results: {keys}."


def cautions(comparison: Comparison) -> list[Caution]:
    """What a reader must know of a result, most important first."""
    made, missing = comparison.provenance, comparison.missing_seeds
    note, retry = made.dataset.fallback_note or "", made.dataset.retry
    hint = f" To try again: {retry}." if note and retry is not None and retry not in note else ""
    lacking = "; ".join(
        f"{arm} without seeds {', '.join(map(str, seeds))}" for arm, seeds in missing.items()
    )
    commits, dirty = (made.recorded.get(key, []) for key in ("commit", "dirty"))
    found = [
        *(("failed", text) for text in _failures(comparison)),
        ("fallback", f"{note}{hint}"),
        ("partial", lacking and f"Partial: planned runs are missing ({lacking})."),
        ("amended", _amended(comparison)),
        ("confounded", _confounded(comparison)),
        ("scale", "" if made.table else _scale(comparison)),
        ("unconverged", _unconverged(comparison)),
        ("devices", _devices(made)),
        (
            "commits",
            len(commits) > 1 and f"The runs were made by {len(commits)} different commits.",
        ),
        ("dirty", True in dirty and "Some runs were made with uncommitted changes."),
    ]
    return [Caution.model_validate({"kind": kind, "text": text}) for kind, text in found if text]
