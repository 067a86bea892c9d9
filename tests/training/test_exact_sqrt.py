"""Roots on the CPU are those of IEEE 754, forward, backward and in an optimiser."""

import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
import torch

from convchoice.training.exact_sqrt import exact_sqrt


def values(count: int) -> torch.Tensor:
    """Positive numbers of twenty orders of magnitude."""
    generator = torch.Generator().manual_seed(0)
    size = 10 ** (torch.rand(count, generator=generator) * 20 - 16)
    return torch.rand(count, generator=generator) * size


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_roots_are_correctly_rounded(dtype):
    """No neighbour is nearer: the squares of the midpoints to both lie on either side."""
    numbers = values(500).to(dtype)
    for number, root in zip(numbers.numpy(), exact_sqrt(numbers).numpy(), strict=True):
        below, above = (
            np.nextafter(root, root.dtype.type(0)),
            np.nextafter(root, np.inf, dtype=root.dtype),
        )
        first, last = ((Fraction(float(root)) + Fraction(float(end))) / 2 for end in (below, above))
        assert first**2 < Fraction(float(number)) < last**2
    special = exact_sqrt(torch.tensor([0.0, torch.inf, torch.nan, -1.0], dtype=dtype))
    assert torch.equal(special.nan_to_num(7.0, posinf=9.0), torch.tensor([0, 9, 7, 7], dtype=dtype))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.complex64])
def test_other_types_have_torchs_roots(dtype):
    some = torch.tensor([0.25, 2.0, 9.0, -0.0, 0.0], dtype=dtype)
    torch.testing.assert_close(exact_sqrt(some), torch.sqrt(some))


IN_A_PROCESS = """
import numpy as np, torch
from convchoice.config.schema import Instructions
from convchoice.training.environment_variables import use_instructions
use_instructions(Instructions.avx2)
x = torch.rand(100_000, generator=torch.Generator().manual_seed(0))
root = np.sqrt(x.numpy())
assert np.array_equal(x.sqrt().numpy(), root)
assert np.array_equal(torch._foreach_sqrt([x])[0].numpy(), root)
assert np.array_equal(x.clone().sqrt_().numpy(), root)
assert np.array_equal(torch.sqrt(x, out=torch.empty(0)).numpy(), root)
copies = [x.clone(), x.reshape(250, 400).t().clone()]
torch._foreach_sqrt_(copies)
assert np.array_equal(copies[0].numpy(), root)
assert np.array_equal(copies[1].numpy(), root.reshape(250, 400).T)
assert torch.sqrt(torch.tensor(4.0)) == 2
assert torch.equal(torch.sqrt(torch.tensor([4, 9])), torch.tensor([2.0, 3.0]))
y = x.reshape(250, 400).t().clone().requires_grad_()
y.sqrt().sum().backward()
torch.testing.assert_close(y.grad, 0.5 / torch.from_numpy(root).reshape(250, 400).t())
weight = torch.nn.Parameter(torch.zeros_like(x))
weight.grad = x.clone()
torch.optim.RMSprop([weight], lr=1, alpha=0, eps=0).step()  # g / √g²
assert np.array_equal(weight.detach().numpy(), -x.numpy() / np.sqrt(x.numpy() * x.numpy()))
"""


@pytest.mark.skipif(not torch.cpu._is_avx2_supported(), reason="needs AVX2")
def test_a_process_that_trains_uses_them_without_a_warning():
    command = [sys.executable, "-W", "error", "-c", IN_A_PROCESS]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
