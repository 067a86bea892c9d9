"""Speed of training on a GPU: seeds together, one seed alone, a bare loop, and two full studies.

    make bench-gpu
    python bench/gpu.py --dry-run      # everything at a small size on the CPU

First it alternates the lecture's recipe for all seeds in one pass, for one seed, and the bare loop,
in seconds a seed. Then it runs the `full` studies `pooling` and `strides_vs_pooling` into --output,
stage by stage as in `dvc.yaml`, without DVC. It needs the data set in data/raw and no network.
Writes bench/gpu.json.
"""

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch
import yaml

from convchoice.config.schema import Accelerator
from convchoice.training.device import device_name, device_of
from measurement import alternate, publish, ratio, train_seeds
from peers import bare_seconds

STUDIES = ("pooling", "strides_vs_pooling")


def seconds_per_seed(given: argparse.Namespace, *, seeds: int, together: int) -> float:
    """The mean `cost/train_seconds` of seeds of the lecture's recipe."""
    training = train_seeds(
        seeds,
        1,
        data={"train_size": given.images, "validation_size": 0},
        trainer={
            "max_epochs": given.epochs,
            "accelerator": given.accelerator,
            "seeds_together": together,
            "workers": 1,
        },
    )
    return statistics.mean(metrics["cost/train_seconds"] for metrics in training.metrics)


def study_minutes(given: argparse.Namespace) -> dict[str, float]:
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
    return {**minutes, "total": sum(minutes.values())}


def main() -> None:
    """Measure, run the studies, print and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accelerator", choices=["gpu", "cpu"], default="gpu")
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--images", type=int, default=60_000)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", default="full", help="scale of the studies, or none")
    parser.add_argument("--output", type=Path, default=Path("outputs/gpu"))
    parser.add_argument("--dry-run", action="store_true", help="a small size, on the CPU")
    given = parser.parse_args()
    if given.dry_run:
        given.accelerator, given.seeds, given.images, given.epochs = "cpu", 2, 640, 1
        given.rounds, given.scale, given.output = 1, "quick", Path("outputs/gpu-dry-run")
    torch.set_num_threads(1)
    device = device_of(Accelerator[given.accelerator])
    figures = alternate(
        given.rounds,
        {
            "together": lambda: seconds_per_seed(given, seeds=given.seeds, together=given.seeds),
            "alone": lambda: seconds_per_seed(given, seeds=1, together=1),
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
        minutes = study_minutes(given)
        result |= {"studies": STUDIES, "scale": given.scale, "minutes": minutes}
    publish("gpu" if given.accelerator == "gpu" else "gpu_dry_run", result)


if __name__ == "__main__":
    main()
