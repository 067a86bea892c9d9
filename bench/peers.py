"""Programs that train the lecture's network.

    python bench/peers.py NAME --images 12800 --threads 2

trains two epochs and prints the images a second of the second one. `training.py`, `seeds.py` and
`freed_memory.py` start each in a process of its own.

ours        this project's training of one run: Lightning, callbacks, checkpoint, history
bare        a plain PyTorch loop of the same arithmetic, data in memory
bare_glibc  the same without `keep_freed_memory`
ours_bf16, bare_bf16   the same in bf16-mixed, for processors with such instructions
tutorial    Lightning with torchvision's data set and transforms and a DataLoader, as in tutorials
keras       the lecture's program: Keras 3 on TensorFlow (needs the extra `bench`)
keras_seeds the same, four seeds one after another, one epoch each
"""

import argparse
import gzip
import shutil
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

BATCH = 64
EPOCHS = 2
SEEDS = 4
DATA = Path("data/raw")


def ours(images: int, threads: int, precision: str = "32-true") -> float:
    """One run, as `convchoice.train` does it."""
    from convchoice.config.validation import config_from_mapping
    from convchoice.runs.events import EpochEnded, Event
    from convchoice.runs.run import RunSpecification
    from convchoice.training.train import train

    seconds: list[float] = []

    def listen(event: Event) -> None:
        if isinstance(event, EpochEnded):
            seconds.append(event.row["seconds"])

    config = config_from_mapping(
        {
            "arm": "ours",
            "data": {"train_size": images, "validation_size": 0},
            "trainer": {
                "max_epochs": EPOCHS,
                "threads": threads,
                "instructions": "native",
                "precision": precision,
            },
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        train([RunSpecification(config, DATA, Path(folder) / "ours" / "seed-0", "bench")], listen)
    return images / seconds[-1]


def bare_seconds(
    images: int, epochs: int, device: Any, *, bfloat16: bool = False, keeps_memory: bool = True
) -> list[float]:
    """Seconds of each epoch of a plain loop, on a torch device."""
    import numpy as np
    import torch
    from torch.nn import functional

    from convchoice.config.schema import Config
    from convchoice.data.dataset import load
    from convchoice.networks.network import Network
    from convchoice.training.batches import Batches
    from convchoice.training.device import finished_time, keep_freed_memory
    from convchoice.training.lightning_module import optimizer_of

    if keeps_memory:
        keep_freed_memory()
    pixels, labels = load(DATA).train()
    batches = Batches(
        torch.from_numpy(pixels[:images]).to(device),
        torch.from_numpy(labels[:images].astype(np.int64)).to(device),
        BATCH,
        seeds=[0],
    )
    network = Network(Config()).to(device)
    optimizer = optimizer_of(Config().optimizer, network.parameters())
    seconds = []
    for epoch in range(epochs):
        batches.set_epoch(epoch)
        began = time.perf_counter()
        for some_images, some_labels in batches:
            optimizer.zero_grad()
            with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
                loss = functional.cross_entropy(network(some_images), some_labels)
            loss.backward()
            optimizer.step()
        seconds.append(finished_time(device) - began)
    return seconds


def bare(images: int, threads: int, **options: bool) -> float:
    """A plain loop on the CPU; options as of `bare_seconds`."""
    import torch

    torch.set_num_threads(threads)
    return images / bare_seconds(images, EPOCHS, torch.device("cpu"), **options)[-1]


def tutorial(images: int, threads: int) -> float:
    """As in Lightning's tutorials."""
    import convchoice  # noqa: F401, I001 - makes torchvision importable beside a CPU torch
    import pytorch_lightning
    import torch
    from torch import nn
    from torch.nn import functional
    from torch.utils.data import DataLoader, Subset
    from torchvision import transforms
    from torchvision.datasets import MNIST

    torch.set_num_threads(threads)

    class Tutorial(pytorch_lightning.LightningModule):
        """The lecture's network."""

        def __init__(self) -> None:
            super().__init__()
            self.network = nn.Sequential(
                nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2),
                nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
                nn.Conv2d(64, 64, 3), nn.ReLU(),
                nn.Flatten(), nn.Linear(576, 64), nn.ReLU(), nn.Linear(64, 10),
            )  # fmt: skip
            self.ends: list[float] = []

        def training_step(self, batch: list[torch.Tensor]) -> torch.Tensor:
            some_images, some_labels = batch
            loss = functional.cross_entropy(self.network(some_images), some_labels)
            self.log("train_loss", loss)
            return loss

        def on_train_epoch_start(self) -> None:
            self.began = time.perf_counter()

        def on_train_epoch_end(self) -> None:
            self.ends.append(time.perf_counter() - self.began)

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.RMSprop(self.parameters(), lr=1e-3)

    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "MNIST" / "raw"
        raw.mkdir(parents=True)
        for packed in (DATA / "mnist").glob("*.gz"):
            with gzip.open(packed) as source, (raw / packed.stem).open("wb") as target:
                shutil.copyfileobj(source, target)
        dataset = MNIST(folder, train=True, transform=transforms.ToTensor())
        loader = DataLoader(Subset(dataset, range(images)), batch_size=BATCH, shuffle=True)
        module = Tutorial()
        trainer = pytorch_lightning.Trainer(
            max_epochs=EPOCHS, accelerator="cpu", default_root_dir=folder
        )
        trainer.fit(module, loader)
    return images / module.ends[-1]


def keras_epochs(images: int, threads: int, epochs: int, seeds: int) -> list[float]:
    """Seconds of each epoch of the lecture's program, unchanged except for imports.

    Seeds are trained one after another in this process, each a new model.
    """
    import os

    os.environ["KERAS_BACKEND"] = "tensorflow"
    import numpy as np
    import tensorflow as tf
    from keras import layers, models, utils

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    with gzip.open(DATA / "mnist" / "train-images-idx3-ubyte.gz") as file:
        pixels = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28, 1)
    with gzip.open(DATA / "mnist" / "train-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8)
    inputs = pixels[:images].astype("float32") / 255
    targets = np.eye(10, dtype="float32")[labels[:images]]
    seconds = []
    for seed in range(seeds):
        utils.set_random_seed(seed)
        model = models.Sequential()
        model.add(layers.Conv2D(32, (3, 3), activation="relu"))
        model.add(layers.MaxPooling2D((2, 2)))
        model.add(layers.Conv2D(64, (3, 3), activation="relu"))
        model.add(layers.MaxPooling2D((2, 2)))
        model.add(layers.Conv2D(64, (3, 3), activation="relu"))
        model.add(layers.Flatten())
        model.add(layers.Dense(64, activation="relu"))
        model.add(layers.Dense(10, activation="softmax"))
        model.compile(optimizer="rmsprop", loss="categorical_crossentropy", metrics=["accuracy"])
        for _ in range(epochs):
            began = time.perf_counter()
            model.fit(inputs, targets, epochs=1, batch_size=BATCH, verbose=0)
            seconds.append(time.perf_counter() - began)
    return seconds


def keras(images: int, threads: int) -> float:
    """The lecture's program, one run."""
    return images / keras_epochs(images, threads, EPOCHS, seeds=1)[-1]


def keras_seeds(images: int, threads: int) -> float:
    """The lecture's program, one epoch of each seed: images a second of the last."""
    return images / keras_epochs(images, threads, epochs=1, seeds=SEEDS)[-1]


PEERS = {
    "ours": ours,
    "bare": bare,
    "bare_glibc": partial(bare, keeps_memory=False),
    "ours_bf16": partial(ours, precision="bf16-mixed"),
    "bare_bf16": partial(bare, bfloat16=True),
    "tutorial": tutorial,
    "keras": keras,
    "keras_seeds": keras_seeds,
}


def main() -> None:
    """Train one peer and print its images a second."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("--images", type=int, default=12_800)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    print(f"images_per_second {PEERS[given.peer](given.images, given.threads):.1f}")


if __name__ == "__main__":
    main()
