"""An MLflow store with one experiment in it: found or made, searched, written to in batches.

Nothing here knows what a run's life is; `life` does. MLflow is imported when a store is opened,
because that alone takes two seconds.
"""

import logging
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convchoice.tracking.labels import IDENTITY_TAG, KIND_TAG, OWNER_TAG, REASON_TAG, Kind
from convchoice.tracking.owner import gone, machine, this_process

ARTIFACTS = "mlartifacts"
BATCH_METRICS = 1000
"""MLflow takes no more of them at once."""
PAGE_RUNS = 1000
DESCRIPTION = """\
Runs of **convchoice**: one arm (a network-and-training configuration) with one seed each.

- **`max`, `average`, …**: an arm, with the means over its seeds (and `test/accuracy_sd`, their \
spread); its seeds, `max/seed-0` and so on, are nested below it. Group the table by the parameter \
`arm` for the same means, or choose some arms and *Compare*.
- **`study/…`**: a study's verdict, its comparison and its figures.
- `train/*` and `val/*` are curves over epochs, `test/*` is measured once, at the end, `cost/*` \
is what a run costs: parameters, multiply-accumulates of one image, training seconds, bytes. \
`system/*` is the machine while it trained.

Only runs, no means: filter by `tags."convchoice.kind" = 'run'`.
"""

# The second one makes the pages open on runs and curves, not on conversations with a model.
EXPERIMENT_TAGS = {
    "mlflow.note.content": DESCRIPTION,
    "mlflow.experimentKind": "custom_model_development",
}


@dataclass(frozen=True)
class Point:
    """A number at a step, such as an epoch, and when it was measured."""

    key: str
    value: float
    step: int
    milliseconds: int


def _quieten() -> None:
    # Progress bars of MLflow's own and its agent hints have no place between ours.
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    # A server that is away costs seconds, not the minutes of MLflow's own defaults.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    for name in ("mlflow.store.db.utils", "alembic"):  # its migrations, table by table
        logging.getLogger(name).setLevel(logging.WARNING)


class MlflowStore:
    """One experiment of an MLflow store.

    Args:
        uri: tracking URI; `sqlite:///…` or `http://…`.
        experiment: name of the experiment, made if it is not there.
        root: folder in which a local store keeps its artifacts.

    Attributes:
        uri: the tracking URI.
        client: MLflow's own.
        experiment_id: of the experiment.
    """

    def __init__(self, uri: str, experiment: str, root: Path) -> None:
        """Open the store and its experiment."""
        _quieten()
        import mlflow  # noqa: PLC0415 - two seconds that only a run with tracking pays
        from mlflow import entities  # noqa: PLC0415

        self.uri = uri
        self.client = mlflow.MlflowClient(tracking_uri=uri)
        self._entities = entities
        found = self.client.get_experiment_by_name(experiment)
        if found is None:
            artifacts = str(root / ARTIFACTS) if uri.startswith("sqlite:") else None
            self.experiment_id = self._made_experiment(experiment, artifacts)
        else:
            self.experiment_id = str(found.experiment_id)

    def _made_experiment(self, name: str, artifacts: str | None) -> str:
        try:
            made = str(self.client.create_experiment(name, artifact_location=artifacts))
        except Exception:
            # Another machine was quicker: a server has no lock that both could take.
            found = self.client.get_experiment_by_name(name)
            if found is None:
                raise
            return str(found.experiment_id)
        for key, value in EXPERIMENT_TAGS.items():
            self.client.set_experiment_tag(made, key, value)
        return made

    def search(self, conditions: str) -> list[Any]:
        """All runs of the experiment that meet MLflow's conditions, the oldest first."""
        found: list[Any] = []
        token = None
        while True:
            page = self.client.search_runs(
                [self.experiment_id],
                conditions,
                max_results=PAGE_RUNS,
                order_by=["attributes.start_time ASC"],
                page_token=token,
            )
            found += page
            token = page.token
            if not token:
                return sorted(found, key=lambda run: (run.info.start_time, run.info.run_id))

    def run(self, run_id: str | None) -> Any | None:
        """The run of that id, None if the experiment has none, or it was deleted."""
        found = run_id and self.search(f"attributes.run_id = '{run_id}'")
        return found[0] if found else None

    def identified(self, identity: str) -> Any | None:
        """The run of that identity; of several, which two machines made at once, the oldest."""
        found = self.search(f"tags.`{IDENTITY_TAG}` = '{identity}'")
        return found[0] if found else None

    def create(
        self,
        name: str,
        kind: Kind,
        tags: Mapping[str, str],
        parameters: Mapping[str, Any],
        start_milliseconds: int | None = None,
    ) -> str:
        """Make a run that is RUNNING and belongs to this process; returns its id."""
        run = self.client.create_run(
            self.experiment_id,
            start_time=start_milliseconds,
            run_name=name,
            tags={**tags, KIND_TAG: kind.value, OWNER_TAG: this_process()},
        )
        run_id = str(run.info.run_id)
        with self.closed_on_failure(run_id):
            self.log_parameters(run_id, parameters)
        return run_id

    def log_parameters(self, run_id: str, parameters: Mapping[str, Any]) -> None:
        """Log parameters, in one batch."""
        params = [self._entities.Param(key, str(value)) for key, value in parameters.items()]
        if params:
            self.client.log_batch(run_id, params=params)

    def create_once(
        self,
        identity: str,
        name: str,
        kind: Kind,
        tags: Mapping[str, str],
        parameters: Mapping[str, Any],
        start_milliseconds: int | None = None,
    ) -> tuple[str, bool]:
        """Make a run that no other has the identity of; returns its id, and whether it is new.

        MLflow cannot promise that a tag is unique. So whoever made a run looks again, and of two
        that were made at once everybody keeps the older.
        """
        run_id = self.create(
            name, kind, {**tags, IDENTITY_TAG: identity}, parameters, start_milliseconds
        )
        first = self.identified(identity)
        if first is None or first.info.run_id == run_id:
            return run_id, True
        self.client.delete_run(run_id)
        return str(first.info.run_id), False

    def own(self, run_id: str) -> None:
        """RUNNING, on behalf of this process; why it ended before holds no longer."""
        if REASON_TAG in self.client.get_run(run_id).data.tags:
            self.client.delete_tag(run_id, REASON_TAG)
        self.client.set_tag(run_id, OWNER_TAG, this_process())
        self.client.update_run(run_id, status="RUNNING")

    def wait(self, run_id: str) -> None:
        """SCHEDULED: something is still to come, and RUNNING would be a lie."""
        self.client.update_run(run_id, status="SCHEDULED")

    def end(self, run_id: str, status: str, reason: str = "", at: int | None = None) -> None:
        """FINISHED, FAILED or KILLED, the last two with their reason as a tag.

        Args:
            run_id: of the run.
            status: one of the three.
            reason: in a line.
            at: milliseconds since 1970; None for now.
        """
        if reason:
            self.client.set_tag(run_id, REASON_TAG, reason)
        self.client.set_terminated(run_id, status, end_time=at)

    @contextmanager
    def closed_on_failure(self, run_id: str) -> Iterator[None]:
        """Where telling breaks off, try to leave the run FAILED: RUNNING would be a lie."""
        try:
            yield
        except Exception:
            with suppress(Exception):
                self.client.set_terminated(run_id, "FAILED")
            raise

    def mark_abandoned(self) -> list[str]:
        """Mark runs of this machine's processes that are gone as KILLED; returns their names."""
        running = self.search(
            f"attributes.status = 'RUNNING' AND tags.`{OWNER_TAG}` LIKE '{machine()} %'"
        )
        abandoned = [run for run in running if gone(run.data.tags[OWNER_TAG])]
        for run in abandoned:
            self.end(run.info.run_id, "KILLED", "its process was gone without a word")
        return [str(run.info.run_name) for run in abandoned]

    def log(
        self, run_id: str, points: Iterable[Point], tags: Mapping[str, str] | None = None
    ) -> None:
        """Log numbers, by batches, and set tags with the last of them."""
        waiting = [
            self._entities.Metric(point.key, float(point.value), point.milliseconds, point.step)
            for point in points
        ]
        while len(waiting) > BATCH_METRICS:
            self.client.log_batch(run_id, metrics=waiting[:BATCH_METRICS])
            waiting = waiting[BATCH_METRICS:]
        last = [self._entities.RunTag(key, value) for key, value in (tags or {}).items()]
        if waiting or last:
            self.client.log_batch(run_id, metrics=waiting, tags=last)

    def known_points(self, run_id: str, key: str) -> set[tuple[int, float]]:
        """Steps and values that a run has of one metric."""
        history = self.client.get_metric_history(run_id, key)
        return {(point.step, point.value) for point in history}

    def log_files(self, run_id: str, files: Sequence[Path], folder: str | None = None) -> None:
        """Log files as artifacts; one that is there already is overwritten."""
        if files:
            with tempfile.TemporaryDirectory() as together:  # MLflow asks for the run once a call
                for path in files:
                    shutil.copy(path, together)
                self.client.log_artifacts(run_id, together, folder)

    def log_dataset(self, run_id: str, name: str, digest: str, source: str) -> None:
        """Name the data set of a run."""
        described = self._entities.Dataset(
            name=name, digest=digest, source_type="convchoice", source=source
        )
        context = [self._entities.InputTag("mlflow.data.context", "training and test")]
        self.client.log_inputs(run_id, [self._entities.DatasetInput(described, context)])
