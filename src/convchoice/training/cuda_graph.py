"""A training step as a CUDA graph: one launch in the place of some two hundred.

A small network's kernels end sooner than Python launches the next one, so a GPU waits for the CPU.
"""

import sys
from collections.abc import Callable

import torch
from torch import Tensor

Step = Callable[[Tensor, Tensor], tuple[Tensor, ...]]
EAGER_STEPS = 3
"""Steps before the capture, in which libraries allocate what they keep."""


class CapturedStep:
    """Calls a step, and from the fourth call on replays it.

    Where a step cannot be captured, it is called each time.

    Args:
        step: reads its arguments, which have the same shapes in each call, and changes other
            tensors in place only.
    """

    def __init__(self, step: Step) -> None:
        """Start without a graph."""
        self._step = step
        self._eager_steps: float = EAGER_STEPS
        self._graph: torch.cuda.CUDAGraph | None = None
        self._stream: torch.cuda.Stream | None = None

    def __call__(self, images: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
        """Do a step; the next call overwrites the tensors that this one returns."""
        if self._graph is None and self._eager_steps <= 0:
            self._capture(images, labels)
        if self._graph is None:
            self._eager_steps -= 1
            return self._aside(images, labels)
        self._images.copy_(images)
        self._labels.copy_(labels)
        self._graph.replay()
        return self._results

    def _aside(self, images: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
        """Call the step on a stream other than the default one, as torch asks before a capture.

        It is the same one in every call: each stream keeps the memory that was freed on it.
        """
        if self._stream is None:
            self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream = self._stream
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            results = self._step(images, labels)
        torch.cuda.current_stream().wait_stream(stream)
        return results

    def _capture(self, images: Tensor, labels: Tensor) -> None:
        self._images, self._labels = torch.empty_like(images), torch.empty_like(labels)
        graph = torch.cuda.CUDAGraph()
        try:
            # The outer context brings the stream back, which `graph` does not after a failure.
            with torch.cuda.stream(torch.cuda.current_stream()), torch.cuda.graph(graph):
                self._results = self._step(self._images, self._labels)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            print(f"warning: steps are not captured as a CUDA graph: {reason}", file=sys.stderr)
            self._eager_steps = float("inf")
        else:
            self._graph = graph
