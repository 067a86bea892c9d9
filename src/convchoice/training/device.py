"""The device of a training: choice, name, clock and memory."""

import sys
import time
from pathlib import Path

import torch

from convchoice.config.schema import Accelerator
from convchoice.errors import ConfigurationError

BYTES_PER_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


def device_of(accelerator: Accelerator) -> torch.device:
    """The device of a configuration.

    Raises:
        ConfigurationError: if a GPU is required and torch finds none.
    """
    gpu = torch.cuda.is_available()
    if accelerator is Accelerator.gpu and not gpu:
        raise ConfigurationError(
            "trainer.accelerator", accelerator.name, "torch finds no CUDA GPU.",
            "Use trainer.accelerator=auto or cpu.",
        )  # fmt: skip
    return (
        torch.device("cuda", 0)
        if gpu and accelerator is not Accelerator.cpu
        else torch.device("cpu")
    )


def device_name(device: torch.device) -> str:
    """The product name of the device."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return "CPU"
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, "CPU")


def finished_time(device: torch.device) -> float:
    """`time.perf_counter` when the device has finished all its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def peak_memory_bytes(device: torch.device) -> int | None:
    """Peak memory: the GPU's allocations, or the resident set of this process.

    None if the system does not report it (Windows).
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource  # noqa: PLC0415 - not on Windows
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * BYTES_PER_RSS_UNIT
