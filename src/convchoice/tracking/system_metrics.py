"""The machine while it trains: MLflow's own system metrics, sampled once for all runs under way.

MLflow's `SystemMetricsMonitor` has a thread and a logger for each run, asks the store for the run
before every sample and takes one in ten seconds: runs of seconds would have none, and thirty seeds
that train together thirty threads. Here one thread reads MLflow's monitors into memory; the samples
go to the store with the epoch's numbers, in the same batch.
"""

import os
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from convchoice.tracking.store import Point

PREFIX = "system/"
SWITCH = "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING"
INTERVAL = "MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL"
SHORTEST_SECONDS = 1.0
LONGEST_SECONDS = 30.0
SAMPLES_AN_AGE = 60
"""The interval grows with the age of the sampling: about so many samples for each doubling."""


def wanted() -> bool:
    """Whether machines are sampled: yes, unless MLflow's own switch is set to no."""
    return os.environ.get(SWITCH, "true").lower() not in {"0", "false", "no"}


@dataclass(frozen=True)
class Sample:
    """One look at the machine."""

    milliseconds: int
    values: dict[str, float]


@dataclass
class _Reader:
    """Where in the samples a run is."""

    next_sample: int
    next_step: int = 0


@dataclass
class MachineSampler:
    """Samples the machine from its start until it is stopped.

    Attributes:
        samples: what was seen so far.
    """

    samples: list[Sample] = field(default_factory=list)
    _readers: dict[str, _Reader] = field(default_factory=dict)
    _monitors: list[Any] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _thread: threading.Thread | None = None

    def begin(self, run_id: str, first_step: int = 0) -> None:
        """A run begins; the first one starts the thread.

        Args:
            run_id: of the run.
            first_step: samples that it has from before it was interrupted.
        """
        if self._thread is None:
            self._start()
        with self._lock:
            self._readers[run_id] = _Reader(len(self.samples), first_step)

    def _start(self) -> None:
        from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor  # noqa: PLC0415
        from mlflow.system_metrics.metrics.disk_monitor import DiskMonitor  # noqa: PLC0415
        from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor  # noqa: PLC0415
        from mlflow.system_metrics.metrics.network_monitor import NetworkMonitor  # noqa: PLC0415

        monitors: tuple[Any, ...] = (CPUMonitor, DiskMonitor, NetworkMonitor)
        self._monitors = [monitor() for monitor in monitors]
        gpu: Any = GPUMonitor
        with suppress(ImportError, RuntimeError):  # no GPU, or no nvidia-ml-py to ask it
            self._monitors.append(gpu())
        self._monitors[0].collect_metrics()  # a processor's load is always since the last look
        self._monitors[0].clear_metrics()
        self._thread = threading.Thread(target=self._run, daemon=True, name="machine-sampler")
        self._thread.start()

    def _run(self) -> None:
        began = time.monotonic()
        while True:
            age = time.monotonic() - began
            grown = min(max(SHORTEST_SECONDS, age / SAMPLES_AN_AGE), LONGEST_SECONDS)
            if self._stop.wait(float(os.environ.get(INTERVAL) or grown)):
                return
            self.look()

    def look(self) -> None:
        """Take one sample."""
        values: dict[str, float] = {}
        with self._lock:
            for monitor in self._monitors:
                monitor.collect_metrics()
                values |= monitor.aggregate_metrics()
                monitor.clear_metrics()
            self.samples.append(Sample(int(time.time() * 1000), values))

    def take(self, run_id: str) -> list[Point]:
        """What was seen since the run began or took last; one step a sample."""
        reader = self._readers.get(run_id)
        if reader is None:
            return []
        with self._lock:
            fresh = self.samples[reader.next_sample :]
        reader.next_sample += len(fresh)
        points = []
        for step, sample in enumerate(fresh, reader.next_step):
            points += [
                Point(PREFIX + key, value, step, sample.milliseconds)
                for key, value in sample.values.items()
            ]
        reader.next_step += len(fresh)
        return points

    def end(self, run_id: str) -> list[Point]:
        """A run ends; returns what it has not taken, a last look included."""
        if run_id not in self._readers:
            return []
        self.look()
        points = self.take(run_id)
        del self._readers[run_id]
        return points

    def stop(self) -> None:
        """Stop the thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
