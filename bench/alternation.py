"""Peers that take turns (A B A B …), and what becomes of their figures.

Absolute times on shared machines mean little; ratios of neighbours in one run do.
"""

import json
import platform
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

BENCH = Path(__file__).parent


def in_turns(
    rounds: int, peers: Mapping[str, Callable[[], float]], unit: str = "s"
) -> dict[str, list[float]]:
    """Measure each peer once a round, in turns; prints every round."""
    figures: dict[str, list[float]] = {name: [] for name in peers}
    for turn in range(1, rounds + 1):
        for name, measure in peers.items():
            figures[name].append(measure())
        shown = ", ".join(f"{name} {values[-1]:.3g} {unit}" for name, values in figures.items())
        print(f"round {turn} of {rounds}: {shown}", flush=True)
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
