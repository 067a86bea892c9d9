"""The device of a training: choice, name, clock and memory."""

import ctypes
import gc
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TypeVar

import torch

from convchoice.config.schema import Accelerator
from convchoice.errors import ConfigurationError, UserError, require

# Parameters of glibc's malloc.h, and values; the largest that it accepts for the first.
MALLOC_SETTINGS = {
    -3: 32 * 1024 * 1024,  # M_MMAP_THRESHOLD
    -1: 2**31 - 1,  # M_TRIM_THRESHOLD
    -2: 64 * 1024 * 1024,  # M_TOP_PAD
}
NO_GPU = "torch finds no CUDA GPU."
Item = TypeVar("Item")


@cache
def gpu_fault() -> str:
    """Why torch cannot compute on the first GPU, or that there is none; empty if it can.

    torch also finds GPUs that its binaries do not support, or that another process uses alone.
    """
    if not torch.cuda.is_available():
        return NO_GPU
    try:
        torch.ones(1, device="cuda").add(1).item()
    except torch.OutOfMemoryError:
        return ""  # a training will say how much it needs
    except RuntimeError as error:
        return f"torch cannot use the GPU: {str(error).splitlines()[0].rstrip('.')}."
    return ""


def device_of(accelerator: Accelerator) -> torch.device:
    """The device of a configuration.

    Raises:
        ConfigurationError: if a GPU is required and torch can use none.
    """
    if accelerator is Accelerator.cpu:
        return torch.device("cpu")
    fault = gpu_fault()
    if fault and accelerator is Accelerator.gpu:
        fix = "Use trainer.accelerator=auto or cpu."
        raise ConfigurationError("trainer.accelerator", accelerator.name, fault, fix)
    return torch.device("cpu") if fault else torch.device("cuda", 0)


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


def in_memory(work: Callable[[Sequence[Item]], object], runs: Sequence[Item]) -> None:
    """Do something to runs together, or to each half of them if the GPU's memory holds no more.

    Raises:
        UserError: if it does not hold a single run.
    """
    try:
        work(runs)
    except torch.OutOfMemoryError as error:
        if len(runs) == 1:
            fix = "Choose a smaller data.batch_size, image or network."
            raise UserError(f"the GPU's memory does not hold a single seed. {fix}") from error
    else:
        return
    release_memory()  # here, where the error does not hold it any more
    middle = len(runs) // 2
    print(
        f"the GPU's memory does not hold {len(runs)} seeds together: {len(runs) - middle} are"
        " computed at a time.",
        flush=True,
    )
    for part in (runs[:middle], runs[middle:]):
        in_memory(work, part)


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
    """Free the GPU memory of this process's earlier work, and reset its peak."""
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        gc.collect()  # a trainer and its module refer to each other
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def keep_freed_memory() -> None:
    """Make glibc keep freed memory for the next step; another C library is left as it is.

    A training step frees and allocates the same megabytes again and again. glibc returns blocks of
    that size to the system at once, and each page has to be cleared and mapped again. Without that,
    the lecture's network trains 1.53 times as many images a second (1.34 to 1.72 in five rounds on
    one AMD EPYC core; `python bench/freed_memory.py`).
    """
    with suppress(AttributeError, OSError, TypeError):  # no glibc: macOS, Windows, musl
        mallopt = ctypes.CDLL(None).mallopt
        for name, value in MALLOC_SETTINGS.items():
            mallopt(name, value)
