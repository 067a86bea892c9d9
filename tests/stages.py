"""The project's commands as processes that a test reads from and sends signals to."""

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from safetensors.numpy import load_file

from convchoice import PROJECT_ROOT
from convchoice.config.validation import arm_text, config_from_mapping
from convchoice.runs.run import Run
from convchoice.runs.run_folder import WEIGHTS

PATIENCE_SECONDS = 1800
"""Ends a test that hangs, on a busy machine too."""
TINY: dict[str, Any] = {
    "model": {"filters": [4, 4], "hidden_units": 8},
    "data": {"train_size": 400, "batch_size": 32},
    "trainer": {"max_epochs": 4, "accelerator": "cpu", "workers": 1},
    "tracking": {"store": "none"},
}


def composed_arm(
    folder: Path, data_root: Path, *, name: str = "tiny", seeds: int = 1, **changes: Any
) -> Path:
    """The composed file of a small arm; `changes` replace values in groups of `TINY`."""
    values = {group: dict(TINY.get(group, {})) | changes.get(group, {}) for group in TINY | changes}
    values["data"]["root"] = str(data_root)
    config = replace(config_from_mapping({"arm": name, **values}), seeds=seeds)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.yaml"
    path.write_text(arm_text(config))
    return path


started: list["Stage"] = []
"""The stages that the current test started."""


def end_all() -> None:
    """Kill the stages that the current test started."""
    while started:
        stage = started.pop()
        with suppress(ProcessLookupError):
            os.killpg(stage.process.pid, signal.SIGKILL)
        stage.process.wait()


def _default_interrupts() -> None:
    """Handle SIGINT, which a process that a shell starts in the background inherits as ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Stage:
    """A command of the project that runs in a process group of its own.

    Args:
        arguments: of the interpreter: ``-m convchoice.train …``.
        folder: its working directory.
        variables: added to its environment.
    """

    def __init__(self, *arguments: str, folder: Path, **variables: str) -> None:
        """Start it."""
        environment = os.environ | {"PYTHONPATH": str(PROJECT_ROOT / "src")} | variables
        environment.pop("CONVCHOICE_TRACEBACK", None)
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self.ended = False
        self.process = subprocess.Popen(
            [sys.executable, *arguments], cwd=folder, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
            preexec_fn=_default_interrupts,  # noqa: PLW1509 - nothing but this happens before exec
        )  # fmt: skip
        threading.Thread(target=self._listen, daemon=True).start()
        started.append(self)

    def _listen(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            for line in output:
                with self._changed:
                    self.lines.append(line)
                    self._changed.notify_all()
        with self._changed:  # the pipe is closed: no process of the group is left
            self.ended = True
            self._changed.notify_all()

    @property
    def output(self) -> str:
        """All that it and its workers have printed."""
        return "".join(self.lines)

    def wait_for(self, text: str, *, or_end: bool = False) -> None:
        """Wait until it has printed a text, or, with `or_end`, has ended."""
        with self._changed:
            self._changed.wait_for(
                lambda: self.ended or text in self.output, timeout=PATIENCE_SECONDS
            )
        assert or_end or text in self.output, self.output

    def send(self, number: signal.Signals, *, group: bool) -> None:
        """Send a signal to it, or to its process group, as Ctrl-C in a terminal does."""
        if group:
            os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)

    def end(self) -> int:
        """Wait until it and all its workers have ended; returns its exit status."""
        status = self.process.wait(timeout=PATIENCE_SECONDS)
        with self._changed:
            alone = self._changed.wait_for(lambda: self.ended, timeout=PATIENCE_SECONDS)
        assert alone, f"a worker outlives its stage: {self.output}"
        return status


def training(composed: Path, output: Path, **variables: str) -> Stage:
    """The stage `train` of one composed arm."""
    arguments = ["--composed", str(composed), "--output", str(output)]
    return Stage("-m", "convchoice.train", *arguments, folder=output.parent, **variables)


EXIT_STATUS = {signal.SIGTERM: 143, signal.SIGINT: 130, signal.SIGKILL: -9}


def numbers(run: Run) -> tuple[object, ...]:
    """Weights, history and metrics of a trained run, without its seconds and memory."""
    weights = load_file(run.path / WEIGHTS)
    history = [{key: row[key] for key in row if key != "seconds"} for row in run.history]
    metrics = {key: run.metrics[key] for key in run.metrics if not key.startswith("cost/")}
    return {name: weight.tobytes() for name, weight in weights.items()}, history, metrics


def bits(run: Run) -> tuple[object, ...]:
    """All that a run's configuration decides, predictions included."""
    logits, labels = run.predictions()
    return (*numbers(run), logits.tobytes(), labels.tobytes())
