"""What checkpoints, history and progress cost: the same training with all of them off.

    python bench/bookkeeping.py --rounds 5

Both train the same seeds of the lecture's network side by side in worker processes. `with` is this
project's own training of an arm: checkpoint an epoch, history, bars, sealed folders.
`without` is Lightning's `fit` of the same module and data with no callback, logger or checkpoint.
Times are of the whole, start-up included.
"""

import argparse
import contextlib
import io
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from alternation import in_turns, publish, ratio
from convchoice.config.schema import Config
from convchoice.config.validation import config_from_mapping
from convchoice.execution.executors import LocalExecutor, available_cores
from convchoice.execution.job import Job
from convchoice.execution.runner import run, specify
from convchoice.runs.events import Event, Listener, RunEnded
from convchoice.runs.run import read_run


class PlainTraining(Job):
    """Lightning's `fit` of one run, and nothing around it."""

    def work(self, listener: Listener) -> None:
        """Train."""
        import torch
        from pytorch_lightning import Trainer

        from convchoice.data.dataset import load
        from convchoice.training.batches import training_batches
        from convchoice.training.device import keep_freed_memory
        from convchoice.training.lightning_module import Classifier

        keep_freed_memory()
        (run,) = self.runs
        torch.set_num_threads(run.config.trainer.threads)
        stored, device = load(run.data_root), torch.device("cpu")
        batches = training_batches(stored, run.config.data, [run.seed], device)
        Trainer(
            accelerator="cpu", max_epochs=run.config.trainer.max_epochs, logger=False,
            enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
            num_sanity_val_steps=0,
        ).fit(Classifier([run.config]), *batches)  # fmt: skip
        listener(RunEnded(*run.key))


def seconds(configs: list[Config], *, books: bool) -> tuple[float, float]:
    """Train, with or without books; returns the wall time and the largest resident memory."""

    def ignore(event: Event) -> None:
        pass

    with tempfile.TemporaryDirectory() as folder:
        missing = specify(configs, Path(folder))
        if not books:
            began = time.perf_counter()
            LocalExecutor(available_cores()).run([PlainTraining((run,)) for run in missing], ignore)
            return time.perf_counter() - began, 0.0
        with contextlib.redirect_stdout(io.StringIO()):
            began = time.perf_counter()
            failures = run(missing, LocalExecutor(available_cores()), evaluates=False)
            ended = time.perf_counter()
        assert not failures, failures
        peaks = [read_run(item.folder).metrics["cost/peak_memory_bytes"] for item in missing]
    return ended - began, max(peaks)


def main() -> None:
    """Alternate both, print and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=2)
    given = parser.parse_args()
    one = config_from_mapping(
        {
            "arm": "bench",
            "data": {"validation_size": 0},
            "trainer": {"max_epochs": given.epochs},
        }
    )
    configs = [replace(one, seed=seed) for seed in range(available_cores())]
    small = replace(one, data=replace(one.data, train_size=640))
    seconds([small], books=False)  # starts the server that workers come from
    memory: list[float] = []

    def with_books() -> float:
        taken, peak = seconds(configs, books=True)
        memory.append(peak)
        return taken

    figures = in_turns(
        given.rounds,
        {"with": with_books, "without": lambda: seconds(configs, books=False)[0]},
    )
    publish(
        "bookkeeping",
        {
            "seeds_side_by_side": len(configs),
            "epochs_of_60000": given.epochs,
            "rounds": given.rounds,
            "seconds_with": statistics.median(figures["with"]),
            "seconds_without": statistics.median(figures["without"]),
            "with_over_without": ratio(figures["with"], figures["without"]),
            "peak_resident_gigabytes_of_a_training": max(memory) / 1e9,
        },
    )


if __name__ == "__main__":
    main()
