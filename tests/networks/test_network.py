"""The network: the lecture's numbers, and what the same seed shares between arms."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from convchoice.config.block_rules import UNPADDED
from convchoice.config.schema import Operator
from convchoice.config.validation import config_from_mapping
from convchoice.networks.network import Network, derived_seed


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


@pytest.mark.parametrize("operator", [operator.name for operator in Operator])
def test_every_operator_begins_with_the_weights_of_max_where_they_have_one_shape(
    operator: str,
) -> None:
    pooled = network(seed=3).state_dict()
    window = 3 if operator == "weighted" else 2
    other = network(seed=3, downsample={"operator": operator, "window": window}).state_dict()
    shared = [name for name in pooled if name in other and pooled[name].shape == other[name].shape]
    assert len(shared) >= (3 if operator == "maxout" else 6)
    for name in shared:
        assert torch.equal(pooled[name], other[name]), name


def test_the_extra_convolutions_of_all_conv_and_its_control_begin_alike() -> None:
    learned = network(seed=3, downsample={"operator": "all_conv"}).state_dict()
    control = network(seed=3, downsample={"operator": "conv_pool"}).state_dict()
    assert learned.keys() == control.keys()
    for name, weight in learned.items():
        assert torch.equal(weight, control[name]), name


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


# Every operator and every first layer, in networks small enough for float64.
VARIANTS = [
    *[
        {"downsample": {"operator": operator.name, "window": 3, "padding": padding}}
        for operator in Operator
        for padding in (0, 1)
        if padding == 0 or operator not in UNPADDED
    ],
    *[
        {"model": {"first_layer": first_layer}, "conv": {"padding": "same", "padding_mode": mode}}
        for first_layer, mode in (
            ("convolution", "circular"),
            ("locally_connected", "zeros"),
            ("locally_connected", "reflect"),
            ("dense", "replicate"),
        )
    ],
    {"conv": {"kernel_size": [2, 3], "padding": [1, 2], "stride": [2, 1]}},
    {"conv": {"kernel_size": 4, "padding": "full"}, "model": {"first_layer": "locally_connected"}},
    {"downsample": {"operator": "average"}, "model": {"activation": "gelu"}},
    {"model": {"activation": "tanh", "head": "global_average", "initialisation": "pytorch"}},
]


def small(seed: int, values: dict[str, Any]) -> Network:
    model = {"filters": [6, 5], "downsample_after": [1], "hidden_units": 16}
    mapping = {"seed": seed, **values, "model": model | values.get("model", {})}
    return Network(config_from_mapping(mapping), (3, 15, 13)).double()


def images() -> Tensor:
    source = torch.Generator().manual_seed(5)
    return torch.rand(2, 6, 3, 15, 13, generator=source, dtype=torch.float64)


@pytest.mark.parametrize("values", VARIANTS, ids=str)
def test_stacked_networks_compute_and_learn_as_each_does_alone(values: dict[str, Any]) -> None:
    """`torch.func` over several seeds' weights at once, each on images of its own."""
    networks = [small(seed, values) for seed in (0, 1)]
    weights, buffers = torch.func.stack_module_state(networks)  # type: ignore[arg-type]
    labels = torch.arange(6) % 10

    def loss(weights: Any, buffers: Any, images: Tensor) -> tuple[Tensor, Tensor]:
        logits = torch.func.functional_call(networks[0], (weights, buffers), (images,))
        return functional.cross_entropy(logits, labels), logits

    stacked = torch.func.vmap(torch.func.grad(loss, has_aux=True))
    gradients, logits = stacked(weights, buffers, images())
    for number, alone in enumerate(networks):
        answers = alone(images()[number])
        torch.testing.assert_close(logits[number], answers, rtol=1e-12, atol=1e-12)
        functional.cross_entropy(answers, labels).backward()
        for name, weight in alone.named_parameters():
            torch.testing.assert_close(
                gradients[name][number], weight.grad, rtol=1e-10, atol=1e-12, msg=name
            )


@pytest.mark.parametrize("values", VARIANTS, ids=str)
def test_the_memory_format_of_the_images_changes_no_number(values: dict[str, Any]) -> None:
    network = small(0, values)
    batch = images()[0]
    last = batch.contiguous(memory_format=torch.channels_last)
    assert last.stride() != batch.stride()
    torch.testing.assert_close(network(last), network(batch), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("values", VARIANTS, ids=str)
def test_every_variant_learns_a_handful_of_images(values: dict[str, Any]) -> None:
    network, batch, labels = small(0, values), images()[0], torch.arange(6)
    optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
    losses = []
    for _ in range(60):
        optimiser.zero_grad()
        loss = functional.cross_entropy(network(batch), labels)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[0] == pytest.approx(math.log(10), rel=0.5)
    assert losses[-1] < 0.5 * losses[0]
    assert all(weight.grad is not None for weight in network.parameters())


@pytest.mark.parametrize(
    "operator", ["average", "weighted", "max_blur", "l2", "depthwise", "maxout"]
)
def test_a_network_takes_images_of_another_size_where_its_head_averages(operator: str) -> None:
    """Where the windows end as they do in the planned size, the numbers are those of a new plan."""
    config = config_from_mapping(
        {
            "downsample": {"operator": operator, "window": 3, "padding": 1},
            "model": {"filters": [4, 3], "downsample_after": [1], "head": "global_average"},
        }
    )
    small, large = (Network(config, (1, side, side)).double() for side in (14, 24))
    larger = torch.rand(2, 1, 24, 24, dtype=torch.float64)
    torch.testing.assert_close(small(larger), large(larger), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "downsample",
    [
        {"operator": "max"},
        {"operator": "max", "window": 4, "padding": 1},
        {"operator": "conv_pool"},
    ],
)
def test_pooling_before_the_detector_changes_no_bit(downsample: dict[str, Any]) -> None:
    """The layers one after another as they are planned, against the order in which they run."""
    config = config_from_mapping({"downsample": downsample})
    network, planned = Network(config), Network(config)
    planned._order = list(range(len(planned)))
    assert network._order != planned._order
    images = torch.rand(32, 1, 28, 28, generator=torch.Generator().manual_seed(1))
    outputs = []
    for each in (network, planned):
        logits = each(images)
        functional.cross_entropy(logits, torch.arange(32) % 10).backward()
        outputs.append((logits, [parameter.grad for parameter in each.parameters()]))
    (logits, gradients), (expected, expected_gradients) = outputs
    assert torch.equal(logits, expected)
    for gradient, wanted in zip(gradients, expected_gradients, strict=True):
        assert torch.equal(gradient, wanted)


def test_other_layers_run_in_the_order_of_the_plan() -> None:
    for values in (
        {"downsample": {"operator": "average"}},
        {"downsample": {"operator": "max"}, "model": {"activation": "gelu"}},
        {"downsample": {"operator": "strided"}},
    ):
        network = Network(config_from_mapping(values))
        assert network._order == list(range(len(network)))
