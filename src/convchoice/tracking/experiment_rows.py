"""The runs of any MLflow experiment as rows of a table; nothing is created or changed."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from convchoice.errors import did_you_mean, shortened
from convchoice.tracking.mlflow_store import (
    TrackingError,
    advice,
    import_mlflow,
    missing_store,
    search,
    store_uri,
)
from convchoice.tracking.publish import one_line


def experiment_rows(
    name: str, uri: str | None = None, conditions: str = ""
) -> list[tuple[str, Mapping[str, Any]]]:
    """Each run: its name and status, its id if another one has that name, and its cells.

    The cells are ``params.…``, ``tags.…`` and ``metrics.…``.
    A metric is the last value logged. A run that has not finished has no metrics.

    Args:
        name: of the experiment.
        uri: of the store; None takes ``MLFLOW_TRACKING_URI``, else this project's store.
        conditions: MLflow's search, such as ``params.lr = '0.1'``; empty for all runs.

    Raises:
        TrackingError: if the store or the experiment cannot be read, or the search is not legal.
    """
    # A folder `mlruns` of an earlier MLflow can still be read.
    mlflow = import_mlflow(MLFLOW_ALLOW_FILE_STORE="true")
    uri = store_uri(uri)
    if path := missing_store(uri):
        raise TrackingError(f"{path}: there is no such MLflow store. Name another: --tracking-uri")
    try:
        client = mlflow.MlflowClient(tracking_uri=uri)
        found = {each.name: each.experiment_id for each in client.search_experiments()}
        runs = search(client, found[name], conditions) if name in found else []
    except Exception as error:  # whatever a server, a database or a search raises
        raise advice(error, uri) or TrackingError(f"MLflow: {one_line(error)}.") from error
    if name not in found:
        fix = did_you_mean(name, list(found))
        known = f"{fix} It has: {', '.join(map(shortened, found))}.".strip()
        rule = f"there is no such experiment, or it was deleted. {known}"
        raise TrackingError(f"--mlflow {shortened(name)}: {rule}")
    names = Counter(run.info.run_name for run in runs)
    rows = list[tuple[str, Mapping[str, Any]]]()
    for run in runs:
        metrics = run.data.metrics
        if run.info.status != "FINISHED":
            metrics = dict.fromkeys(metrics)
        kinds = {"params": run.data.params, "tags": run.data.tags, "metrics": metrics}
        cells = {f"{kind}.{key}": kinds[kind][key] for kind in kinds for key in kinds[kind]}
        name, run_id = run.info.run_name, run.info.run_id
        described = name if names[name] == 1 else f"{name} {run_id}"
        rows.append((f"run {described} ({run.info.status})", cells))
    return rows
