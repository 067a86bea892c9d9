"""The Lightning module: loss, accuracy and optimiser of one network."""

from typing import Any

import torch
from pytorch_lightning import LightningModule
from torch import Tensor
from torch.nn import functional
from torch.optim import SGD, Adam, Optimizer, RMSprop

from convchoice.config.schema import Config, OptimizerConfig, OptimizerName
from convchoice.networks.network import Network, count_correct
from convchoice.networks.plan import Plan


class RunningMeans:
    """Mean loss and accuracy of each run over the images seen since the last reset.

    Sums stay on the device, so adding a batch never waits for it.

    Args:
        runs: number of runs that are trained together.
    """

    def __init__(self, runs: int = 1) -> None:
        """Start empty."""
        self.runs = runs
        self._loss = torch.zeros(runs, dtype=torch.float64)
        self._correct = torch.zeros(runs, dtype=torch.int64)
        self._images = 0

    def add(self, losses: Tensor, correct: Tensor, images: int) -> None:
        """Add a batch of each run.

        Args:
            losses: mean loss of each run's batch, (runs,).
            correct: number of right answers of each run, (runs,).
            images: size of a run's batch.
        """
        if self._loss.device != losses.device:
            self._loss = self._loss.to(losses.device)
            self._correct = self._correct.to(losses.device)
        self._loss += losses.detach().to(torch.float64) * images
        self._correct += correct
        self._images += images

    @property
    def empty(self) -> bool:
        """Whether nothing was added since the last reset."""
        return self._images == 0

    @property
    def losses(self) -> list[float]:
        """The mean loss of each run so far, NaN when nothing was added."""
        images = self._images or float("nan")
        return [total / images for total in self._loss.tolist()]

    def take(self) -> list[tuple[float, float]]:
        """Mean loss and accuracy of each run so far, NaN when nothing was added; then reset."""
        images = self._images or float("nan")
        accuracies = [correct / images for correct in self._correct.tolist()]
        means = list(zip(self.losses, accuracies, strict=True))
        self.__init__(self.runs)  # type: ignore[misc]
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


class RunsInTraining(LightningModule):
    """One or more runs that are trained in one pass: their means, steps and optimiser.

    Args:
        config: a validated configuration, of the first run.
        runs: their number.
    """

    def __init__(self, config: Config, runs: int) -> None:
        """Start with nothing seen."""
        super().__init__()
        self.config = config
        self.training_means = RunningMeans(runs)
        self.validation_means = RunningMeans(runs)
        self.last_losses = torch.zeros(runs)

    @property
    def plan(self) -> Plan:
        """The layers of each run's network."""
        raise NotImplementedError

    def states(self) -> list[dict[str, Tensor]]:
        """Each run's weights, as its network alone names them."""
        raise NotImplementedError

    def answers(self, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Mean loss and number of right answers of each run on a batch, both (runs,)."""
        raise NotImplementedError

    def _losses(self, batch: tuple[Tensor, Tensor], means: RunningMeans) -> Tensor:
        losses, correct = self.answers(batch)
        means.add(losses, correct, batch[1].shape[-1])
        return losses

    def training_step(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        """The sum of the runs' cross-entropies: the gradient of each run is its own loss's."""
        losses = self._losses(batch, self.training_means)
        self.last_losses = losses.detach()
        return losses.sum()

    def validation_step(self, batch: tuple[Tensor, Tensor]) -> None:
        """Note one batch's share of each run's validation means."""
        self._losses(batch, self.validation_means)

    def configure_optimizers(self) -> Optimizer:
        """The configuration's optimiser; all of them work element by element."""
        return optimizer_of(self.config.optimizer, self.parameters())


class Classifier(RunsInTraining):
    """A network under training.

    Args:
        config: a validated configuration.
        input_shape: (C, H, W) of one image; None takes that of the configuration's data.
    """

    def __init__(self, config: Config, input_shape: tuple[int, int, int] | None = None) -> None:
        """Build the network."""
        super().__init__(config, runs=1)
        self.network = Network(config, input_shape)

    @property
    def plan(self) -> Plan:
        """The network's layers."""
        return self.network.plan

    def states(self) -> list[dict[str, Tensor]]:
        """The network's weights, in a list of one."""
        return [self.network.state_dict()]

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) to logits (N, 10)."""
        logits: Tensor = self.network(images)
        return logits

    def answers(self, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Mean loss and number of right answers on a batch, both (1,)."""
        images, labels = batch
        logits = self.network(images)
        loss = functional.cross_entropy(logits, labels)
        return loss.reshape(1), count_correct(logits, labels).reshape(1)
