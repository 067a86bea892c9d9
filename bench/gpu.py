"""Speed of training on a GPU: a step of stacked seeds, whole trainings, and peers.

    make bench-gpu
    python bench/gpu.py --dry-run      # a small size, on the CPU

It alternates, round by round: a step of all seeds in float32 and in TF32, replayed as in a
training; the same in JAX, where that is installed; trainings of all seeds in one pass and of one
seed alone, in seconds a seed; the bare loop of one seed. It needs the data set in data/raw and no
network. On a GPU it writes bench/gpu.json. The studies at full scale: `time make full-gpu`.
"""

import argparse
import json
import statistics
import subprocess
import sys
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from convchoice.config.schema import Accelerator, Config
from convchoice.data.dataset import load
from convchoice.networks.network import Network
from convchoice.networks.stacked_networks import StackedNetworks
from convchoice.training.batches import Batches
from convchoice.training.cuda_graph import CapturedStep
from convchoice.training.device import device_name, device_of, finished_time, use_precision
from convchoice.training.lightning_module import optimizer_of
from measurement import alternate, publish, ratio, train_seeds
from peers import BATCH, DATA, bare_seconds

WARM_STEPS = 10


def seconds_per_step(given: argparse.Namespace, precision: str) -> float:
    """A step of the lecture's recipe for all seeds, captured where there is a GPU."""
    device = device_of(Accelerator[given.accelerator])
    use_precision(precision, device)
    on_gpu = device.type == "cuda"
    networks = [Network(replace(Config(), seed=seed)) for seed in range(given.seeds)]
    network = StackedNetworks(networks).to(device)
    optimizer = optimizer_of(Config().optimizer, network.parameters(), capturable=on_gpu)

    def step(images: Tensor, labels: Tensor) -> tuple[Tensor]:
        optimizer.zero_grad()
        logits = network(images).flatten(0, 1)
        loss = functional.cross_entropy(logits, labels.flatten(), reduction="sum") / BATCH
        loss.backward()
        optimizer.step()
        return (loss.detach(),)

    images, labels = (torch.from_numpy(part[: given.images]) for part in load(DATA).train())
    batches = Batches(images.to(device), labels.long().to(device), BATCH, range(given.seeds))
    run = CapturedStep(step) if on_gpu else step
    began, steps = 0.0, min(given.steps, given.images // BATCH)
    for number, batch in enumerate(islice(batches, steps)):
        if number == WARM_STEPS:
            began = finished_time(device)
        run(*batch)
    return (finished_time(device) - began) / (steps - WARM_STEPS)


def jax_seconds_per_step(given: argparse.Namespace) -> float:
    """The same in JAX, in a process of its own."""
    peer = Path(__file__).with_name("jax_peer.py")
    command = [sys.executable, peer, "--seeds", given.seeds, "--steps", given.steps]
    done = subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])


def seconds_per_seed(given: argparse.Namespace, *, seeds: int) -> float:
    """The mean `cost/train_seconds` of seeds of the lecture's recipe that are trained together."""
    training = train_seeds(
        seeds,
        1,
        data={"train_size": given.images, "validation_size": 0},
        trainer={
            "max_epochs": given.epochs,
            "accelerator": given.accelerator,
            "precision": given.precision,
            "seeds_together": seeds,
        },
    )
    return statistics.mean(metrics["cost/train_seconds"] for metrics in training.metrics)


def bare_seconds_per_seed(given: argparse.Namespace, device: torch.device) -> float:
    """A plain loop, one seed."""
    use_precision(given.precision, device)
    return sum(bare_seconds(given.images, given.epochs, device))


def main() -> None:
    """Measure, run the studies, print and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accelerator", choices=["gpu", "cpu"], default="gpu")
    parser.add_argument("--precision", default="tf32", help="of the trainings")
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--images", type=int, default=55_000)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dry-run", action="store_true", help="a small size, on the CPU")
    given = parser.parse_args()
    if given.dry_run:
        given.accelerator, given.precision, given.seeds, given.images = "cpu", "32-true", 2, 1_280
        given.epochs, given.steps, given.rounds = 1, 20, 1
    torch.set_num_threads(1)
    device = device_of(Accelerator[given.accelerator])
    precisions = ["32-true", "tf32"] if device.type == "cuda" else ["32-true"]
    measured = {f"step {name}": partial(seconds_per_step, given, name) for name in precisions}
    if find_spec("jax"):
        measured["step jax"] = partial(jax_seconds_per_step, given)
    measured |= {
        "together": partial(seconds_per_seed, given, seeds=given.seeds),
        "alone": partial(seconds_per_seed, given, seeds=1),
        "bare": partial(bare_seconds_per_seed, given, device),
    }
    figures = alternate(given.rounds, measured)
    result = {
        "device": device_name(device),
        "torch": torch.__version__,
        **{key: getattr(given, key) for key in ("precision", "seeds", "images", "epochs")},
        "seconds": {
            name: {"median": statistics.median(values), "range": [min(values), max(values)]}
            for name, values in figures.items()
        },
        "alone_over_together": ratio(figures["alone"], figures["together"]),
        "bare_over_alone": ratio(figures["bare"], figures["alone"]),
    }
    if "step jax" in figures:
        result["jax_over_ours"] = ratio(figures["step jax"], figures[f"step {precisions[-1]}"])
    if device.type == "cuda":
        publish("gpu", result)
    else:
        print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
