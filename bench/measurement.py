"""Alternating measurements (A B A B …), their ratios, and the training that several of them time.

Absolute times on shared machines vary; ratios of neighbouring measurements vary less.
"""

import contextlib
import io
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

BENCH = Path(__file__).parent


def alternate(
    rounds: int, peers: Mapping[str, Callable[[], float]], unit: str = "s"
) -> dict[str, list[float]]:
    """Measure each peer once a round; prints every round."""
    figures: dict[str, list[float]] = {name: [] for name in peers}
    for number in range(1, rounds + 1):
        for name, measure in peers.items():
            figures[name].append(measure())
        shown = ", ".join(f"{name} {values[-1]:.3g} {unit}" for name, values in figures.items())
        print(f"round {number} of {rounds}: {shown}", flush=True)
    return figures


def ratio(above: Sequence[float], below: Sequence[float]) -> dict[str, Any]:
    """Median and range of the ratios of neighbouring figures."""
    ratios = sorted(a / b for a, b in zip(above, below, strict=True))
    return {"median": statistics.median(ratios), "range": [ratios[0], ratios[-1]]}


def publish(name: str, result: Mapping[str, Any]) -> None:
    """Print a result and write it to `bench/<name>.json`, with the machine's name."""
    text = json.dumps({"machine": platform.platform(), **result}, indent=2)
    print(text)
    (BENCH / f"{name}.json").write_text(text + "\n", encoding="utf-8")


@dataclass(frozen=True)
class Training:
    """What the training of some seeds took.

    Attributes:
        seconds: wall time, start-up included.
        metrics: the metrics of each run.
    """

    seconds: float
    metrics: list[dict[str, float]]


def train_seeds(seeds: int, workers: int, *, data: Any = None, trainer: Any = None) -> Training:
    """Train seeds of the lecture's network in worker processes, as `convchoice train` does.

    Args:
        seeds: how many.
        workers: number of processes.
        data: values of the configuration's `data`.
        trainer: values of the configuration's `trainer`.
    """
    # Peers in another environment import this module without convchoice.
    from convchoice.config.validation import config_from_mapping
    from convchoice.execution.executors import LocalExecutor
    from convchoice.execution.runner import run
    from convchoice.execution.specification import specify
    from convchoice.runs.run import read_run

    values = {"arm": "bench", "data": data or {}, "trainer": trainer or {}}
    config = config_from_mapping(values | {"tracking": {"store": "none"}})
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        runs = specify([replace(config, seed=seed) for seed in range(seeds)], Path(folder))
        began = time.perf_counter()
        failures = run(runs, LocalExecutor(workers), evaluates=False)
        seconds = time.perf_counter() - began
        assert not failures, failures
        return Training(seconds, [dict(read_run(item.folder).metrics) for item in runs])
