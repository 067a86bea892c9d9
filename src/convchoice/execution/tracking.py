"""MLflow as a sink: every run is told to it, and nothing is read back for a result.

The life of an MLflow run is owned here. RUNNING while it trains, SCHEDULED between training and
evaluation (two stages, maybe two days), RUNNING while it is evaluated, then FINISHED, FAILED or
KILLED, once. MLflow is imported when a store is opened, because that alone takes seconds.
"""

import json
import logging
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from filelock import FileLock

from convchoice.records.environment import commit_state
from convchoice.records.run_folder import CONFIG, CURVES, ENVIRONMENT, HISTORY, METRICS, Run
from convchoice.settings.configuration import PROJECT_ROOT
from convchoice.settings.pairs import pair_of, shown
from convchoice.settings.schema import Config, Padding, Store, TrackingConfig

DATABASE = "mlflow.db"
ARTIFACTS = "mlartifacts"
LOCK_SECONDS = 300
KIND_TAG = "convchoice.kind"
PARENT_TAG = "mlflow.parentRunId"
DESCRIPTION = """\
Runs of **convchoice**: one arm (a network-and-training configuration) with one seed each.

Group the table by `arm` to compare means over seeds. `train/*` and `val/*` are curves over epochs,
`test/*` is measured once, at the end, and `cost/*` is what a run costs: parameters,
multiply-accumulates of one image, training seconds, bytes. Runs whose tag `convchoice.kind` is
`study` hold a whole study's comparison and figures, and those with `sweep` a sweep's, above the
runs that it made.
"""

# The second one makes the pages open on runs and curves, not on conversations with a model.
EXPERIMENT_TAGS = {
    "mlflow.note.content": DESCRIPTION,
    "mlflow.experimentKind": "custom_model_development",
}


class Tracking(Protocol):
    """What a tracking store is told."""

    def begin(self, config: Config, studies: Iterable[str], known: str | None) -> str | None:
        """A training begins, or goes on; returns the store's name for the run.

        Args:
            config: the run's configuration.
            studies: names of the studies that the arm belongs to.
            known: the store's name for the interrupted run that goes on, if it is one.
        """

    def epoch(self, run_id: str | None, row: Mapping[str, float]) -> None:
        """An epoch is over; `row` is its row of the history."""

    def trained(self, run_id: str | None) -> None:
        """The training is over and the evaluation is still to come."""

    def evaluating(self, run_id: str | None) -> None:
        """The evaluation begins."""

    def evaluated(self, run: Run) -> None:
        """A run is whole: its final metrics and files."""

    def ended_badly(self, run_id: str | None, reason: str, *, killed: bool) -> None:
        """A run failed, or was killed."""

    def study(
        self, name: str, dataset: str, numbers: Mapping[str, float], files: Iterable[Path]
    ) -> None:
        """A study was compared: its data set's title, numbers and files."""

    def sweep(self, name: str, command: str, known: str | None) -> str | None:
        """A sweep begins, or goes on; returns the store's name for the run above its runs.

        Args:
            name: of the sweep.
            command: with which it was started.
            known: the store's name for it, if it was begun before.
        """

    def sweep_ended(
        self, run_id: str | None, status: str, numbers: Mapping[str, float], files: Iterable[Path]
    ) -> None:
        """A sweep is over: FINISHED, FAILED or KILLED, its comparison's numbers and files."""


class NoTracking:
    """Tells nobody."""

    def begin(self, config: Config, studies: Iterable[str], known: str | None) -> str | None:
        """Nothing to tell."""

    def epoch(self, run_id: str | None, row: Mapping[str, float]) -> None:
        """Nothing to tell."""

    def trained(self, run_id: str | None) -> None:
        """Nothing to tell."""

    def evaluating(self, run_id: str | None) -> None:
        """Nothing to tell."""

    def evaluated(self, run: Run) -> None:
        """Nothing to tell."""

    def ended_badly(self, run_id: str | None, reason: str, *, killed: bool) -> None:
        """Nothing to tell."""

    def study(
        self, name: str, dataset: str, numbers: Mapping[str, float], files: Iterable[Path]
    ) -> None:
        """Nothing to tell."""

    def sweep(self, name: str, command: str, known: str | None) -> str | None:
        """Nothing to tell."""

    def sweep_ended(
        self, run_id: str | None, status: str, numbers: Mapping[str, float], files: Iterable[Path]
    ) -> None:
        """Nothing to tell."""


def parameters_of(config: Config) -> dict[str, Any]:
    """The short, flat parameters that people group and filter runs by."""
    padding = config.conv.padding
    return {
        "arm": config.arm,
        "seed": config.seed,
        "downsample": config.downsample.operator.name,
        "window": config.downsample.window,
        "first_layer": config.model.first_layer.name,
        "kernel_size": shown(pair_of(config.conv.kernel_size)),
        "padding": padding.name if isinstance(padding, Padding) else shown(pair_of(padding)),
        "padding_mode": config.conv.padding_mode.name,
        "stride": shown(pair_of(config.conv.stride)),
        "filters": "-".join(str(filters) for filters in config.model.filters),
        "head": config.model.head.name,
        "activation": config.model.activation.name,
        "optimizer": config.optimizer.name.name,
        "learning_rate": config.optimizer.learning_rate,
        "data": config.data.name.name,
        "canvas": config.data.canvas or "none",
        "rotated": config.data.rotated,
        "permutation_seed": (
            "none" if config.data.permutation_seed is None else config.data.permutation_seed
        ),
        "batch_size": config.data.batch_size,
        "max_epochs": config.trainer.max_epochs,
        "train_size": config.data.train_size or "all",
        "precision": config.trainer.precision,
    }


def default_uri(root: Path = PROJECT_ROOT) -> str:
    """The SQLite store at the project's root."""
    return f"sqlite:///{root / DATABASE}"


def open_tracking(
    config: TrackingConfig, root: Path = PROJECT_ROOT, parent: str | None = None
) -> Tracking:
    """The store that a configuration names, ready to be told, its experiment made.

    Runs are told under the run `parent`, a sweep's, if there is one.

    Processes that open a fresh SQLite store at once race in its migration, so they take turns. A
    store that cannot be opened is said in one line, and the runs go on untold.
    """
    if config.store is Store.none:
        return NoTracking()
    uri = config.uri or os.environ.get("MLFLOW_TRACKING_URI") or default_uri(root)
    try:
        with FileLock(root / f".{DATABASE}.lock", timeout=LOCK_SECONDS):
            return MlflowTracking(uri, config.experiment, root, parent)
    except Exception as error:  # noqa: BLE001 - whatever a server, a disk or a lock may come up with
        print(f"warning: MLflow at {uri} is not told: {_first_line(error)}", file=sys.stderr)
        return NoTracking()


def _artifact_folder(path: Path) -> str | None:
    """Figures lie together; the result and its pages at the top."""
    return "figures" if path.suffix == ".svg" else None


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


class MlflowTracking:
    """Tells MLflow. A store that does not answer is said once, and never stops a run.

    Args:
        uri: tracking URI; `sqlite:///…` or `http://…`.
        experiment: name of the experiment, made if it is not there.
        root: folder in which a local store keeps its artifacts.
        parent: the run under which runs are told.
    """

    def __init__(self, uri: str, experiment: str, root: Path, parent: str | None = None) -> None:
        """Open the store and its experiment."""
        # Progress bars of MLflow's own and its agent hints have no place between ours.
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        # A server that is away costs seconds, not the minutes of MLflow's own defaults.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
        import mlflow  # noqa: PLC0415 - two seconds that only a run with tracking pays
        from mlflow import entities  # noqa: PLC0415

        for name in ("mlflow.store.db.utils", "alembic"):  # its migrations, table by table
            logging.getLogger(name).setLevel(logging.WARNING)

        self._entities = entities
        self._client = mlflow.MlflowClient(tracking_uri=uri)
        self._silenced = False
        self._parent = parent
        self._commit, self._dirty = commit_state(root)
        found = self._client.get_experiment_by_name(experiment)
        if found is None:
            artifacts = str(root / ARTIFACTS) if uri.startswith("sqlite:") else None
            self._experiment = self._client.create_experiment(
                experiment, artifact_location=artifacts
            )
            for key, value in EXPERIMENT_TAGS.items():
                self._client.set_experiment_tag(self._experiment, key, value)
        else:
            self._experiment = found.experiment_id

    def begin(self, config: Config, studies: Iterable[str], known: str | None) -> str | None:
        """Make the run with its parameters and tags, or go on with the one that is `known`."""
        run_id = None
        with self._patience():
            if known is not None and self._knows(known):
                self._client.update_run(known, status="RUNNING")
                if self._parent:
                    self._client.set_tag(known, PARENT_TAG, self._parent)
                return known
            tags = {
                KIND_TAG: "run",
                "arm": str(config.arm),
                "seed": str(config.seed),
                "stage": "train",
                "study": ",".join(studies),
                "mlflow.source.name": "convchoice.train",
                "mlflow.source.git.commit": self._commit,
                "git.dirty": str(self._dirty).lower(),
            }
            if self._parent:
                tags[PARENT_TAG] = self._parent
            name = f"{config.arm}/seed-{config.seed}"
            run_id = self._make(name, tags, parameters_of(config))
        return run_id  # noqa: RET504 - the block may end early, with the exception swallowed

    def _make(self, name: str, tags: Mapping[str, str], parameters: Mapping[str, Any]) -> str:
        run = self._client.create_run(self._experiment, run_name=name, tags=dict(tags))
        run_id = str(run.info.run_id)
        params = [self._entities.Param(key, str(value)) for key, value in parameters.items()]
        with self._closed_on_failure(run_id):
            self._client.log_batch(run_id, params=params)
        return run_id

    def _knows(self, run_id: str) -> bool:
        found = self._client.search_runs(
            [self._experiment], filter_string=f"attributes.run_id = '{run_id}'"
        )
        return bool(found)

    def _metrics(self, run_id: str, numbers: Mapping[str, float], step: int) -> None:
        now = int(time.time() * 1000)
        metrics = [
            self._entities.Metric(key, float(value), now, step) for key, value in numbers.items()
        ]
        self._client.log_batch(run_id, metrics=metrics)

    def epoch(self, run_id: str | None, row: Mapping[str, float]) -> None:
        """Log the epoch's numbers at the step that bears the epoch's number."""
        if run_id is None:
            return
        with self._patience():
            numbers = {key: value for key, value in row.items() if "/" in key}
            self._metrics(run_id, numbers, int(row["epoch"]))

    def trained(self, run_id: str | None) -> None:
        """Leave the run waiting for its evaluation; RUNNING would be a lie."""
        if run_id is not None:
            with self._patience():
                self._client.update_run(run_id, status="SCHEDULED")

    def evaluating(self, run_id: str | None) -> None:
        """RUNNING for the time of it; a run that was evaluated before is opened again."""
        if run_id is not None:
            with self._patience():
                if self._knows(run_id):
                    self._client.update_run(run_id, status="RUNNING")

    def evaluated(self, run: Run) -> None:
        """Log the final numbers, the data set and the run folder's small files; then FINISHED."""
        run_id = run.mlflow_run_id
        if run_id is None:
            return
        with self._patience():
            if not self._knows(run_id):
                return  # the folder comes from elsewhere
            final = {
                key: value
                for key, value in run.metrics.items()
                if key.startswith(("test/", "cost/"))
            }
            with self._closed_on_failure(run_id):
                self._metrics(run_id, final, len(run.history))
                self._client.set_tag(run_id, "stage", "evaluate")
                self._log_dataset(run_id, run.environment["dataset"])
                for name in (CONFIG, HISTORY, METRICS, ENVIRONMENT, CURVES):
                    if (run.path / name).is_file():  # not every evaluation measures curves
                        self._client.log_artifact(run_id, str(run.path / name))
                self._client.set_terminated(run_id, "FINISHED")

    def _log_dataset(self, run_id: str, dataset: Mapping[str, Any]) -> None:
        described = self._entities.Dataset(
            name=dataset["name"],
            digest=dataset["digest"][:32],
            source_type="convchoice",
            source=json.dumps({"title": dataset["title"], "note": dataset["fallback_note"]}),
        )
        context = [self._entities.InputTag("mlflow.data.context", "training and test")]
        self._client.log_inputs(run_id, [self._entities.DatasetInput(described, context)])
        self._client.set_tag(run_id, "dataset", dataset["title"])

    def ended_badly(self, run_id: str | None, reason: str, *, killed: bool) -> None:
        """Close the run as FAILED or KILLED, with the reason as a tag."""
        if run_id is None:
            return
        with self._patience():
            if not self._knows(run_id):
                return
            self._client.set_tag(run_id, "reason", reason)
            self._client.set_terminated(run_id, "KILLED" if killed else "FAILED")

    def study(
        self, name: str, dataset: str, numbers: Mapping[str, float], files: Iterable[Path]
    ) -> None:
        """A run of its own for the study: data set and numbers, and its files as artifacts."""
        with self._patience():
            tags = {
                KIND_TAG: "study",
                "study": name,
                "dataset": dataset,
                "stage": "report",
                "mlflow.source.name": "convchoice.report",
                "mlflow.source.git.commit": self._commit,
            }
            run_id = self._make(f"study/{name}", tags, {})
            with self._closed_on_failure(run_id):
                self._metrics(run_id, numbers, 0)
                for path in files:
                    self._client.log_artifact(run_id, str(path), _artifact_folder(path))
                self._client.set_terminated(run_id, "FINISHED")

    def sweep(self, name: str, command: str, known: str | None) -> str | None:
        """The run above a sweep's runs: made once, and gone on with when the sweep goes on."""
        run_id = None
        with self._patience():
            if known is not None and self._knows(known):
                self._client.update_run(known, status="RUNNING")
                return known
            tags = {
                KIND_TAG: "sweep",
                "stage": "sweep",
                "command": command,
                "mlflow.note.content": f"The sweep `{name}`, started with\n\n    {command}\n",
                "mlflow.source.name": "convchoice.train",
                "mlflow.source.git.commit": self._commit,
            }
            run_id = self._make(f"sweep/{name}", tags, {})
        return run_id  # noqa: RET504 - the block may end early, with the exception swallowed

    def sweep_ended(
        self, run_id: str | None, status: str, numbers: Mapping[str, float], files: Iterable[Path]
    ) -> None:
        """Log the comparison's numbers and files, and close the run above the sweep's runs."""
        if run_id is None:
            return
        with self._patience():
            if not self._knows(run_id):
                return
            with self._closed_on_failure(run_id):
                if numbers:
                    self._metrics(run_id, numbers, 0)
                for path in files:
                    self._client.log_artifact(run_id, str(path), _artifact_folder(path))
                self._client.set_terminated(run_id, status)

    @contextmanager
    def _patience(self) -> Iterator[None]:
        """Say the first failure of the store, and go on: a training is worth more than its echo."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever a server or a disk may come up with
            if not self._silenced:
                self._silenced = True
                told = _first_line(error)
                print(f"warning: MLflow was not told everything: {told}", file=sys.stderr)

    @contextmanager
    def _closed_on_failure(self, run_id: str) -> Iterator[None]:
        """Where telling breaks off, try to leave the run FAILED: RUNNING would be a lie."""
        try:
            yield
        except Exception:
            with suppress(Exception):
                self._client.set_terminated(run_id, "FAILED")
            raise
