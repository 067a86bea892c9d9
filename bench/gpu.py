"""The speed of training on a GPU: seeds together, seeds alone, peers, and whole studies.

    make bench-gpu
    python bench/gpu.py --dry-run      # all of it on the CPU, as small as can be

First, in turns: the lecture's recipe for all seeds in one pass, for one seed alone, and the bare
loop; in seconds a seed. Then the `full` studies `pooling` and `strides_vs_pooling`, stage by stage
as `dvc.yaml` runs them (which needs no DVC), into --output. Needs the data set in data/raw, and
nothing from the network. Writes bench/gpu.json.
"""

import argparse
import contextlib
import io
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch
import yaml

from alternation import in_turns, publish, ratio
from convchoice.config.schema import Accelerator
from convchoice.config.validation import config_from_mapping
from convchoice.execution.executors import LocalExecutor
from convchoice.execution.runner import run, specify
from convchoice.runs.run import read_run
from convchoice.training.device import device_name, device_of
from peers import bare_seconds

STUDIES = ("pooling", "strides_vs_pooling")


def trained(given: argparse.Namespace, *, seeds: int, together: int) -> float:
    """Train seeds of the lecture's recipe; returns their `cost/train_seconds` summed, a seed."""
    one = config_from_mapping(
        {
            "arm": "bench",
            "data": {"train_size": given.images, "validation_size": 0},
            "trainer": {
                "max_epochs": given.epochs,
                "accelerator": given.accelerator,
                "seeds_together": together,
                "workers": 1,
            },
            "tracking": {"store": "none"},
        }
    )
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        missing = specify([replace(one, seed=seed) for seed in range(seeds)], Path(folder))
        failures = run(missing, LocalExecutor(1), evaluates=False)
        assert not failures, failures
        metrics = [read_run(item.folder).metrics for item in missing]
    return sum(run["cost/train_seconds"] for run in metrics) / seeds


def studied(given: argparse.Namespace) -> dict[str, float]:
    """Run the studies stage by stage; returns the minutes of each stage, summed over arms."""
    output: Path = given.output
    studies = [yaml.safe_load(Path(f"conf/study/{name}.yaml").read_text()) for name in STUDIES]
    arms = list(dict.fromkeys(arm for one in studies for arm in [one["baseline"], *one["arms"]]))
    output.mkdir(parents=True, exist_ok=True)
    params = output / "params.yaml"
    params.write_text(
        yaml.safe_dump({"scale": given.scale, "arms": arms, "studies": list(STUDIES)})
    )
    minutes = {"compose": 0.0, "train": 0.0, "evaluate": 0.0, "compare": 0.0, "report": 0.0}

    def stage(name: str, *arguments: object) -> None:
        began = time.perf_counter()
        command = [sys.executable, "-m", f"convchoice.{name}", *map(str, arguments)]
        subprocess.run(command, check=True)
        minutes[name] += (time.perf_counter() - began) / 60

    stage("compose", "--params", params, "--output", output / "configs")
    for arm in arms:
        path = output / "configs" / f"{arm}.yaml"
        values = yaml.safe_load(path.read_text())
        values["trainer"]["accelerator"] = given.accelerator
        values["tracking"]["store"] = "none"
        if given.dry_run:
            values["seeds"] = given.seeds
            values["data"]["train_size"] = given.images
            values["trainer"]["max_epochs"] = given.epochs
            values["trainer"]["seeds_together"] = given.seeds
        path.write_text(yaml.safe_dump(values, sort_keys=False))
    for arm in arms:
        composed = output / "configs" / f"{arm}.yaml"
        stage("train", "--composed", composed, "--output", output / "trained")
        stage("evaluate", "--composed", composed, "--trained", output / "trained",
              "--output", output / "runs")  # fmt: skip
    for study in STUDIES:
        stage("compare", "--study", output / "configs" / "studies" / f"{study}.yaml",
              "--runs", output / "runs", "--configs", output / "configs",
              "--output", output / "reports" / study)  # fmt: skip
    stage("report", "--params", params, "--reports", output / "reports")
    return {**minutes, "whole": sum(minutes.values())}


def main() -> None:
    """Measure, run the studies, print and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accelerator", choices=["gpu", "cpu"], default="gpu")
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--images", type=int, default=60_000)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", default="full", help="of the studies; none leaves them out")
    parser.add_argument("--output", type=Path, default=Path("outputs/gpu"))
    parser.add_argument("--dry-run", action="store_true", help="try it all on the CPU, in small")
    given = parser.parse_args()
    if given.dry_run:
        given.accelerator, given.seeds, given.images, given.epochs = "cpu", 2, 640, 1
        given.rounds, given.scale, given.output = 1, "quick", Path("outputs/gpu-dry-run")
    torch.set_num_threads(1)
    device = device_of(Accelerator[given.accelerator])
    figures = in_turns(
        given.rounds,
        {
            "together": lambda: trained(given, seeds=given.seeds, together=given.seeds),
            "alone": lambda: trained(given, seeds=1, together=1),
            "bare": lambda: sum(bare_seconds(given.images, given.epochs, device)),
        },
    )
    result = {
        "device": device_name(device),
        "torch": torch.__version__,
        "seeds": given.seeds,
        "images": given.images,
        "epochs": given.epochs,
        "seconds_a_seed": {name: statistics.median(values) for name, values in figures.items()},
        "alone_over_together": ratio(figures["alone"], figures["together"]),
        "bare_over_together": ratio(figures["bare"], figures["together"]),
    }
    if given.scale != "none":
        minutes = studied(given)
        result |= {"studies": STUDIES, "scale": given.scale, "minutes": minutes}
    publish("gpu" if given.accelerator == "gpu" else "gpu_dry_run", result)


if __name__ == "__main__":
    main()
