"""One trained network an arm, as text: with it the report's page computes without torch.

Weights are signed bytes, a scale for each tensor. Only networks that receive MNIST's images as they
are, and that are small enough for a page, are kept.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from safetensors.numpy import load_file

from convchoice.analysis.result_types import Count, Model, Name, PackedArray
from convchoice.config.schema import Activation, Config, Dataset, Operator
from convchoice.config.validation import config_from_mapping
from convchoice.networks.plan import Kind, Plan, PlannedLayer, plan
from convchoice.runs.run import Run, reading
from convchoice.runs.run_folder import CONFIG, WEIGHTS

NETWORKS = "networks.json"
MOST_PARAMETERS = 200_000
"""A larger network is left out."""
UNSUPPORTED = {Kind.locally_connected, Kind.dense_map}


class TrainedLayer(Model):
    """A layer of the plan with its weights."""

    name: str
    kind: str = Field(description="What it computes, such as convolution, detector or pooling.")
    label: str = Field(description="For readers, such as convolution 3×3, stride 1.")
    output: list[int] = Field(description="(C, H, W) of its response maps, or (features,).")
    jump: int = Field(description="Image pixels from one output to the next; 0 without a grid.")
    kernel: tuple[int, int] | None = None
    stride: tuple[int, int] | None = None
    before: tuple[int, int] | None = Field(default=None, description="Padding above and left.")
    after: tuple[int, int] | None = Field(default=None, description="Below 0: cropped pixels.")
    mode: str = Field(default="zeros", description="What the padding of a convolution holds.")
    operator: str | None = Field(default=None, description="Of a pooling layer.")
    sigma: float | None = Field(default=None, description="Pixels, of weighted pooling.")
    activation: str | None = Field(default=None, description="Of a detector.")
    weight: PackedArray | None = None
    bias: list[float] | None = None


class TrainedNetwork(Model):
    """The network of an arm's lowest seed."""

    seed: Count
    test_accuracy: float = Field(ge=0, le=1, description="Of this network with exact weights.")
    train_images: Count
    epochs: Count
    layers: list[TrainedLayer]


class TrainedNetworks(Model):
    """The trained networks of a study by arm."""

    networks: dict[Name, TrainedNetwork]


def trained_networks(runs: Mapping[str, Sequence[Run]]) -> TrainedNetworks:
    """The network of each arm's lowest seed.

    Arms are left out whose run folders have no weights, whose images are not MNIST's as they are,
    that are modules of one's own, whose first layer does not share its weights, or that have more
    than `MOST_PARAMETERS`.

    Raises:
        RunFolderError: if weights are changed or damaged.
    """
    made = {arm: _network(of_arm[0]) for arm, of_arm in runs.items() if of_arm}
    return TrainedNetworks(networks={arm: network for arm, network in made.items() if network})


def _network(run: Run) -> TrainedNetwork | None:
    weights = run.verified(WEIGHTS)
    if not weights.is_file():
        return None
    config = config_from_mapping(run.config, str(run.path / CONFIG))
    if not (_has_plain_images(config) and _is_supported(config, plan(config))):
        return None
    with reading(weights, "weights"):
        tensors = load_file(weights)
        layers = trained_layers(config, tensors) if tensors else []
    if not layers:
        return None
    dataset = run.environment.get("dataset") or {}
    return TrainedNetwork(
        seed=run.seed,
        test_accuracy=run.metrics["test/accuracy"],
        train_images=int(dataset["train_images"]),
        epochs=len(run.history),
        layers=layers,
    )


def _has_plain_images(config: Config) -> bool:
    data = config.data
    return data.name is Dataset.mnist and data.canvas is None and data.permutation_seed is None


def _is_supported(config: Config, planned: Plan) -> bool:
    return (
        not config.network
        and config.model.activation is not Activation.gelu
        and planned.parameters <= MOST_PARAMETERS
        and not any(layer.kind in UNSUPPORTED for layer in planned.layers)
    )


def trained_layers(
    config: Config, tensors: Mapping[str, NDArray[np.float32]]
) -> list[TrainedLayer]:
    """The layers of a configuration with the tensors of its network's `state_dict`."""
    return [_layer(layer, config, tensors) for layer in plan(config).layers]


def _layer(layer: PlannedLayer, config: Config, tensors: Mapping[str, Any]) -> TrainedLayer:
    name = layer.name.replace(".", "_")
    values: dict[str, Any] = {}
    if layer.axes:
        values = {
            "kernel": layer.axes.kernel,
            "stride": layer.axes.stride,
            "before": layer.axes.before,
            "after": (layer.axes.height.after, layer.axes.width.after),
            "mode": layer.padding_mode.value,
        }
    if layer.operator is Operator.weighted:
        values["sigma"] = config.downsample.sigma
    if layer.kind is Kind.detector:
        values["activation"] = config.model.activation.value
    if f"{name}.weight" in tensors:
        values["weight"] = PackedArray.of(tensors[f"{name}.weight"])
    if f"{name}.bias" in tensors:
        values["bias"] = [float(f"{value:.6g}") for value in tensors[f"{name}.bias"]]
    return TrainedLayer(
        name=layer.name,
        kind=layer.kind.value,
        label=layer.label,
        output=list(layer.output_shape),
        jump=layer.jump[0] if layer.jump else 0,
        operator=layer.operator.value if layer.operator else None,
        **values,
    )


def networks_text(networks: TrainedNetworks) -> str:
    """The content of `networks.json`."""
    return networks.model_dump_json(exclude_none=True) + "\n"
