"""The GPU's kernels against torch in float64; without a GPU, Triton interprets them (conftest)."""

import importlib
from unittest.mock import Mock

import pytest
import torch
from torch.nn import functional

from convchoice.config.validation import config_from_mapping
from convchoice.networks import stacked_networks
from convchoice.networks.conv_arithmetic import Axes, Axis
from convchoice.networks.network import Network

pytest.importorskip("triton")
ON_GPU = torch.cuda.is_available()
triton_kernels = importlib.import_module("convchoice.networks.triton_kernels")


def maps_of(images: int, channels: int, *sizes: int, turned: bool) -> torch.Tensor:
    """Small integers, so that maxima tie; `turned` maps have the channels first in memory."""
    generator = torch.Generator().manual_seed(0)
    shape = (channels, images) if turned else (images, channels)
    values = torch.randint(0, 3, (*shape, *sizes), generator=generator).double()
    values = values.to("cuda" if ON_GPU else "cpu")
    return (values.transpose(0, 1) if turned else values).requires_grad_()


def check_gradient(found, wanted, maps, others):
    """The gradients of two outputs, with respect to maps of equal values."""
    slope = torch.rand(wanted.shape, dtype=torch.float64).to(wanted.device)
    (found * slope).sum().backward()
    (wanted * slope).sum().backward()
    torch.testing.assert_close(maps.grad, others.grad, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    ("kernel", "stride", "before", "after"),
    [
        ((3, 2), (1, 1), (0, 0), (0, 0)),
        ((3, 3), (2, 1), (1, 1), (1, 1)),
        ((2, 2), (2, 2), (0, 0), (0, -1)),
        ((4, 3), (2, 3), (1, 0), (2, 2)),
    ],
)
def test_patches_are_those_of_torch_and_so_are_their_gradients(
    kernel, stride, before, after, turned, monkeypatch
):
    monkeypatch.setattr(triton_kernels, "BLOCK", 64)  # several programs
    seeds, images, sizes = 2, 3, (8, 9)
    axes = Axes(*map(Axis, sizes, kernel, stride, before, after))
    maps, others = (maps_of(images, seeds * 3, *sizes, turned=turned) for _ in range(2))
    size = 3 * kernel[0] * kernel[1]
    found = triton_kernels.Patches.apply(maps, seeds, axes, before, size + 2)
    assert (found[:, size] == 1).all()
    assert (found[:, size + 1] == 0).all()
    rows, columns = (n + min(a, 0) for n, a in zip(sizes, after, strict=True))
    pads = (before[1], max(after[1], 0), before[0], max(after[0], 0))
    padded = functional.pad(others[:, :, :rows, :columns], pads)
    each = padded.reshape(images * seeds, 3, *padded.shape[2:])
    wanted = functional.unfold(each, kernel, stride=stride)
    wanted = wanted.view(images, seeds, size, -1).permute(1, 2, 0, 3).flatten(2)
    assert torch.equal(found[:, :size], wanted)
    check_gradient(found[:, :size], wanted, maps, others)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("kernel", [(2, 2), (3, 2)])
@pytest.mark.parametrize("is_max", [True, False])
def test_pooled_windows_are_those_of_torch_and_so_are_their_gradients(
    is_max, kernel, turned, monkeypatch
):
    """Pixels behind the last whole window have no gradient."""
    monkeypatch.setattr(triton_kernels, "BLOCK", 64)  # several programs
    maps, others = (maps_of(2, 3, 11, 9, turned=turned) for _ in range(2))
    found = triton_kernels.PooledWindows.apply(maps, kernel, is_max)
    pool = functional.max_pool2d if is_max else functional.avg_pool2d
    wanted = pool(others, kernel)
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=0)
    check_gradient(found, wanted, maps, others)


def test_a_window_with_nan_pools_to_nan():
    maps = maps_of(1, 1, 4, 4, turned=False).detach()
    maps[0, 0, 1, 1] = torch.nan
    found = triton_kernels.PooledWindows.apply(maps, (2, 2), True)
    assert found.isnan().flatten().tolist() == [True, False, False, False]


@pytest.mark.parametrize(
    ("reason", "fix"),
    [
        ("Failed to find C compiler.", (" They need a C compiler and Python's headers: install gcc"
         " and python3-dev, or set CC.")),
        ("Permission denied: /root/.triton", ""),
    ],
)  # fmt: skip
def test_where_triton_fails_a_warning_is_printed_once_and_there_are_no_kernels(
    monkeypatch, capsys, reason, fix
):
    def launch(*_: object) -> None:
        raise RuntimeError(f"{reason}\nMore.")

    maps = Mock(is_cuda=True, device=torch.device("cuda" if ON_GPU else "cpu"), shape=(1, 1))
    maps.numel.return_value = 1
    compiled = stacked_networks._compiled_kernels
    compiled.cache_clear()
    assert stacked_networks.triton_kernels(maps) is triton_kernels
    compiled.cache_clear()
    monkeypatch.setattr(triton_kernels.PooledWindows, "apply", launch)
    assert stacked_networks.triton_kernels(maps) is None
    assert stacked_networks.triton_kernels(maps) is None
    compiled.cache_clear()
    assert capsys.readouterr().err == (
        f"warning: PyTorch's own layers replace the Triton kernels, and are slower: {reason}{fix}\n"
    )


@pytest.mark.parametrize(
    "values",
    [
        {"conv": {"padding": "same"}, "downsample": {"operator": "max"}},
        {"conv": {"padding": 1, "padding_mode": "circular"}, "downsample": {"operator": "average"}},
        {"downsample": {"operator": "all_conv"}, "model": {"first_layer": "locally_connected"}},
    ],
)  # fmt: skip
def test_stacked_networks_have_the_same_logits_and_gradients_with_the_kernels(values, monkeypatch):
    model = {"filters": [6, 5], "downsample_after": [1], "hidden_units": 4}
    mapping = {**values, "model": model | values.get("model", {})}
    networks = [
        Network(config_from_mapping({"seed": seed, **mapping}), (1, 9, 8)).double()
        for seed in (0, 1)
    ]
    images = torch.rand(2, 3, 1, 9, 8, dtype=torch.float64)
    answers = []
    for kernels in (None, triton_kernels):
        monkeypatch.setattr(stacked_networks, "triton_kernels", lambda maps, found=kernels: found)
        stacked = stacked_networks.StackedNetworks(networks)
        device = "cuda" if ON_GPU and kernels else "cpu"
        logits = stacked.to(device)(images.to(device))
        logits.square().sum().backward()
        answers.append([each.cpu() for each in (logits, *(w.grad for w in stacked.parameters()))])
    for wanted, found in zip(*answers, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-12)
