"""Steps on a GPU that cannot be captured. What is captured: `test_stacked_seeds`, on a GPU."""

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from convchoice.training.cuda_graph import CapturedStep


def test_steps_that_cannot_be_captured_are_called_one_by_one(monkeypatch, capsys):
    def refused(_graph: Any) -> Any:
        raise RuntimeError("operation not permitted\nwhen the stream is capturing")

    stream = SimpleNamespace(wait_stream=lambda _other: None)
    for name, value in {
        "Stream": lambda: stream,
        "current_stream": lambda: stream,
        "stream": lambda _stream: nullcontext(),
        "CUDAGraph": SimpleNamespace,
        "graph": refused,
    }.items():
        monkeypatch.setattr(torch.cuda, name, value)
    total = torch.zeros(())

    def step(images: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
        return (total.add_(images.sum()).clone(), labels)

    captured = CapturedStep(step)
    sums = [captured(torch.full((2,), float(number)), torch.zeros(2))[0] for number in range(7)]
    assert [each.item() for each in sums] == [0, 2, 6, 12, 20, 30, 42]
    warning = "warning: steps are not captured as a CUDA graph: operation not permitted\n"
    assert capsys.readouterr().err == warning
