"""How a study's values were made."""

from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import Field, TypeAdapter

from convchoice.analysis.result_types import Count, Model
from convchoice.config.datasets import DIGITS, MNIST
from convchoice.config.field_types import flattened, within
from convchoice.errors import UserError
from convchoice.runs.run import Run, reading
from convchoice.runs.run_folder import ENVIRONMENT

RECORDED = (
    "epochs", "commit", "dirty", "python", "platform", "versions", "device", "device_name",
    "instructions", "cpu_capability", "tf32", "threads", "precision", "deterministic",
    "dataset.train_images", "dataset.validation_images", "dataset.shared_images",
)  # fmt: skip
"""Keys, and groups of keys, of `environment.json` whose distinct values are part of the result; and
the number of epochs."""
_VALUES = TypeAdapter(dict[str, bool | int | str | None])
_COUNTS = TypeAdapter(dict[str, int | None])
_TIMES = TypeAdapter(dict[str, str | None])


class Dataset(Model):
    """The data set of all runs."""

    name: str | None = Field(default=None, description="Name in the configuration.")
    title: str | None = Field(default=None, description="Name for people.")
    class_names: list[str] | None = Field(default=None, description="Names of the classes.")
    digest: str | None = Field(default=None, description="SHA-256 of the data.")
    test_images: Count | None = Field(default=None, description="Images of the test set.")
    fallback_note: str | None = Field(default=None, description="Why another one was used.")
    retry: str | None = Field(default=None, description="Command that tries again.")

    @property
    def shows_digits(self) -> bool:
        """Whether its images are handwritten digits of 28×28 pixels."""
        return self.name in {MNIST.name, DIGITS.name}


class Table(Model):
    """The table that a comparison was made from."""

    files: list[str] = Field(description="File names.")
    digest: str = Field(description="SHA-256 of the files' bytes.")


class Provenance(Model):
    """How the values were made."""

    runs: Count = Field(description="Number of runs, or of values in a table.")
    dataset: Dataset = Field(description="The data set.")
    table: Table | None = Field(default=None, description="The table; null for run folders.")
    recorded: dict[str, list[bool | int | str]] = Field(
        default={}, description="Distinct values over all runs, by key of `environment.json`."
    )
    train_seconds_total: float | None = Field(default=None, description="Of all trainings.")
    first_started: str | None = Field(default=None, description="First training, ISO 8601.")
    last_finished: str | None = Field(default=None, description="Last training, ISO 8601.")
    taken_over: list[str] = Field(
        default=[],
        description="Keys whose values are those of an earlier result of the same runs, because"
        " the published files lack what they are computed from.",
    )


def _distinct(values: Iterable[Any]) -> list[Any]:
    """The distinct values without None, sorted."""
    distinct = {value for value in values if value is not None}
    return sorted(distinct, key=lambda value: (isinstance(value, str), value))


def dataset_of(run: Run) -> Dataset:
    """A run's data set; its fields are None where they are not recorded."""
    found = flattened(run.environment)
    with reading(run.path / ENVIRONMENT, "an environment"):
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


def _made(run: Run) -> dict[str, Any]:
    """What a result records of one run, by dotted key, and its times."""
    found = {"epochs": len(run.history), **flattened(run.environment)}
    with reading(run.path / ENVIRONMENT, "an environment"):
        images = ("dataset.train_images", "dataset.validation_images")
        _COUNTS.validate_python({key: found.get(key) for key in images}, strict=True)
        _TIMES.validate_python({key: found.get(key) for key in ("started", "finished")})
        _VALUES.validate_python({key: found[key] for key in found if within(key, RECORDED)})
    return found


def provenance_of_runs(runs: Sequence[Run]) -> Provenance:
    """How the runs of a study were made.

    Raises:
        RunFolderError: for a value that no run records.
        UserError: if two runs used different data sets, or different files of one.
    """
    made = [_made(run) for run in runs]
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
