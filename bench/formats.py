"""Speed of the forward pass by memory format and batch size: the lecture's network, one thread.

    python bench/formats.py

Prints images a second, each the median of five alternating measurements.
"""

import statistics
import time
from collections.abc import Callable

import torch

from convchoice.config.schema import Config
from convchoice.networks.network import Network
from convchoice.training.device import keep_freed_memory

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


def main() -> None:
    """Measure and print the medians."""
    torch.set_num_threads(1)
    keep_freed_memory()
    steps = {
        f"{name}, batch {batch}": (forward(batch, memory_format), batch)
        for name, memory_format in FORMATS.items()
        for batch in (64, 128, 500)
    }
    speeds: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(ROUNDS):
        for name, (step, batch) in steps.items():
            speeds[name].append(images_per_second(step, batch))
    for name, measured in speeds.items():
        print(f"{name:26} {statistics.median(measured):8,.0f} images/s")


if __name__ == "__main__":
    main()
