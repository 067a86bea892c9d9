"""The Lightning module: loss, accuracy and optimiser of one network."""

from typing import Any

import torch
from pytorch_lightning import LightningModule
from torch import Tensor
from torch.nn import functional
from torch.optim import SGD, Adam, Optimizer, RMSprop

from convchoice.network import Network, count_correct
from convchoice.schema import Config, OptimizerConfig, OptimizerName


class RunningMean:
    """Mean loss and accuracy over the images seen since the last reset.

    Sums stay on the device, so adding a batch never waits for it.
    """

    def __init__(self) -> None:
        """Start empty."""
        self._loss = torch.zeros((), dtype=torch.float64)
        self._correct = torch.zeros((), dtype=torch.int64)
        self._images = 0

    def add(self, loss: Tensor, correct: Tensor, images: int) -> None:
        """Add a batch.

        Args:
            loss: mean loss of the batch, a scalar.
            correct: number of right answers, a scalar.
            images: size of the batch.
        """
        if self._loss.device != loss.device:
            self._loss = self._loss.to(loss.device)
            self._correct = self._correct.to(loss.device)
        self._loss += loss.detach().to(torch.float64) * images
        self._correct += correct
        self._images += images

    @property
    def empty(self) -> bool:
        """Whether nothing was added since the last reset."""
        return self._images == 0

    @property
    def loss(self) -> float:
        """The mean loss so far, NaN when nothing was added."""
        return self._loss.item() / (self._images or float("nan"))

    def take(self) -> tuple[float, float]:
        """The mean loss and the accuracy so far, both NaN when nothing was added; then reset."""
        means = self.loss, self._correct.item() / (self._images or float("nan"))
        self.__init__()  # type: ignore[misc]
        return means


def optimizer_of(config: OptimizerConfig, parameters: Any) -> Optimizer:
    """The optimiser of a configuration.

    RMSprop's epsilon is added outside the root, v ← ρv + (1 − ρ)g², w ← w − lr·g/(√v + ε), as in
    PyTorch and in the Keras of 2019 that the lecture used.
    """
    if config.name is OptimizerName.rmsprop:
        return RMSprop(
            parameters,
            lr=config.learning_rate,
            alpha=config.rho,
            eps=config.epsilon,
            momentum=config.momentum,
            weight_decay=config.weight_decay,
        )
    if config.name is OptimizerName.sgd:
        return SGD(
            parameters,
            lr=config.learning_rate,
            momentum=config.momentum,
            weight_decay=config.weight_decay,
        )
    return Adam(
        parameters, lr=config.learning_rate, eps=config.epsilon, weight_decay=config.weight_decay
    )


class Classifier(LightningModule):
    """A network under training.

    Args:
        config: a validated configuration.
        input_shape: (C, H, W) of one image; None takes that of the configuration's data.
    """

    def __init__(self, config: Config, input_shape: tuple[int, int, int] | None = None) -> None:
        """Build the network."""
        super().__init__()
        self.config = config
        self.network = Network(config, input_shape)
        self.training_mean = RunningMean()
        self.validation_mean = RunningMean()

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) to logits (N, 10)."""
        logits: Tensor = self.network(images)
        return logits

    def training_step(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        """Cross-entropy of one batch; its share of the running means is noted."""
        images, labels = batch
        logits = self.network(images)
        loss = functional.cross_entropy(logits, labels)
        self.training_mean.add(loss, count_correct(logits, labels), len(labels))
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor]) -> None:
        """Note one batch's share of the validation means."""
        images, labels = batch
        logits = self.network(images)
        loss = functional.cross_entropy(logits, labels)
        self.validation_mean.add(loss, count_correct(logits, labels), len(labels))

    def configure_optimizers(self) -> Optimizer:
        """The configuration's optimiser over all parameters."""
        return optimizer_of(self.config.optimizer, self.network.parameters())
