"""How a study's numbers were made, and what a reader must know before believing them.

Gathers `environment.json` and the configurations over all runs of a study into sets of values, and
turns what is unusual about them into cautions. States facts; grades nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from convchoice.analysis.verdict import FEWEST_SEEDS
from convchoice.errors import UserError
from convchoice.runs.run import Run

FULL_EPOCHS = 5
"""Epochs of the lecture's own recipe; fewer is said to be small."""


def _values(found: Iterable[Any]) -> list[Any]:
    """The distinct values, None left out, sorted."""
    distinct = {value for value in found if value is not None}
    return sorted(distinct, key=lambda value: (isinstance(value, str), value))


def dataset_name(run: Run) -> str | None:
    """The name of the data set that a run used; None where it is not recorded."""
    name = (run.environment.get("dataset") or {}).get("name")
    return None if name is None else str(name)


def dataset_of(runs: Sequence[Run]) -> dict[str, Any]:
    """The one data set that every run of a study used.

    Raises:
        UserError: if two runs used different data sets, or different files of one.
    """
    first = runs[0]
    ours = first.environment.get("dataset") or {}
    for run in runs[1:]:
        theirs = run.environment.get("dataset") or {}
        for key in ("name", "digest", "test_images"):
            if ours.get(key) != theirs.get(key):
                mend = (
                    "Ask the question of each data set in a study of its own."
                    if key == "name"
                    else "Train one of them again."
                )
                raise UserError(
                    f"{first.path} and {run.path} used different data: {key} is"
                    f" {ours.get(key)!r} and {theirs.get(key)!r}. All arms of a study must see the"
                    f" same images. {mend}"
                )
    keys = ("name", "title", "class_names", "digest", "test_images", "fallback_note", "retry")
    return {key: ours.get(key) for key in keys}


def how_made(runs: Sequence[Run]) -> dict[str, Any]:
    """What the runs of a study were made with: sets of values over all of them.

    Raises:
        UserError: if they did not all use the same data.
    """
    environments = [run.environment for run in runs]
    datasets = [environment.get("dataset") or {} for environment in environments]
    packages = sorted({name for item in environments for name in item.get("versions") or {}})
    seconds = [run.metrics.get("cost/train_seconds") for run in runs]
    return {
        "runs": len(runs),
        "epochs": _values(len(run.history) for run in runs),
        "training_images": _values(item.get("train_images") for item in datasets),
        "validation_images": _values(item.get("validation_images") for item in datasets),
        "dataset": dataset_of(runs),
        "table": None,
        "train_seconds_total": None if None in seconds else sum(filter(None, seconds)),
        **{
            plural: _values(item.get(key) for item in environments)
            for plural, key in (
                ("commits", "commit"),
                ("dirty", "dirty"),
                ("pythons", "python"),
                ("platforms", "platform"),
                ("devices", "device"),
                ("device_names", "device_name"),
                ("threads", "threads"),
                ("precisions", "precision"),
                ("deterministic", "deterministic"),
            )
        },
        "versions": {
            name: _values((item.get("versions") or {}).get(name) for item in environments)
            for name in packages
        },
        "first_started": min(_values(item.get("started") for item in environments), default=None),
        "last_finished": max(_values(item.get("finished") for item in environments), default=None),
    }


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _range(numbers: Sequence[int], noun: str) -> str:
    if len(numbers) == 1:
        return _count(numbers[0], noun)
    return f"{min(numbers):,} to {_count(max(numbers), noun)}"


def scale_facts(made: Mapping[str, Any], seed_counts: Sequence[int]) -> str:
    """Epochs, training images and seeds, as one phrase."""
    images = made["training_images"]
    over = f" over {_range(images, 'training image')}" if images else ""
    return (
        f"{_range(made['epochs'], 'epoch')}{over},"
        f" {_range(sorted(set(seed_counts)), 'seed')} an arm"
    )


def made_of_table(files: Sequence[str], digest: str, runs: int) -> dict[str, Any]:
    """The same keys where all that is known is a table of values.

    Args:
        files: names of the table's files.
        digest: SHA-256 of their bytes.
        runs: values in it.
    """
    unknown = (
        "epochs", "training_images", "validation_images", "commits", "dirty", "pythons",
        "platforms", "devices", "device_names", "threads", "precisions", "deterministic",
    )  # fmt: skip
    keys = ("name", "title", "class_names", "digest", "test_images", "fallback_note", "retry")
    return {
        "runs": runs,
        **{key: [] for key in unknown},
        "dataset": {**dict.fromkeys(keys), "title": f"the table {', '.join(files)}"},
        "table": {"files": list(files), "digest": digest},
        "train_seconds_total": None,
        "versions": {},
        "first_started": None,
        "last_finished": None,
    }


def partial_caution(missing_seeds: Mapping[str, Sequence[int]]) -> list[dict[str, str]]:
    """What must be said where seeds have no run; nothing where all have."""
    if not missing_seeds:
        return []
    arms = "; ".join(
        f"{arm} without seeds {', '.join(map(str, seeds))}" for arm, seeds in missing_seeds.items()
    )
    return [{"kind": "partial", "text": f"Partial: not every planned run is there ({arms})."}]


def failed_cautions(
    asked: Sequence[str], compared: Sequence[str], failed: Mapping[str, Mapping[int, str]]
) -> list[dict[str, str]]:
    """What must be said where runs failed in training; nothing where none did.

    Args:
        asked: the arms of the question.
        compared: those that have numbers.
        failed: reasons by arm and seed.
    """
    found = []
    for arm, seeds in failed.items():
        reasons = "; ".join(f"seed {seed}: {reason}" for seed, reason in seeds.items())
        means = (
            "Its numbers are of its other seeds alone, and so kinder to it than the truth."
            if arm in compared
            else "It has no numbers and is compared with nothing."
        )
        found.append({"kind": "failed", "text": f"Failed in training: {arm}, {reasons} {means}"})
    alone = [arm for arm in asked if arm not in compared and arm not in failed]
    if alone:
        text = f"Not compared, because the partner failed: {', '.join(alone)}."
        found.append({"kind": "failed", "text": text})
    return found


def cautions(
    made: Mapping[str, Any],
    seed_counts: Mapping[str, int],
    missing_seeds: Mapping[str, Sequence[int]],
    configurations: Iterable[Mapping[str, Any]],
) -> list[dict[str, str]]:
    """What a reader must know first, most important first.

    Args:
        made: as `how_made` gives it.
        seed_counts: seeds an arm.
        missing_seeds: expected seeds without a run, by arm.
        configurations: flattened, one an arm.

    Returns:
        ``kind`` (a word for programs) and ``text`` (a sentence) each.
    """
    found: list[dict[str, str]] = []

    def say(kind: str, text: str) -> None:
        found.append({"kind": kind, "text": text})

    dataset = made["dataset"]
    if dataset["fallback_note"]:
        note, retry = dataset["fallback_note"], dataset["retry"]
        untold = retry is not None and retry not in note
        say("fallback", f"{note} To try again: {retry}." if untold else note)
    found += partial_caution(missing_seeds)
    counts = list(seed_counts.values())
    subset = any(item.get("data.train_size") is not None for item in configurations)
    few_epochs = max(made["epochs"]) < FULL_EPOCHS
    if few_epochs or subset or min(counts) < FEWEST_SEEDS:
        say("scale", f"Small scale: {scale_facts(made, counts)}.")
    if len(made["devices"]) > 1:
        say(
            "devices",
            f"Runs were made on {' and '.join(made['devices'])}: their seconds do not compare.",
        )
    if len(made["commits"]) > 1:
        say("commits", f"Runs were made by {len(made['commits'])} different commits.")
    if True in made["dirty"]:
        say("dirty", "Some runs were made with changes that were not committed.")
    return found
