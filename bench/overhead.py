"""The overhead of checkpoints, history and progress: the same training without them.

    python bench/overhead.py --rounds 5

Both train the same seeds of the lecture's network side by side in worker processes. `with` is this
project's training of an arm: a checkpoint an epoch, history, progress, checksums. `without` is
Lightning's `fit` of the same module and data with no callback, logger or checkpoint. Times include
the start of the processes.
"""

import argparse
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from convchoice.config.schema import Config
from convchoice.config.validation import config_from_mapping
from convchoice.execution.executors import LocalExecutor, available_cores
from convchoice.execution.job import Job
from convchoice.runs.events import Listener, RunEnded
from convchoice.runs.run import RunSpecification
from measurement import alternate, publish, ratio, train_seeds


class PlainTraining(Job):
    """Lightning's `fit` of one run, without callbacks."""

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


def plain_seconds(configs: Sequence[Config]) -> float:
    """Wall time of the training without overhead."""
    runs = [RunSpecification(each, Path(each.data.root), Path("unused")) for each in configs]
    jobs = [PlainTraining((run,)) for run in runs]
    began = time.perf_counter()
    LocalExecutor(available_cores()).run(jobs, lambda _event: None)
    return time.perf_counter() - began


def main() -> None:
    """Alternate both, print and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=2)
    given = parser.parse_args()
    cores = available_cores()
    trainer = {"max_epochs": given.epochs, "instructions": "native"}
    values = {"data": {"validation_size": 0}, "trainer": trainer}
    config = config_from_mapping({"arm": "bench", **values})
    plain_seconds([replace(config, data=replace(config.data, train_size=640))])  # starts the server
    memory: list[float] = []

    def measured_with() -> float:
        training = train_seeds(cores, cores, **values)
        memory.extend(metrics["cost/peak_memory_bytes"] for metrics in training.metrics)
        return training.seconds

    plain = [replace(config, seed=seed) for seed in range(cores)]
    figures = alternate(
        given.rounds, {"with": measured_with, "without": lambda: plain_seconds(plain)}
    )
    publish(
        "overhead",
        {
            "seeds_side_by_side": cores,
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
