"""The bare work that others are measured against, in a module that worker processes can import."""

import time
from collections.abc import Sequence

from convchoice.execution.executors import LocalExecutor, available_cores
from convchoice.execution.job import Job
from convchoice.runs.events import Event, Listener, RunEnded


def seconds_of(jobs: Sequence[Job]) -> float:
    """Wall time of some jobs in worker processes, one on each core."""
    events: list[Event] = []
    began = time.perf_counter()
    LocalExecutor(available_cores()).run(jobs, events.append)
    seconds = time.perf_counter() - began
    failures = [event for event in events if isinstance(event, RunEnded) and event.failure]
    assert not failures, failures
    return seconds


class BareForward(Job):
    """The networks of trained runs over the test images, and nothing else."""

    def work(self, listener: Listener) -> None:
        """Run the networks."""
        import torch

        from convchoice.data.dataset import load
        from convchoice.evaluation.evaluate import load_network
        from convchoice.runs.run import read_run
        from convchoice.training.batches import EVALUATION_BATCH, Batches
        from convchoice.training.device import keep_freed_memory

        keep_freed_memory()
        torch.set_num_threads(1)
        images, labels = load(self.runs[0].data_root).test()
        batches = Batches(
            torch.from_numpy(images), torch.from_numpy(labels.astype("int64")), EVALUATION_BATCH
        )
        for run in self.runs:
            network = load_network(read_run(run.folder))
            with torch.inference_mode():
                torch.cat([network(batch) for batch, _ in batches])
            listener(RunEnded(*run.key))


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
