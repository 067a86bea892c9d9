"""Several seeds of one arm in one network: their weights are stacked along a new first axis.

On a GPU a step of such a small network is limited by kernel launches; stacked, all seeds share one
launch. No operation of the network, the loss or the optimiser mixes values along the first axis, so
each seed gets the numbers that it gets alone, up to rounding.
"""

import copy
from collections.abc import Sequence

from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from convchoice.networks.network import Network


class StackedNetworks(nn.Module):
    """Networks of one plan as one module.

    Args:
        networks: S networks that differ only in the values of their parameters.
    """

    def __init__(self, networks: Sequence[Network]) -> None:
        """Stack the parameters; buffers (fixed pooling weights) are the same in all networks."""
        super().__init__()
        self.plan = networks[0].plan
        self.count = len(networks)
        parameters, _ = stack_module_state(list(networks))
        self.parameter_names = list(parameters)
        self.stacked = nn.ParameterList(parameters.values())
        self.buffer_names = [name for name, _ in networks[0].named_buffers()]
        for place, (_, buffer) in enumerate(networks[0].named_buffers()):
            self.register_buffer(f"buffer{place}", buffer, persistent=False)
        # In a list, so that its parameters are not registered as parameters of this module.
        self._template = [copy.deepcopy(networks[0]).to("meta")]

    def forward(self, images: Tensor) -> Tensor:
        """The logits of each network, (S, N, 10).

        Args:
            images: (S, N, C, H, W), a batch for each network, or (N, C, H, W), one for all.
        """
        parameters = dict(zip(self.parameter_names, self.stacked, strict=True))
        buffers = {
            name: getattr(self, f"buffer{place}") for place, name in enumerate(self.buffer_names)
        }

        def one(values: dict[str, Tensor], pixels: Tensor) -> Tensor:
            logits: Tensor = functional_call(self._template[0], (values, buffers), (pixels,))
            return logits

        separate = images.ndim == 5  # noqa: PLR2004 - seeds, images, channels, height, width
        logits: Tensor = vmap(one, in_dims=(0, 0 if separate else None))(parameters, images)
        return logits

    def states(self) -> list[dict[str, Tensor]]:
        """The parameters of each network, named as in its own `state_dict`."""
        stacked = dict(zip(self.parameter_names, self.stacked, strict=True))
        return [
            {name: values.detach()[place].clone() for name, values in stacked.items()}
            for place in range(self.count)
        ]
