"""One SQLite store for all tests of a module, with an experiment for each test."""

from pathlib import Path

import pytest

from convchoice.config.schema import TrackingConfig
from convchoice.tracking import publish as module
from convchoice.tracking.mlflow_store import MlflowStore


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URI of the store."""
    return f"sqlite:///{tmp_path_factory.mktemp('store') / 'mlflow.db'}"


@pytest.fixture
def settings(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrackingConfig:
    """The store, and an experiment of this test's own."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(module, "_unavailable", set())
    return TrackingConfig(uri=database, experiment=tmp_path.name)


@pytest.fixture
def store(settings: TrackingConfig) -> MlflowStore:
    """The same, open."""
    return MlflowStore(settings)
