"""Square roots of IEEE 754, in the place of MKL's, whose last bits differ between processors."""

import warnings
from functools import cache

import numpy as np
import torch
from torch import Tensor
from torch.library import Library


def exact_sqrt(values: Tensor) -> Tensor:
    """The correctly rounded root of each value; numpy's is the processor's own instruction."""
    if values.dtype in {torch.float16, torch.bfloat16}:
        return exact_sqrt(values.float()).to(values.dtype)
    if values.dtype not in {torch.float32, torch.float64}:
        return values.pow(0.5)
    roots = torch.empty_like(values)
    with np.errstate(invalid="ignore"):
        np.sqrt(values.detach().numpy(), out=roots.numpy())
    return roots


def _in_place(values: Tensor) -> Tensor:
    return values.copy_(exact_sqrt(values))


def _into(values: Tensor, *, out: Tensor) -> Tensor:
    roots = exact_sqrt(values)
    return out.resize_(roots.shape).copy_(roots)


@cache
def use_exact_sqrt() -> Library:
    """Have torch's `sqrt` on the CPU be `exact_sqrt` in this process; `x ** 0.5` stays MKL's.

    The code of MKL that runs on every x86 processor (`MKL_CBWR=COMPATIBLE`) refines the
    approximation `rsqrtps`, which Intel and AMD round differently. RMSprop, Adam and L2 pooling
    take roots.
    """
    library = Library("aten", "IMPL")  # type: ignore[no-untyped-call]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns that a kernel is replaced
        for name, kernel in (("sqrt", exact_sqrt), ("sqrt_", _in_place), ("sqrt.out", _into)):
            library.impl(name, kernel, "CPU", allow_override=True)  # type: ignore[no-untyped-call]
    return library  # which keeps the kernel while it exists
