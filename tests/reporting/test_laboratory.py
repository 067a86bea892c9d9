"""The laboratory: trained networks in the page compute what torch computes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from convchoice.analysis.trained_networks import (
    TrainedLayer,
    trained_layers,
    trained_networks,
)
from convchoice.config.schema import Config
from convchoice.config.validation import config_from_mapping
from convchoice.data.dataset import load
from convchoice.networks.network import Network
from convchoice.reporting.laboratory import laboratory
from convchoice.runs.run import Run
from convchoice.runs.run_folder import WEIGHTS
from convchoice.training.batches import scaled
from node import computed
from small_runs import small_run, trained

IMAGES = 1_000

NETWORKS: dict[str, dict[str, Any]] = {
    "max": {},
    "same, circular, max 3×3 with padding": {
        "conv": {"kernel_size": 4, "padding": "same", "padding_mode": "circular"},
        "downsample": {"window": 3, "stride": 2, "padding": 1},
    },
    "full, reflect, average 3×3 with padding": {
        "conv": {"padding": "full", "padding_mode": "reflect"},
        "downsample": {"operator": "average", "window": 3, "stride": 2, "padding": 1},
    },
    "2 pixels, replicate, stride 2, weighted": {
        "conv": {"kernel_size": 5, "padding": 2, "padding_mode": "replicate", "stride": 2},
        "downsample": {
            "operator": "weighted",
            "window": 3,
            "stride": 2,
            "padding": 1,
            "sigma": 0.7,
        },
    },
    "L2, tanh, two dense layers": {
        "downsample": {"operator": "l2"},
        "model": {"filters": [4, 6], "activation": "tanh", "hidden_units": 9},
    },
    "max and blur, global average": {
        "downsample": {"operator": "max_blur"},
        "model": {"filters": [4, 6], "head": "global_average", "activation": "none"},
    },
    "maxout": {"downsample": {"operator": "maxout"}},
    "depthwise": {"downsample": {"operator": "depthwise"}},
    "strided, same, cropped": {
        "conv": {"padding": "same", "kernel_size": 1},
        "downsample": {"operator": "strided"},
    },
    "all convolutional": {"downsample": {"operator": "all_conv"}},
    "convolution and pooling": {"downsample": {"operator": "conv_pool"}},
    "rectangles": {"conv": {"kernel_size": [3, 5], "padding": [0, 2]}},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, data_root: Path) -> Run:
    """A run of the lecture's network, trained for an epoch."""
    changes = {"model": {}, "data": {"train_size": 1_000}, "trainer": {"max_epochs": 1}}
    return trained(small_run(tmp_path_factory.mktemp("run"), data_root, **changes))


def config_of(changes: dict[str, Any]) -> Config:
    return config_from_mapping({"arm": "tiny", "model": {"filters": [4, 6]}} | changes)


def outputs_of(folder: Path, layers: list[TrainedLayer], images: Any, expression: str) -> Any:
    """An expression over `lab`, `layers` and `image`, for each image."""
    given = [layer.model_dump(mode="json", exclude_none=True) for layer in layers]
    pixels = images.reshape(len(images), -1).tolist()
    every = f"""((lab, layers) => images.map(image => {expression}))(
        laboratoryArithmetic, given.map(laboratoryArithmetic.readable))"""
    scripts = ("explorer_arithmetic", "laboratory_arithmetic")
    return computed(scripts, every, folder, given=given, images=pixels)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_layer_computes_what_torch_computes(name, tmp_path):
    config = config_of(NETWORKS[name])
    network = Network(config)
    with torch.no_grad():
        for bias in (value for key, value in network.named_parameters() if key.endswith("bias")):
            bias.uniform_(-0.1, 0.1)
    layers = trained_layers(
        config, {key: value.numpy() for key, value in network.state_dict().items()}
    )
    # torch with the weights as they are stored.
    stored = dict(network.state_dict())
    for layer in layers:
        key = layer.name.replace(".", "_")
        if layer.weight:
            stored[f"{key}.weight"] = torch.from_numpy(layer.weight.unpacked())
        if layer.bias:
            stored[f"{key}.bias"] = torch.tensor(layer.bias)
    network.load_state_dict(stored)
    images = np.random.default_rng(0).integers(0, 256, (2, 28, 28), dtype=np.uint8)
    expression = "lab.outputs(layers, image).map(maps => [maps.shape, [...maps.values]])"
    found = outputs_of(tmp_path, layers, images, expression)
    for index, image in enumerate(images):
        maps = scaled(torch.from_numpy(image[None]))
        for module, (shape, values) in zip(network, found[index], strict=True):
            maps = module(maps)
            assert list(maps.shape[1:]) == shape
            np.testing.assert_allclose(values, maps.detach().flatten(), rtol=1e-4, atol=1e-5)


def test_its_answers_agree_with_torch_over_a_thousand_images(run, data_root, tmp_path):
    config = config_from_mapping(run.config)
    exact = load_file(run.path / WEIGHTS)
    network = Network(config)
    network.load_state_dict({key: torch.from_numpy(value) for key, value in exact.items()})
    pixels = load(data_root, config.data.name).train()[0][:IMAGES]
    with torch.no_grad():
        logits = network(scaled(torch.from_numpy(pixels))).numpy()
    layers = trained_layers(config, exact)
    expression = "[...lab.outputs(layers, image).at(-1).values]"
    found = np.array(outputs_of(tmp_path, layers, pixels, expression))
    # A byte holds a weight to within 1/254 of the largest one.
    assert np.abs(found - logits).max() < 0.02 * np.abs(logits).max()
    assert (found.argmax(1) == logits.argmax(1)).mean() > 0.99


def test_images_are_turned_clockwise_and_moved_by_whole_pixels(tmp_path):
    image = np.zeros((1, 28, 28), dtype=np.uint8)
    image[0, 3, 10] = 200
    expression = "[[0, 2, -3], [90, 0, 0], [90, 1, 0]].map(step => [...lab.moved(image, ...step)])"
    [found] = outputs_of(tmp_path, [], image, expression)
    places = [np.unravel_index(np.argmax(each), (28, 28)) for each in found]
    # (row, column) goes to (column, 27 − row) in a quarter turn.
    assert places == [(5, 7), (10, 24), (11, 24)]
    assert [max(each) for each in found] == [200] * 3


def test_the_pixels_that_a_cell_sees(tmp_path):
    same = {"conv": {"padding": "same"}}
    layers = trained_layers(config_of(same), {})
    last = next(index for index, layer in enumerate(layers) if layer.name == "block2.downsample")
    image = np.zeros((1, 28, 28), dtype=np.uint8)
    [found] = outputs_of(tmp_path, layers, image, f"lab.field(layers, {last}, 1, 3)")
    # By hand: rows 2…3 of block 2, 1…4 of its input, 2…9 of block 1, 1…10 of the image.
    assert found == {"row": 1, "rows": 10, "column": 9, "columns": 10}


@pytest.mark.parametrize(("stride", "expected"), [(1, 0.0), (2, 0.3)])
def test_a_shift_moves_maps_of_stride_1_along(stride, expected, tmp_path):
    config = config_of({"conv": {"stride": stride}, "downsample": {"operator": "none"}})
    tensors = {key: value.numpy() for key, value in Network(config).state_dict().items()}
    layers = trained_layers(config, tensors)
    image = np.zeros((1, 28, 28), dtype=np.uint8)
    image[0, 8:20, 8:20] = np.random.default_rng(0).integers(0, 256, (12, 12))
    expression = f"""lab.unexplained(lab.outputs(layers, image)[0],
        lab.outputs(layers, lab.moved(image, 0, 0, 1))[0], {stride})"""
    [found] = outputs_of(tmp_path, layers, image, expression)
    assert found == 0 if not expected else found > expected


@pytest.mark.parametrize(
    ("group", "values"),
    [
        ("network", {"_target_": "torch.nn.Flatten"}),
        ("data", {"canvas": 32}),
        ("data", {"permutation_seed": 1}),
        ("data", {"name": "kmnist", "fallback": None}),
        ("model", {"activation": "gelu"}),
        ("model", {"first_layer": "locally_connected"}),
        ("model", {"filters": [64, 128, 128]}),
    ],
)
def test_networks_that_the_page_cannot_compute_are_left_out(
    run: Run, group: str, values: dict[str, Any]
) -> None:
    run = replace(run, metrics={**run.metrics, "test/accuracy": 0.9})
    other = {**run.config, group: {**run.config.get(group, {}), **values}}
    kept = trained_networks({"max": [run], "other": [replace(run, config=other)]}).networks
    assert list(kept) == ["max"]
    assert all(layer.weight for layer in kept["max"].layers if layer.bias)


def test_networks_take_the_room_that_the_page_leaves(run, comparison_of):
    run = replace(run, metrics={**run.metrics, "test/accuracy": 0.9})
    result = comparison_of({"max": [10], "average": [12]})
    trained = trained_networks({"max": [run], "average": [run]})
    layers = trained.networks["max"].layers
    size = sum(len(layer.weight.values_base64) for layer in layers if layer.weight)
    found = laboratory([result], {"pooling": trained}, 2 * size)
    assert [arm["name"] for arm in found["arms"]] == ["max", "average"]
    assert laboratory([result], {"pooling": trained}, 2 * size - 1) is None
