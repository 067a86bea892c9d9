"""The device of a training: choice, name, clock and memory."""

import ctypes
import gc
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch

from convchoice.config.schema import Accelerator
from convchoice.errors import ConfigurationError, UserError, require

# Parameters of glibc's malloc.h, and values; the largest that it accepts for the first.
MALLOC_SETTINGS = {
    -3: 32 * 1024 * 1024,  # M_MMAP_THRESHOLD
    -1: 2**31 - 1,  # M_TRIM_THRESHOLD
    -2: 64 * 1024 * 1024,  # M_TOP_PAD
}


def device_of(accelerator: Accelerator) -> torch.device:
    """The device of a configuration.

    Raises:
        ConfigurationError: if a GPU is required and torch finds none.
    """
    if accelerator is not Accelerator.cpu and torch.cuda.is_available():
        return torch.device("cuda", 0)
    if accelerator is Accelerator.gpu:
        fix = "Use trainer.accelerator=auto or cpu."
        rule = "torch finds no CUDA GPU."
        raise ConfigurationError("trainer.accelerator", accelerator.name, rule, fix)
    return torch.device("cpu")


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


def use_precision(precision: str, device: torch.device) -> str:
    """Allow or forbid a GPU's TF32, according to the configuration's precision.

    Returns:
        Lightning's name of the precision.

    Raises:
        ConfigurationError: for a precision that the device does not have.
    """
    # Lightning would train in bfloat16 instead of float16 and only warn.
    possible = device.type == "cuda" or precision not in {"16-mixed", "tf32"}
    rule, fix = "float16 and TF32 need a GPU.", "Use bf16-mixed or 32-true on a CPU."
    require(possible, "trainer.precision", precision, rule, fix)
    # cuDNN's convolutions use TF32 by default.
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    # auto: bench/precision.yaml has shown no other one to be equivalent, on any kind of device.
    return "32-true" if precision in {"auto", "tf32"} else precision


@contextmanager
def fitting_memory(seeds: int) -> Iterator[None]:
    """Say what to do if the GPU's memory does not hold so many seeds.

    Raises:
        UserError: in the place of torch's error.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        fewer = f"Compute fewer at once: trainer.seeds_together={seeds // 2}"
        fix = fewer if seeds > 1 else "Choose a smaller data.batch_size, image or network."
        together = f"{seeds} seeds together" if seeds > 1 else "a single seed"
        raise UserError(f"the GPU's memory does not hold {together}. {fix}") from error


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
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def release_memory() -> None:
    """Free the GPU memory of this process's earlier work, and start its peak anew."""
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        gc.collect()  # a trainer and its module refer to each other
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def keep_freed_memory() -> None:
    """Make glibc keep freed memory for the next step; another C library is left as it is.

    A training step frees and allocates the same megabytes again and again. glibc returns blocks of
    that size to the system at once, and each page has to be cleared and mapped anew. Without that,
    the lecture's network trains 1.53 times as many images a second (1.34 to 1.72 in five rounds on
    one AMD EPYC core; `python bench/freed_memory.py`).
    """
    with suppress(AttributeError, OSError, TypeError):  # no glibc: macOS, Windows, musl
        mallopt = ctypes.CDLL(None).mallopt
        for name, value in MALLOC_SETTINGS.items():
            mallopt(name, value)
