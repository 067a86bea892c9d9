"""Which input sizes a trained network accepts."""

from typing import Any

import pytest
import torch

from convchoice.config.validation import config_from_mapping
from convchoice.evaluation.input_size import INPUT_SIDES, accepts, input_size_curve, network_for
from convchoice.evaluation.robustness import scores
from convchoice.networks.network import Network
from convchoice.networks.plan import plan


def accepted(values: dict[str, Any]) -> list[float]:
    config = config_from_mapping(values)
    network = Network(config).eval()
    images = torch.randint(0, 256, (4, 28, 28), dtype=torch.uint8)
    points = list(input_size_curve(network, config, images, torch.arange(4)))
    assert [point.value for point in points] == list(INPUT_SIDES)
    assert all((point.accuracy is None) == (not point.accepted) for point in points)
    assert all((point.nll is None) == (not point.accepted) for point in points)
    return [point.value for point in points if point.accepted]


def test_accepted_sizes_by_hand() -> None:
    """Of the lecture's network; of a global average; of one whose last map would be empty."""
    assert accepted({}) == [26, 27, 28, 29]
    head = {"model": {"head": "global_average"}}
    assert accepted(head) == list(INPUT_SIDES)
    sides = accepted({**head, "conv": {"kernel_size": 4}})
    assert sides == [side for side in INPUT_SIDES if side >= 25]  # ((n − 3)/2 − 3)/2 − 3 ≥ 1
    assert 24 in INPUT_SIDES


@pytest.mark.parametrize("operator", ["max", "strided", "all_conv"])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_every_size_that_torch_accepts_is_accepted(operator: str, padding: str) -> None:
    """The plan agrees with a network that is built for the size and loads the weights."""
    config = config_from_mapping(
        {"downsample": {"operator": operator}, "conv": {"padding": padding}}
    )
    network = Network(config)
    for side in range(18, 57):
        ours = network_for(network, config, side, side)
        try:
            Network(config, (1, side, side)).load_state_dict(network.state_dict())
            fits = True
        except RuntimeError:
            fits = False
        assert (ours is not None) == fits, side
        if ours is not None:
            assert ours(torch.zeros(1, 1, side, side)).shape == (1, 10)


def test_another_grid_with_as_many_cells_is_not_accepted() -> None:
    config = config_from_mapping({"model": {"filters": [2], "downsample_after": []}})
    trained, other = plan(config, (1, 6, 10)), plan(config, (1, 10, 6))  # 4×8 and 8×4
    assert trained.parameters == other.parameters
    assert not accepts(trained, other)
    assert accepts(trained, plan(config, (1, 6, 10)))


def test_the_trained_size_gives_the_same_scores() -> None:
    config = config_from_mapping({})
    network = Network(config).eval()
    images = torch.randint(0, 256, (30, 28, 28), dtype=torch.uint8)
    labels = torch.arange(30) % 10
    clean = scores(network, images, labels, lambda batch: batch)
    points = {point.value: point for point in input_size_curve(network, config, images, labels)}
    assert (points[28].accuracy, points[28].nll) == clean
