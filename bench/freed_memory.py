"""What keeping freed memory is worth: the same training steps with it and without, in turns.

    python bench/freed_memory.py [--rounds 5]

Each measurement is a process of its own (the setting cannot be taken back), one thread, the
lecture's network at batch 64. Prints both medians and the ratio with its range.
"""

import argparse
import statistics
import subprocess
import sys
import time
from functools import partial

from measurement import alternate, ratio

WARM_UP_STEPS = 20
STEPS = 100
BATCH = 64


def images_per_second(*, keep: bool) -> float:
    """Train `STEPS` steps in this process after the warm-up; returns their speed."""
    import torch
    from torch.nn import functional

    from convchoice.config.schema import Config
    from convchoice.networks.network import Network
    from convchoice.training.device import keep_freed_memory
    from convchoice.training.lightning_module import optimizer_of

    torch.set_num_threads(1)
    if keep:
        keep_freed_memory()
    config = Config()
    network = Network(config)
    optimizer = optimizer_of(config.optimizer, network.parameters())
    images = torch.rand(BATCH, 1, 28, 28).contiguous(memory_format=torch.channels_last)
    labels = torch.arange(BATCH) % 10
    began = 0.0
    for step in range(WARM_UP_STEPS + STEPS):
        if step == WARM_UP_STEPS:
            began = time.perf_counter()
        optimizer.zero_grad()
        functional.cross_entropy(network(images), labels).backward()
        optimizer.step()
    return STEPS * BATCH / (time.perf_counter() - began)


def measured(*, keep: bool) -> float:
    """The speed in a new process."""
    command = [sys.executable, __file__, "--once", "keep" if keep else "plain"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout)


def main() -> None:
    """Alternate, and print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--once", choices=["keep", "plain"])
    given = parser.parse_args()
    if given.once:
        print(images_per_second(keep=given.once == "keep"))
        return
    figures = alternate(
        given.rounds,
        {"keep": partial(measured, keep=True), "plain": partial(measured, keep=False)},
        "images/s",
    )
    kept, plain = (statistics.median(values) for values in figures.values())
    print(f"keeping freed memory: {kept:,.0f} images/s; plain: {plain:,.0f} images/s (medians)")
    found = ratio(figures["keep"], figures["plain"])
    print("ratio {median:.2f}, from {range[0]:.2f} to {range[1]:.2f}".format_map(found))


if __name__ == "__main__":
    main()
