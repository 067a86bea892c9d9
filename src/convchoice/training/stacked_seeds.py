"""Several seeds of one arm trained in one pass: their weights stacked along a new first axis.

On a GPU a step of so small a network is bound by launching its kernels; stacked, all seeds share
one launch. Nothing passes from one seed to another: every operation of the network, the loss and
the optimisers keeps the first axis apart, so each seed gets the numbers that it gets alone, up to
the rounding of another order of summation.
"""

import copy
from collections.abc import Sequence

from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn import functional

from convchoice.config.schema import Config
from convchoice.networks.network import Network
from convchoice.networks.plan import Plan
from convchoice.training.lightning_module import RunsInTraining


class StackedNetworks(nn.Module):
    """Networks of one plan as one module.

    Args:
        networks: S networks that differ in the values of their parameters alone.
    """

    def __init__(self, networks: Sequence[Network]) -> None:
        """Stack the parameters; buffers (fixed pooling weights) are the same in all networks."""
        super().__init__()
        parameters, _ = stack_module_state(list(networks))
        self.parameter_names = list(parameters)
        self.stacked = nn.ParameterList(parameters.values())
        self.buffer_names = [name for name, _ in networks[0].named_buffers()]
        for place, (_, buffer) in enumerate(networks[0].named_buffers()):
            self.register_buffer(f"buffer{place}", buffer, persistent=False)
        # In a list, so that its own parameters are no parameters of this module.
        self._template = [copy.deepcopy(networks[0]).to("meta")]

    def forward(self, images: Tensor) -> Tensor:
        """Each network's logits.

        Args:
            images: (S, N, C, H, W), a batch for each network, or (N, C, H, W), one for all.

        Returns:
            (S, N, 10).
        """
        parameters = dict(zip(self.parameter_names, self.stacked, strict=True))
        buffers = {
            name: getattr(self, f"buffer{place}") for place, name in enumerate(self.buffer_names)
        }

        def alone(some: dict[str, Tensor], pixels: Tensor) -> Tensor:
            logits: Tensor = functional_call(self._template[0], (some, buffers), (pixels,))
            return logits

        apart = images.ndim == 5  # noqa: PLR2004 - seeds, images, channels, height, width
        logits: Tensor = vmap(alone, in_dims=(0, 0 if apart else None))(parameters, images)
        return logits

    def state(self, place: int) -> dict[str, Tensor]:
        """The parameters of one of the networks, as its own `state_dict` names them."""
        return {
            name: values.detach()[place].clone()
            for name, values in zip(self.parameter_names, self.stacked, strict=True)
        }


class StackedClassifier(RunsInTraining):
    """Networks under training, a seed each, in one pass.

    Args:
        configs: validated configurations that differ in `seed` alone.
        input_shape: (C, H, W) of one image; None takes that of the configuration's data.
    """

    def __init__(
        self, configs: Sequence[Config], input_shape: tuple[int, int, int] | None = None
    ) -> None:
        """Build each seed's network and stack them."""
        super().__init__(configs[0], runs=len(configs))
        networks = [Network(config, input_shape) for config in configs]
        self._plan = networks[0].plan
        self.networks = StackedNetworks(networks)

    @property
    def plan(self) -> Plan:
        """The layers of each network."""
        return self._plan

    def states(self) -> list[dict[str, Tensor]]:
        """Each seed's weights, as its network alone names them."""
        return [self.networks.state(place) for place in range(self.training_means.runs)]

    def forward(self, images: Tensor) -> Tensor:
        """Images (S, N, C, H, W), or the same (N, C, H, W) for all, to logits (S, N, 10)."""
        logits: Tensor = self.networks(images)
        return logits

    def answers(self, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Mean loss and number of right answers of each seed on its batch, both (S,)."""
        images, labels = batch
        logits = self(images)
        labels = labels.expand(logits.shape[:2])
        losses = functional.cross_entropy(
            logits.flatten(0, 1), labels.flatten(), reduction="none"
        ).view(labels.shape)
        return losses.mean(1), (logits.argmax(2) == labels).sum(1)
