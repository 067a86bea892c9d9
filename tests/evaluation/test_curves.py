"""The named curves, and the images on which they are measured."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from convchoice.config.schema import Curve
from convchoice.config.validation import config_from_mapping
from convchoice.evaluation.curves import measure_curves
from convchoice.evaluation.introspection import chosen_images
from convchoice.networks.network import Network


@given(
    arrays.arrays(np.uint8, st.integers(1, 200), elements=st.integers(0, 9)), st.integers(1, 250)
)
def test_chosen_images_are_stratified_and_sorted(labels: np.ndarray, count: int) -> None:
    chosen = chosen_images(labels, count)
    assert len(chosen) == min(count, len(labels))
    assert (np.diff(chosen) > 0).all()
    share = len(chosen) / len(labels)
    for digit in range(10):
        wanted = share * (labels == digit).sum()
        assert abs((labels[chosen] == digit).sum() - wanted) <= 1


def test_chosen_images_are_spread_over_the_file() -> None:
    labels = np.zeros(1000, dtype=np.uint8)
    assert chosen_images(labels, 4).tolist() == [0, 250, 500, 750]
    assert chosen_images(labels, None).tolist() == list(range(1000))


def test_only_the_named_curves_are_measured_in_a_fixed_order() -> None:
    config = config_from_mapping({"model": {"filters": [2], "downsample_after": [1]}})
    network = Network(config).eval()
    images = torch.randint(0, 256, (3, 28, 28), dtype=torch.uint8)
    labels = torch.arange(3)
    wanted = [Curve.consistency, Curve.rotation]
    points = measure_curves(network, config, wanted, images, labels)
    assert list(dict.fromkeys(point.curve for point in points)) == wanted[::-1]
    every = measure_curves(network, config, list(Curve), images, labels)
    assert {point.curve for point in every} == set(Curve)
    assert measure_curves(network, config, [], images, labels) == []
