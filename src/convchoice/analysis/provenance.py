"""How a study's values were made, and cautions about what is unusual in it.

Collects `environment.json` and the configurations of all runs as sets of distinct values.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from convchoice.analysis.result import Caution, Dataset, Provenance
from convchoice.analysis.text import count
from convchoice.analysis.verdict import FEWEST_SEEDS
from convchoice.errors import UserError
from convchoice.runs.run import Run

FULL_EPOCHS = 5
"""Epochs of the lecture's recipe; fewer is a small scale."""
DATASET_KEYS = tuple(Dataset.model_fields)
RECORDED = {
    "commits": "commit",
    "dirty": "dirty",
    "pythons": "python",
    "platforms": "platform",
    "devices": "device",
    "device_names": "device_name",
    "threads": "threads",
    "precisions": "precision",
    "deterministic": "deterministic",
}
"""Fields of `Provenance` by the key in `environment.json` whose distinct values they hold."""


def _distinct(values: Iterable[Any]) -> list[Any]:
    """The distinct values without None, sorted."""
    distinct = {value for value in values if value is not None}
    return sorted(distinct, key=lambda value: (isinstance(value, str), value))


def dataset_name(run: Run) -> str | None:
    """The name of a run's data set; None where it is not recorded."""
    name = (run.environment.get("dataset") or {}).get("name")
    return None if name is None else str(name)


def dataset_of(runs: Sequence[Run]) -> Dataset:
    """The one data set of all runs.

    Raises:
        UserError: if two runs used different data sets, or different files of one.
    """
    first = runs[0]
    ours = first.environment.get("dataset") or {}
    for run in runs[1:]:
        theirs = run.environment.get("dataset") or {}
        for key in ("name", "digest", "test_images"):
            if ours.get(key) != theirs.get(key):
                fix = "Use one study a data set." if key == "name" else "Train one of them again."
                raise UserError(
                    f"{first.path} and {run.path} used different data: {key} is"
                    f" {ours.get(key)!r} and {theirs.get(key)!r}. All arms of a study must use the"
                    f" same images. {fix}"
                )
    return Dataset(**{key: ours.get(key) for key in DATASET_KEYS})


def provenance_of_runs(runs: Sequence[Run]) -> Provenance:
    """How the runs of a study were made.

    Raises:
        UserError: if they did not all use the same data.
    """
    environments = [run.environment for run in runs]
    datasets = [environment.get("dataset") or {} for environment in environments]
    packages = sorted({name for item in environments for name in item.get("versions") or {}})
    seconds = [run.metrics.get("cost/train_seconds") for run in runs]
    recorded: dict[str, Any] = {
        field: _distinct(item.get(key) for item in environments) for field, key in RECORDED.items()
    }
    return Provenance(
        runs=len(runs),
        dataset=dataset_of(runs),
        epochs=_distinct(len(run.history) for run in runs),
        training_images=_distinct(item.get("train_images") for item in datasets),
        validation_images=_distinct(item.get("validation_images") for item in datasets),
        versions={
            name: _distinct((item.get("versions") or {}).get(name) for item in environments)
            for name in packages
        },
        train_seconds_total=None if None in seconds else sum(filter(None, seconds)),
        first_started=min(_distinct(item.get("started") for item in environments), default=None),
        last_finished=max(_distinct(item.get("finished") for item in environments), default=None),
        **recorded,
    )


def _range(numbers: Sequence[int], noun: str) -> str:
    if len(set(numbers)) == 1:
        return count(numbers[0], noun)
    return f"{min(numbers):,} to {count(max(numbers), noun)}"


def partial_caution(missing_seeds: Mapping[str, Sequence[int]]) -> list[Caution]:
    """The caution about seeds without a run; none if all have one."""
    if not missing_seeds:
        return []
    arms = "; ".join(
        f"{arm} without seeds {', '.join(map(str, seeds))}" for arm, seeds in missing_seeds.items()
    )
    return [Caution(kind="partial", text=f"Partial: planned runs are missing ({arms}).")]


def failed_cautions(
    asked: Sequence[str], compared: Sequence[str], failed: Mapping[str, Mapping[int, str]]
) -> list[Caution]:
    """Cautions about runs that failed in training.

    Args:
        asked: the study's arms.
        compared: those that have results.
        failed: reasons by arm and seed.
    """
    found = []
    for arm, seeds in failed.items():
        reasons = "; ".join(f"seed {seed}: {reason}" for seed, reason in seeds.items())
        effect = (
            "Its results are of the other seeds only, and so too favourable."
            if arm in compared
            else "It has no results and is not compared."
        )
        found.append(Caution(kind="failed", text=f"Failed in training: {arm}, {reasons} {effect}"))
    alone = [arm for arm in asked if arm not in compared and arm not in failed]
    if alone:
        text = f"Not compared, because the reference failed: {', '.join(alone)}."
        found.append(Caution(kind="failed", text=text))
    return found


def cautions(
    made: Provenance,
    seed_counts: Sequence[int],
    missing_seeds: Mapping[str, Sequence[int]],
    *,
    subset: bool,
) -> list[Caution]:
    """What a reader must know, most important first.

    Args:
        made: how the runs were made.
        seed_counts: seeds of each arm.
        missing_seeds: by arm, planned seeds without a run.
        subset: whether an arm was trained on a part of the training images.
    """
    found: list[Caution] = []
    note, retry = made.dataset.fallback_note, made.dataset.retry
    if note:
        hint = f" To try again: {retry}." if retry is not None and retry not in note else ""
        found.append(Caution(kind="fallback", text=f"{note}{hint}"))
    found += partial_caution(missing_seeds)
    if max(made.epochs) < FULL_EPOCHS or subset or min(seed_counts) < FEWEST_SEEDS:
        images = made.training_images
        over = f" over {_range(images, 'training image')}" if images else ""
        scale = f"{_range(made.epochs, 'epoch')}{over}, {_range(seed_counts, 'seed')} an arm"
        found.append(Caution(kind="scale", text=f"Small scale: {scale}."))
    if len(made.devices) > 1:
        text = f"The runs used {' and '.join(made.devices)}: their seconds are not comparable."
        found.append(Caution(kind="devices", text=text))
    if len(made.commits) > 1:
        text = f"The runs were made by {len(made.commits)} different commits."
        found.append(Caution(kind="commits", text=text))
    if True in made.dirty:
        text = "Some runs were made with uncommitted changes."
        found.append(Caution(kind="dirty", text=text))
    return found
