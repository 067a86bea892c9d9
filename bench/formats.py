"""Speed by memory format, batch size and precision: the lecture's network, one thread.

    python bench/formats.py

Prints images a second of the forward pass by memory format and batch, and of training steps by
precision, each the median of five alternating measurements.
"""

import statistics
import time
from collections.abc import Callable

import torch
from torch.nn import functional

from convchoice.config.schema import Config
from convchoice.networks.network import Network
from convchoice.training.device import keep_freed_memory
from convchoice.training.lightning_module import optimizer_of

ROUNDS = 5
SECONDS = 0.5
FORMATS = {"channels first": torch.contiguous_format, "channels last": torch.channels_last}


def images_per_second(step: Callable[[], object], batch: int) -> float:
    """Images a second of repeated steps of `batch` images."""
    step()
    began, images = time.perf_counter(), 0
    while time.perf_counter() - began < SECONDS:
        step()
        images += batch
    return images / (time.perf_counter() - began)


def forward(batch: int, memory_format: torch.memory_format) -> Callable[[], object]:
    """A forward pass without gradients."""
    network = Network(Config()).eval().to(memory_format=memory_format)
    images = torch.rand(batch, 1, 28, 28).contiguous(memory_format=memory_format)

    def step() -> object:
        with torch.inference_mode():
            return network(images)

    return step


def training(precision: str) -> Callable[[], object]:
    """A training step of 64 images."""
    network = Network(Config())
    optimizer = optimizer_of(Config().optimizer, network.parameters())
    images = torch.rand(64, 1, 28, 28).contiguous(memory_format=torch.channels_last)
    labels = torch.arange(64) % 10

    def step() -> object:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16-mixed"):
            loss = functional.cross_entropy(network(images), labels)
        loss.backward()
        return optimizer.step()

    return step


def main() -> None:
    """Measure and print the medians."""
    torch.set_num_threads(1)
    keep_freed_memory()
    steps = {
        f"forward, {name}, batch {batch}": (forward(batch, memory_format), batch)
        for name, memory_format in FORMATS.items()
        for batch in (64, 128, 500)
    } | {f"training, {name}": (training(name), 64) for name in ("32-true", "bf16-mixed")}
    speeds: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(ROUNDS):
        for name, (step, batch) in steps.items():
            speeds[name].append(images_per_second(step, batch))
    for name, measured in speeds.items():
        print(f"{name:38} {statistics.median(measured):8,.0f} images/s")


if __name__ == "__main__":
    main()
