"""The Lightning module: networks, loss, accuracy and optimiser of one or of several runs.

Several seeds of one arm are trained in one network: their weights are stacked along a new first
axis. On a GPU a step of such a small network is limited by kernel launches; stacked, all seeds
share one launch. No operation of the network, the loss or the optimiser mixes values along the
first axis, so each seed gets the numbers that it gets alone, up to rounding.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.amp import GradScaler
from torch.nn import functional
from torch.optim import LBFGS, SGD, Adam, Optimizer, RMSprop

from convchoice.config.datasets import image_shape
from convchoice.config.own_code import TARGET, built
from convchoice.config.schema import Config, OptimizerConfig, OptimizerName
from convchoice.errors import UserError
from convchoice.networks.own_network import network_of
from convchoice.networks.stacked_networks import StackedNetworks
from convchoice.training.cuda_graph import CapturedStep
from convchoice.training.lightning_import import LightningModule


class RunningMeans:
    """Mean loss and accuracy of each run over the images so far.

    Sums stay on the device, so that adding a batch never waits for it.
    """

    def __init__(self, runs: int, device: torch.device | str = "cpu") -> None:
        """Start without images."""
        self._loss = torch.zeros(runs, dtype=torch.float64, device=device)
        self._correct = torch.zeros(runs, dtype=torch.int64, device=device)
        self.images = 0

    def add(self, losses: Tensor, correct: Tensor, images: int) -> None:
        """Add a batch: each run's mean loss and number of correct predictions, and its size."""
        self._loss += losses.detach().to(torch.float64) * images
        self._correct += correct
        self.images += images

    def values(self) -> list[tuple[float, float]]:
        """Mean loss and accuracy of each run, NaN without images."""
        images = self.images or float("nan")
        sums = zip(self._loss.tolist(), self._correct.tolist(), strict=True)
        return [(loss / images, correct / images) for loss, correct in sums]


def optimizer_of(
    config: OptimizerConfig, parameters: Any, *, capturable: bool = False
) -> Optimizer:
    """The optimiser of a configuration; `capturable` keeps all that it counts on the GPU.

    RMSprop adds its epsilon outside the root, v ← ρv + (1 − ρ)g², w ← w − lr·g/(√v + ε), as PyTorch
    does and as the Keras of 2019 did that the lecture used.
    """
    if config.own:
        found = built(config.own, parameters)
        if not isinstance(found, Optimizer) or isinstance(found, LBFGS):
            rule = "must be a torch.optim.Optimizer whose step needs no closure."
            raise UserError(f"optimizer.own: {config.own[TARGET]}: {rule}")
        return found
    shared: dict[str, Any] = {"lr": config.learning_rate, "weight_decay": config.weight_decay}
    if config.name is OptimizerName.rmsprop:
        momentum, epsilon = config.momentum, config.epsilon
        shared |= {"eps": epsilon, "momentum": momentum, "capturable": capturable}
        return RMSprop(parameters, alpha=config.rho, **shared)
    if config.name is OptimizerName.sgd:
        return SGD(parameters, momentum=config.momentum, **shared)
    return Adam(parameters, eps=config.epsilon, capturable=capturable, **shared)


ELEMENTWISE = {
    f"torch.optim.{name}"
    for name in ("ASGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "NAdam", "RAdam",
                 "RMSprop", "Rprop", "SGD")
}  # fmt: skip
"""Optimisers of torch that update each value by itself, so that seeds can be stacked."""


def can_stack(config: Config) -> bool:
    """Whether several seeds can be trained in one network: always, but for code of one's own.

    A module of one's own is tried: batch normalisation, dropout, or a step that depends on values
    cannot be stacked. In float16 each seed needs a loss scale of its own.
    """
    if config.trainer.precision == "16-mixed":
        return False
    if config.optimizer.own and config.optimizer.own[TARGET] not in ELEMENTWISE:
        return False
    if not config.network:
        return True
    networks = [network_of(config) for _ in range(2)]
    try:
        StackedNetworks(networks)(torch.zeros(2, 2, *image_shape(config.data)))
    except Exception:  # noqa: BLE001 - whatever vmap, or the module under it, raises
        return False
    return True


class Classifier(LightningModule):
    """The networks of one or several runs during their training.

    Args:
        configs: validated configurations that differ only in their seeds.
    """

    def __init__(self, configs: Sequence[Config]) -> None:
        """Build the networks; those of several runs are stacked."""
        super().__init__()
        self.automatic_optimization = False
        self.config = configs[0]
        self.runs = len(configs)
        networks = [network_of(config) for config in configs]
        self.network = networks[0] if self.runs == 1 else StackedNetworks(networks)
        self.last_losses = torch.zeros(self.runs)
        self._start_means()

    def _start_means(self) -> None:
        self.training_means = RunningMeans(self.runs, self.device)
        self.validation_means = RunningMeans(self.runs, self.device)

    def on_train_epoch_start(self) -> None:
        """Start the means of the epoch and choose its order of images."""
        self._start_means()
        batches: Any = self.trainer.train_dataloader
        batches.set_epoch(self.current_epoch)

    def states(self) -> list[dict[str, Tensor]]:
        """The weights of each run, named as in its network's `state_dict`."""
        if isinstance(self.network, StackedNetworks):
            return self.network.states()
        return [self.network.state_dict()]

    def _answers(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The mean loss of each run on a batch, and its correct predictions: both (runs,)."""
        logits = self.network(images)  # (N, classes); of several runs, (S, N, classes)
        if self.runs == 1:
            losses = functional.cross_entropy(logits, labels).reshape(1)
        else:
            labels = labels.expand(logits.shape[:2])
            every, truth = logits.flatten(0, 1), labels.flatten()
            each = functional.cross_entropy(every, truth, reduction="none")
            losses = each.view(labels.shape).mean(1)
        return losses, (logits.argmax(-1) == labels).sum(-1).reshape(self.runs)

    def on_train_start(self) -> None:
        """Prepare the steps. On a GPU, those of full batches are captured."""
        self._optimizer: Any = self.optimizers(use_pl_optimizer=False)
        scaler = getattr(self.trainer.precision_plugin, "scaler", None)
        self._scaler = scaler or GradScaler(enabled=False)
        captured = self.device.type == "cuda" and self.config.trainer.precision != "16-mixed"
        # Code of one's own may do what a captured step does not repeat.
        captured &= not (self.config.network or self.config.optimizer.own)
        self._full_step = CapturedStep(self._step) if captured else self._step

    def _step(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """An optimiser step; returns losses and correct predictions as `_answers`.

        The loss is the sum of the runs' cross-entropies: each run's gradient is that of its own.
        """
        losses, correct = self._answers(images, labels)
        with torch.autocast(self.device.type, enabled=False):  # only the forward pass is mixed
            self._optimizer.zero_grad()
            self._scaler.scale(losses.sum()).backward()
            self._scaler.step(self._optimizer)
            self._scaler.update()
        return losses.detach(), correct

    def training_step(self, block: tuple[Tensor, Tensor]) -> None:
        """An optimiser step for each batch of a block."""
        size, dimension = self.config.data.batch_size, 0 if self.runs == 1 else 1
        parts = (torch.split(each, size, dimension) for each in block)
        for images, labels in zip(*parts, strict=True):
            count = labels.shape[-1]
            step = self._full_step if count == size else self._step
            self.last_losses, correct = step(images, labels)
            self.training_means.add(self.last_losses, correct, count)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Let the optimiser count where this device wants it: a checkpoint may be of another."""
        on_gpu = self.trainer.strategy.root_device.type == "cuda"  # this module is moved later
        for state in checkpoint["optimizer_states"]:
            for group in state["param_groups"]:
                if "capturable" in group:
                    group["capturable"] = on_gpu

    def validation_step(self, batch: tuple[Tensor, Tensor]) -> None:
        """Add a batch to the validation means."""
        self.validation_means.add(*self._answers(*batch), batch[1].shape[-1])

    def configure_optimizers(self) -> Optimizer:
        """The configuration's optimiser."""
        learned = [each for each in self.parameters() if each.requires_grad]
        capturable = self.device.type == "cuda"
        return optimizer_of(self.config.optimizer, learned, capturable=capturable)
