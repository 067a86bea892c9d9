"""The network of a configuration: its blocks, or a module of one's own with a measured plan."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from convchoice.config.datasets import image_shape, spec_of
from convchoice.config.own_code import TARGET, built, check_code
from convchoice.config.schema import Config
from convchoice.errors import UserError
from convchoice.networks.initialisation import derived_seed
from convchoice.networks.network import Network
from convchoice.networks.plan import Kind, Plan, PlannedLayer

PROBED_IMAGES = 2


def network_of(config: Config) -> Network:
    """The network of a validated configuration, with its initial weights.

    Raises:
        GeometryError: if the layers do not fit the images.
        UserError: for a module of one's own that cannot be built, or does not give a logit a class.
    """
    return OwnNetwork(config) if config.network else Network(config)


def own_plan(config: Config) -> Plan:
    """The plan of a module of one's own, measured on an image of zeros."""
    return OwnNetwork(config).plan


class OwnNetwork(Network):
    """A module of one's own: images (N, C, H, W) to logits (N, classes).

    Its initial weights are its own, drawn from a generator that the run's seed fixes.
    """

    def __init__(self, config: Config) -> None:
        """Import, build, and measure."""
        nn.Sequential.__init__(self)
        check_code(config)
        own = config.model.weights_seed
        seed = derived_seed(config.seed if own is None else own, "weights")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            module = built(config.network)
        if not isinstance(module, nn.Module):
            raise UserError(f"network: {config.network[TARGET]} is no torch.nn.Module.")
        self.add_module("own", module)
        self._order = [0]
        self.plan = _measured(config, self)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _measured(config: Config, network: nn.Module) -> Plan:
    """Each leaf module with its output's size, parameters and MACs (half the counted FLOPs)."""
    shapes: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {}

    def keep(name: str) -> Any:
        def hook(_: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
            before = next((each for each in inputs if isinstance(each, Tensor)), None)
            if isinstance(output, Tensor) and before is not None:
                shapes.setdefault(name, (tuple(before.shape[1:]), tuple(output.shape[1:])))

        return hook

    shape, target = image_shape(config.data), config.network[TARGET]
    leaves = {name: each for name, each in network.named_modules() if not any(each.children())}
    handles = [module.register_forward_hook(keep(name)) for name, module in leaves.items()]
    counter, was_training = FlopCounterMode(display=False), network.training
    network.eval()
    try:
        with torch.no_grad(), counter:
            logits = network(torch.zeros(PROBED_IMAGES, *shape))
    except Exception as error:
        text = f"fails on images of shape {shape}: {type(error).__name__}: {error}"
        raise UserError(f"network: {target} {text}") from error
    finally:
        network.train(was_training)
        for handle in handles:
            handle.remove()
    wanted = (PROBED_IMAGES, spec_of(config.data).classes)
    if not isinstance(logits, Tensor) or logits.shape != wanted:
        given = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise UserError(f"network: {target} gives {given} for two images; logits are {wanted}.")
    root, counts = type(network).__name__, counter.get_flop_counts()

    def macs(name: str) -> int:
        return sum(counts.get(name, {}).values()) // (2 * PROBED_IMAGES)

    layers = [
        PlannedLayer(
            name.removeprefix("own.") or "own", Kind.module, type(leaves[name]).__name__,
            *sizes, None, None, macs=macs(f"{root}.{name}"),
            parameters=sum(each.numel() for each in leaves[name].parameters()),
        )
        for name, sizes in shapes.items()
    ]  # fmt: skip
    parameters = sum(each.numel() for each in network.parameters())
    rest = (parameters - sum(each.parameters for each in layers), macs("Global"))
    others = rest[1] - sum(each.macs for each in layers)
    if rest[0] or others:
        size = (math.prod(shape),), (0,)
        layers.append(
            PlannedLayer(
                "other", Kind.module, "outside modules", *size, None, None,
                parameters=rest[0], macs=others,
            )
        )  # fmt: skip
    return Plan(tuple(layers))
