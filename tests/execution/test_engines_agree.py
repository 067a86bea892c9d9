"""The same sweep through joblib, Slurm and Ray: the same numbers to the bit."""

from pathlib import Path

import pytest

from engine_sweeps import TINY, numbers, runs, sweep
from test_ray import cluster, exported
from test_slurm import slurm

__all__ = ["cluster", "slurm"]  # fixtures
SWEPT = (
    "downsample=max,average", "conv.padding=valid,same", "seed=0,1",
    "trainer.max_epochs=2", *TINY,
)  # fmt: skip


@pytest.mark.slurm
@pytest.mark.ray
def test_a_sweep_gives_the_same_numbers_on_joblib_slurm_and_ray(
    tmp_path: Path, data_root: Path, slurm: dict[str, str], cluster: Path
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
        done = sweep(folder, data_root, *chosen, *SWEPT, engine=variables)
        assert done.returncode == 0, done.stderr
        found[name] = {key: numbers(run) for key, run in runs(folder).items()}
        assert len(found[name]) == 8
    assert found["slurm"] == found["joblib"]
    assert found["ray"] == found["joblib"]
