"""The job that `evaluation.py` measures against; in a module of its own, for worker processes."""

from dataclasses import dataclass
from pathlib import Path

from convchoice.runs.events import Listener, RunEnded, RunKey


@dataclass(frozen=True)
class BareForward:
    """The networks of some runs over the test images, and nothing else."""

    share: int
    folders: tuple[Path, ...]
    data_root: Path

    @property
    def keys(self) -> list[RunKey]:
        """The key of the job."""
        return [("bare", self.share)]

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
        images, labels = load(self.data_root).test()
        batches = Batches(
            torch.from_numpy(images), torch.from_numpy(labels.astype("int64")), EVALUATION_BATCH
        )
        for folder in self.folders:
            network = load_network(read_run(folder))
            with torch.inference_mode():
                torch.cat([network(batch) for batch, _ in batches])
        listener(RunEnded(*self.keys[0]))
