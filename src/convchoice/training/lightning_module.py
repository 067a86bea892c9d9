"""The Lightning module: loss, accuracy and optimiser of one or of several runs."""

from collections.abc import Sequence
from typing import Any

import torch
from pytorch_lightning import LightningModule
from torch import Tensor
from torch.nn import functional
from torch.optim import SGD, Adam, Optimizer, RMSprop

from convchoice.config.schema import Config, OptimizerConfig, OptimizerName
from convchoice.networks.network import Network, count_correct
from convchoice.training.stacked_seeds import StackedNetworks


class RunningMeans:
    """Mean loss and accuracy of each run over the images since the last reset.

    Sums stay on the device, so that adding a batch never waits for it.
    """

    def __init__(self, runs: int = 1) -> None:
        """Start without images."""
        self.runs = runs
        self._loss = torch.zeros(runs, dtype=torch.float64)
        self._correct = torch.zeros(runs, dtype=torch.int64)
        self._images = 0

    def add(self, losses: Tensor, correct: Tensor, images: int) -> None:
        """Add a batch: its size, and each run's mean loss and number of correct predictions."""
        self._loss = self._loss.to(losses.device)
        self._correct = self._correct.to(losses.device)
        self._loss += losses.detach().to(torch.float64) * images
        self._correct += correct
        self._images += images

    @property
    def empty(self) -> bool:
        """Whether no image was added since the last reset."""
        return self._images == 0

    @property
    def losses(self) -> list[float]:
        """The mean loss of each run, NaN without images."""
        images = self._images or float("nan")
        return [total / images for total in self._loss.tolist()]

    def take(self) -> list[tuple[float, float]]:
        """Mean loss and accuracy of each run, NaN without images; then reset."""
        images = self._images or float("nan")
        accuracies = [correct / images for correct in self._correct.tolist()]
        means = list(zip(self.losses, accuracies, strict=True))
        self.__init__(self.runs)  # type: ignore[misc]
        return means


def optimizer_of(config: OptimizerConfig, parameters: Any) -> Optimizer:
    """The optimiser of a configuration.

    RMSprop adds its epsilon outside the root, v ← ρv + (1 − ρ)g², w ← w − lr·g/(√v + ε), as PyTorch
    does and as the Keras of 2019 did that the lecture used.
    """
    shared: dict[str, Any] = {"lr": config.learning_rate, "weight_decay": config.weight_decay}
    if config.name is OptimizerName.rmsprop:
        momentum, epsilon = config.momentum, config.epsilon
        return RMSprop(parameters, alpha=config.rho, eps=epsilon, momentum=momentum, **shared)
    if config.name is OptimizerName.sgd:
        return SGD(parameters, momentum=config.momentum, **shared)
    return Adam(parameters, eps=config.epsilon, **shared)


class Classifier(LightningModule):
    """The networks of one or several runs during their training.

    Args:
        configs: validated configurations that differ only in their seeds.
        input_shape: (C, H, W) of an image; None takes the shape of the configuration's data.
    """

    def __init__(
        self, configs: Sequence[Config], input_shape: tuple[int, int, int] | None = None
    ) -> None:
        """Build the networks; those of several runs are stacked."""
        super().__init__()
        self.config = configs[0]
        self.runs = len(configs)
        networks = [Network(config, input_shape) for config in configs]
        self.network = networks[0] if self.runs == 1 else StackedNetworks(networks)
        self.training_means = RunningMeans(self.runs)
        self.validation_means = RunningMeans(self.runs)
        self.last_losses = torch.zeros(self.runs)

    def states(self) -> list[dict[str, Tensor]]:
        """The weights of each run, named as in its network's `state_dict`."""
        if isinstance(self.network, StackedNetworks):
            return self.network.states()
        return [self.network.state_dict()]

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) to logits (N, 10); of several runs, (S, N, C, H, W) to (S, N, 10)."""
        logits: Tensor = self.network(images)
        return logits

    def _losses(self, batch: tuple[Tensor, Tensor], means: RunningMeans) -> Tensor:
        """The mean loss of each run on a batch, (runs,), also added to `means`."""
        images, labels = batch
        logits = self(images)
        if self.runs == 1:
            losses = functional.cross_entropy(logits, labels).reshape(1)
            correct = count_correct(logits, labels).reshape(1)
        else:
            labels = labels.expand(logits.shape[:2])
            every, truth = logits.flatten(0, 1), labels.flatten()
            each = functional.cross_entropy(every, truth, reduction="none")
            losses = each.view(labels.shape).mean(1)
            correct = (logits.argmax(2) == labels).sum(1)
        means.add(losses, correct, labels.shape[-1])
        return losses

    def training_step(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        """The sum of the runs' cross-entropies: each run's gradient is that of its own loss."""
        losses = self._losses(batch, self.training_means)
        self.last_losses = losses.detach()
        return losses.sum()

    def validation_step(self, batch: tuple[Tensor, Tensor]) -> None:
        """Add a batch to the validation means."""
        self._losses(batch, self.validation_means)

    def configure_optimizers(self) -> Optimizer:
        """The configuration's optimiser; all of them work element by element."""
        return optimizer_of(self.config.optimizer, self.parameters())
