"""The same sweep through local processes, Slurm and Ray: the same numbers to the last bit.

All three log to one MLflow server.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine_sweeps import TINY, logged, numbers, runs, sweep
from servers import Server
from test_ray import cluster, exported
from test_slurm import slurm

__all__ = ["cluster", "slurm"]  # fixtures
SWEPT = (
    "downsample=max,average,strided", "conv.padding=valid,same", "seed=0,1,2,3",
    "trainer.max_epochs=2", *TINY,
)  # fmt: skip


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """An MLflow server that every engine reaches."""
    store = ["--backend-store-uri", f"sqlite:///{tmp_path}/server.db", "--workers", "1"]
    files = ["--artifacts-destination", str(tmp_path / "artifacts")]
    mlflow = Server(["server", *store, *files], "/health", tmp_path / "server.log")
    yield mlflow.start()
    mlflow.stop()


@pytest.mark.slurm
@pytest.mark.ray
def test_24_jobs_give_the_same_numbers_on_joblib_slurm_and_ray(
    tmp_path: Path, data_root: Path, slurm: dict[str, str], cluster: Path, server: Server
) -> None:
    engines = {
        "joblib": (["launch=joblib"], {}),
        "slurm": (["launch=slurm", "hydra.launcher.mem_gb=2"], slurm),
        "ray": (["launch=ray"], exported(cluster)),
    }
    found = {}
    for name, (chosen, variables) in engines.items():
        folder = tmp_path / name
        folder.mkdir()
        reached = {**variables, "MLFLOW_TRACKING_URI": server.uri}
        done = sweep(folder, data_root, *chosen, *SWEPT, engine=reached)
        assert done.returncode == 0, done.stderr
        found[name] = {key: numbers(run) for key, run in runs(folder).items()}
        assert len(found[name]) == 24
    assert found["slurm"] == found["joblib"]
    assert found["ray"] == found["joblib"]
    known = logged(server.uri)
    for arm, seed in found["joblib"]:
        assert [status for _, status in known[f"{arm}/seed-{seed}"]] == ["FINISHED"] * 3
