"""An experiment in an MLflow store: find runs, log each once.

MLflow is imported when a store is opened, because the import takes two seconds.
"""

import logging
import os
import sqlite3
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from convchoice import PROJECT_ROOT
from convchoice.config.schema import TrackingConfig
from convchoice.errors import UserError, install_extra
from convchoice.runs.locks import WaitingLock
from convchoice.tracking.mlflow_entry import ARM, ID, Entry, arm_entry
from convchoice.tracking.saved_views import experiment_tags

KIND = "convchoice.kind"
CONTENT = "convchoice.content"  # digest of all that was logged; set last: complete runs have it
PARENT = "mlflow.parentRunId"
URI = "MLFLOW_TRACKING_URI"
EXPERIMENT = "MLFLOW_EXPERIMENT_NAME"
DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
BATCH = 1000  # the most metrics that MLflow accepts in one call
DEFAULTS = {
    # MLflow's progress bars and links would interrupt the progress display of this project.
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # A server that is down costs seconds, not the minutes of MLflow's own defaults.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}


class TrackingError(UserError):
    """An MLflow store that cannot be used."""


def import_mlflow(**variables: str) -> Any:
    """MLflow without its own messages; `variables` and `DEFAULTS` are set if the user has not."""
    for key, value in (DEFAULTS | variables).items():
        os.environ.setdefault(key, value)
    import mlflow  # noqa: PLC0415 - two seconds

    for name in ("mlflow.store.db.utils", "mlflow.pyfunc", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return mlflow


class MlflowStore:
    """One experiment of an MLflow store.

    Attributes:
        uri: the tracking URI. It may hold a password: never print it.
        client: MLflow's.
        experiment_id: of the experiment.
        lock: serialises the processes that write to an SQLite file; may be acquired repeatedly.
    """

    def __init__(self, settings: TrackingConfig) -> None:
        """Open the store; create an SQLite file and the experiment if they do not exist.

        Raises:
            TrackingError: if the SQLite file, its schema or the experiment cannot be used.
            Exception: whatever MLflow raises for a server or a database.
        """
        mlflow = import_mlflow()
        self._entities = mlflow.entities
        self.uri = store_uri(settings.uri)
        name = settings.experiment or os.environ.get(EXPERIMENT) or "convchoice"
        path = sqlite_path(self.uri)
        self.lock = sqlite_lock(path) if path else nullcontext()
        folder = path.absolute().parent if path else PROJECT_ROOT
        with self.lock:
            try:
                self.client = mlflow.MlflowClient(tracking_uri=self.uri)
                self.experiment_id = self._experiment(name, folder / "mlartifacts")
            except (mlflow.MlflowException, ModuleNotFoundError) as error:
                raise advice(error, self.uri) or error from error

    def _experiment(self, name: str, artifacts: Path) -> str:
        """The id of an experiment, which is created if there is none of this name."""
        found = self.client.get_experiment_by_name(name)
        if found is None:
            place = str(artifacts) if self.uri.startswith(DATABASES) else None  # a server knows
            try:
                return str(self.client.create_experiment(name, place, experiment_tags()))
            except Exception:  # another machine may have created it at the same time
                if (found := self.client.get_experiment_by_name(name)) is None:
                    raise
        number = found.experiment_id
        if found.lifecycle_stage != "active":
            raise TrackingError(
                f"the MLflow experiment {name!r} was deleted. Restore it (mlflow experiments"
                f" restore --experiment-id {number}), remove it for good (mlflow gc"
                f" --backend-store-uri URI --experiment-ids {number}) or use another:"
                " tracking.experiment=NAME"
            )
        return str(number)

    def update_experiment(self) -> None:
        """Give an experiment of an earlier version the present description and views."""
        with self.lock:
            for key, value in experiment_tags().items():
                self.client.set_experiment_tag(self.experiment_id, key, value)

    def search(self, conditions: str) -> list[Any]:
        """All runs of the experiment that meet MLflow's conditions, the oldest first."""
        return search(self.client, self.experiment_id, conditions)

    def find(self, identity: str) -> Any | None:
        """The run with this id tag; of several, a complete one."""
        found = self.search(f"tags.`{ID}` = '{identity}'")
        found.sort(key=lambda run: (CONTENT not in run.data.tags, run.info.run_id))
        return found[0] if found else None

    def log(self, entry: Entry) -> tuple[str, bool]:
        """Make MLflow's run agree with an entry; a second call with the same entry does nothing.

        The digest of its content comes last: a run without it was interrupted, and the next call
        completes it. MLflow stores the same point of a curve once, however often it is logged.

        Returns:
            The run's id, and whether anything was logged.
        """
        with self.lock:
            found, content, make = self.find(entry.id), entry.content(), self._entities
            if found is not None and found.data.tags.get(CONTENT) == content:
                return str(found.info.run_id), False
            if found is None:
                tags = {ID: entry.id, KIND: entry.kind}
                found = self.client.create_run(self.experiment_id, entry.start, tags, entry.name)
            run_id = str(found.info.run_id)
            self.client.set_terminated(run_id, entry.status, entry.end)
            # The value of a parameter never changes.
            new = {k: str(v) for k, v in entry.parameters.items() if k not in found.data.params}
            self.client.log_batch(run_id, params=[make.Param(key, new[key]) for key in new])
            metrics = [make.Metric(p.key, p.value, p.time, p.step) for p in entry.points]
            for start in range(0, len(metrics), BATCH):
                self.client.log_batch(run_id, metrics=metrics[start : start + BATCH])
            if entry.dataset:
                self._log_dataset(run_id, *entry.dataset)
            for path in entry.files:
                folder = "figures" if path.suffix == ".svg" else None
                self.client.log_artifact(run_id, str(path), folder)
            for name, text in entry.texts.items():
                self.client.log_text(run_id, text, name)
            first = self.find(entry.id)
            if first and first.info.run_id != run_id:  # logged by another machine meanwhile
                self.client.delete_run(run_id)
                return str(first.info.run_id), False
            tags = {**entry.tags, CONTENT: content}
            self.client.log_batch(run_id, tags=[make.RunTag(key, tags[key]) for key in tags])
            return run_id, True

    def _log_dataset(self, run_id: str, name: str, digest: str, source: str) -> None:
        described = self._entities.Dataset(name, digest, "convchoice", source)
        context = [self._entities.InputTag("mlflow.data.context", "training and test")]
        inputs = [self._entities.DatasetInput(described, context)]
        try:
            self.client.log_inputs(run_id, inputs)
        except Exception:  # noqa: BLE001 - MLflow refuses one of two that log a new one at once
            self.client.log_inputs(run_id, inputs)

    def update_arm(self, arm_id: str) -> bool:
        """Log the means over an arm's runs, as MLflow has them, and nest the runs below the arm.

        Returns:
            Whether the means have changed.
        """
        with self.lock:
            runs = self.search(f"tags.`{ARM}` = '{arm_id}' AND tags.`{KIND}` = 'run'")
            parent, changed = self.log(arm_entry(arm_id, runs))
            for run in runs:
                if run.data.tags.get(PARENT) != parent:
                    self.client.set_tag(run.info.run_id, PARENT, parent)
        return changed


def store_uri(uri: str | None) -> str:
    """The tracking URI that is given, else that of the environment, else the project's own."""
    return uri or os.environ.get(URI) or f"sqlite:///{PROJECT_ROOT / 'mlflow.db'}"


def search(client: Any, experiment_id: str, conditions: str) -> list[Any]:
    """All runs of an experiment that meet MLflow's conditions, the oldest first."""
    found, token = list[Any](), None
    while token != "":
        page = client.search_runs([experiment_id], conditions, max_results=BATCH, page_token=token)
        found += page
        token = page.token or ""
    return sorted(found, key=lambda run: (run.info.start_time, run.info.run_id))


def sqlite_path(uri: str) -> Path | None:
    """The file of an SQLite URI; None for any other store."""
    from sqlalchemy.engine import make_url  # noqa: PLC0415 - slow

    database = make_url(uri).database if uri.startswith("sqlite:") else None
    return None if database in {None, "", ":memory:"} else Path(str(database))


def missing_store(uri: str) -> Path | None:
    """The file or folder of a store that is not there, and that MLflow would create; else None."""
    parts = urlsplit(uri)
    is_folder = parts.scheme in {"", "file"} and uri != "databricks"
    path = Path(unquote(parts.path)) if is_folder else sqlite_path(uri)
    return None if path is None or path.exists() else path


def sqlite_lock(path: Path) -> AbstractContextManager[Any]:
    """The lock of an SQLite file, which is created if it does not exist.

    MLflow would retry a file that cannot be opened for two minutes. Its migrations of a new file
    commit one by one: a process that is killed in between would leave a file that nothing can open,
    so the file gets its name when it is complete.

    Raises:
        TrackingError: naming the file.
    """
    lock = WaitingLock(f"{path}.lock", timeout=300)
    try:  # filelock would wait where no file can be created, such as in /proc
        Path(lock.lock_file).touch()
    except OSError as error:
        raise TrackingError(f"{path}: cannot be written: {error.strerror}.") from error
    if path.exists():
        try:
            with closing(sqlite3.connect(path, timeout=20)) as connection:
                connection.execute("SELECT count(*) FROM sqlite_master")
        except sqlite3.Error as error:
            problem = f"{path}: cannot be opened as an SQLite database: {error}."
            raise TrackingError(problem) from error
        return lock
    from mlflow import MlflowClient  # noqa: PLC0415 - slow

    partial = path.with_name(f"{path.name}.partial")
    with lock:
        if not path.exists():  # another process may have created it
            for leftover in path.parent.glob(f"{partial.name}*"):
                leftover.unlink()
            MlflowClient(tracking_uri=f"sqlite:///{partial.absolute()}").search_experiments()
            partial.rename(path)
    return lock


def advice(error: Exception, uri: str) -> TrackingError | None:
    """What to do about a missing driver, or a database of another MLflow; None for another error.

    MLflow calls every other schema "out-of-date", that of a newer version as well.
    """
    import mlflow  # noqa: PLC0415 - imported already

    if isinstance(error, ModuleNotFoundError):
        install = f"{install_extra('server')}. The URI is then postgresql+psycopg2://…"
        server = "Install it, or use a server: http://HOST:PORT."
        fix = install if uri.startswith("postgres") else server
        what = f"the Python package {error.name}, the driver of this database, is not installed"
        return TrackingError(f"{what}. {fix}")
    _, outdated, rest = str(error).partition("out-of-date database schema (found version ")
    if not outdated:
        return None
    migrations = Path(mlflow.__file__).parent / "store" / "db_migrations" / "versions"
    older = any(migrations.glob(f"{rest.partition(',')[0]}_*.py"))
    what = "an older MLflow" if older else f"a newer MLflow than {mlflow.__version__}"
    another = f"Install that version, or use another database: {URI}=sqlite:////path/to/another.db."
    fix = "Back it up, then run: mlflow db upgrade URI." if older else another
    return TrackingError(f"the database was made by {what}. {fix}")
