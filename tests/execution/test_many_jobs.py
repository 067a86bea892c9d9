"""A sweep of 24 jobs: the same numbers to the last digit, whichever launcher carries the jobs.

Minutes of work, so it runs only when it is asked for: `pytest -m sweep`.
"""

from pathlib import Path
from typing import Any

import pytest

from convchoice.runs.run import read_run
from convchoice.runs.run_folder import WEIGHTS
from small_data import store_digits
from test_sweep import TIMES, TINY, train

JOBS = ["downsample=max,average,weighted,strided", "conv.padding=valid,same", "seed=0,1,2"]


def numbers(root: Path) -> dict[str, Any]:
    """Metrics (times and memory aside) and weights of every run below a folder."""
    found = {}
    for path in sorted(root.glob("*/seed-*")):
        metrics = read_run(path).metrics
        kept = {key: value for key, value in metrics.items() if key not in TIMES}
        found[f"{path.parent.name}/{path.name}"] = (kept, (path / WEIGHTS).read_bytes())
    return found


@pytest.mark.sweep
def test_24_jobs_give_the_same_numbers_under_every_launcher(tmp_path: Path) -> None:
    store_digits(tmp_path / "raw")
    for launcher in ("basic", "joblib"):
        done = train(tmp_path, "-m", f"launch={launcher}", *JOBS, *TINY, f"run_root={launcher}")
        assert done.returncode == 0, done.stderr
        assert "sweep: 24 of 24 jobs done" in done.stdout
    alone, beside = numbers(tmp_path / "basic"), numbers(tmp_path / "joblib")
    assert len(alone) == 24
    assert alone == beside
