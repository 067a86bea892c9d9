"""Networks of one plan as one module, so that a GPU classifies a batch with all of them at once."""

from collections.abc import Sequence

from convchoice.networks.network import Network
from convchoice.networks.stacked_networks import StackedNetworks


def together(networks: Sequence[Network]) -> Network | StackedNetworks:
    """The networks as one module, whose logits are (S, B, classes).

    A single network stays as it is, with logits (B, classes) and the same bits.
    """
    return networks[0] if len(networks) == 1 else StackedNetworks(networks)
