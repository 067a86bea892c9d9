"""The network: the lecture's numbers, and what the same seed shares between arms."""

import math

import pytest
import torch
from torch import nn

from convchoice.configuration import config_from_mapping
from convchoice.network import Network, derived_seed


def network(seed: int = 0, **values: object) -> Network:
    return Network(config_from_mapping({"seed": seed, **values}))


def test_the_lectures_network_has_93_322_parameters() -> None:
    assert sum(weight.numel() for weight in network().parameters()) == 93_322


def test_it_computes_what_the_lectures_layers_compute() -> None:
    ours = network().double().eval()
    weights = list(ours.parameters())
    reference = nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(64, 64, 3), nn.ReLU(),
        nn.Flatten(), nn.Linear(576, 64), nn.ReLU(), nn.Linear(64, 10),
    ).double()  # fmt: skip
    with torch.no_grad():
        for theirs, mine in zip(reference.parameters(), weights, strict=True):
            theirs.copy_(mine)
    images = torch.rand(5, 1, 28, 28, dtype=torch.float64)
    torch.testing.assert_close(ours(images), reference(images), rtol=1e-12, atol=1e-12)


def test_the_same_seed_shares_initial_weights_between_arms_by_layer_name() -> None:
    pooled = network(seed=3).state_dict()
    learned = network(seed=3, downsample={"operator": "all_conv"}).state_dict()
    strided = network(seed=3, downsample={"operator": "strided"}).state_dict()
    assert set(pooled) < set(learned)
    for name, weight in pooled.items():
        assert torch.equal(weight, learned[name]), name
        assert torch.equal(weight, strided[name]), name


def test_layers_of_one_shape_do_not_share_their_initial_weights() -> None:
    weights = network(model={"filters": [8, 8, 8]}).state_dict()
    second, third = weights["block2_convolution.weight"], weights["block3_convolution.weight"]
    assert second.shape == third.shape
    assert not torch.equal(second, third)


def test_seed_zero_is_a_seed_and_seeds_differ() -> None:
    first, again, other = (network(seed=seed).state_dict() for seed in (0, 0, 1))
    name = "block1_convolution.weight"
    assert torch.equal(first[name], again[name])
    assert not torch.equal(first[name], other[name])


def test_glorot_uniform_is_keras_default() -> None:
    weights = network().state_dict()
    # fan_in 32·3·3, fan_out 64·3·3
    limit = math.sqrt(6 / (32 * 9 + 64 * 9))
    kernel = weights["block2_convolution.weight"]
    assert kernel.abs().max() <= limit
    assert kernel.abs().max() > 0.99 * limit
    assert kernel.std().item() == pytest.approx(limit / math.sqrt(3), rel=0.02)
    assert weights["block2_convolution.bias"].abs().max() == 0


def test_pytorch_initialisation_has_torchs_bounds() -> None:
    weights = network(model={"initialisation": "pytorch"}).state_dict()
    limit = 1 / math.sqrt(32 * 9)
    for part in ("weight", "bias"):
        drawn = weights[f"block2_convolution.{part}"].abs().max()
        assert 0.8 * limit < drawn <= limit


def test_a_derived_seed_depends_on_all_its_parts_and_nothing_else() -> None:
    seeds = {
        derived_seed(0, "weights", "a"),
        derived_seed(1, "weights", "a"),
        derived_seed(0, "order", "a"),
        derived_seed(0, "weights", "b"),
    }
    assert len(seeds) == 4
    assert derived_seed(0, "weights", "a") == 1_821_965_217_576_806_684
    assert all(0 <= seed < 2**63 for seed in seeds)
