"""The split, the order, and the batches."""

import numpy as np
import pytest
import torch

from convchoice.data import Batches, EpochOrder, ShuffledBatches, scaled, split
from convchoice.errors import ConfigurationError
from convchoice.schema import DataConfig

LABELS = np.repeat(np.arange(10, dtype=np.uint8), 120)


def test_the_validation_split_is_stratified_disjoint_and_complete() -> None:
    dealt = split(LABELS, DataConfig(), validation_size=100)
    assert len(dealt.validation) == 100
    assert not set(dealt.training) & set(dealt.validation)
    assert len(dealt.training) + len(dealt.validation) == len(LABELS)
    assert np.bincount(LABELS[dealt.validation]).tolist() == [10] * 10


def test_the_split_is_fixed_by_its_own_seed_alone() -> None:
    first, again = (split(LABELS, DataConfig(), 100) for _ in range(2))
    assert np.array_equal(first.validation, again.validation)
    other = split(LABELS, DataConfig(validation_seed=1), 100)
    assert not np.array_equal(first.validation, other.validation)


def test_a_subset_leaves_the_validation_images_as_they_are() -> None:
    whole = split(LABELS, DataConfig(), 100)
    subset = split(LABELS, DataConfig(train_size=200), 100)
    assert np.array_equal(whole.validation, subset.validation)
    assert set(subset.training) < set(whole.training)
    assert np.bincount(LABELS[subset.training]).tolist() == [20] * 10


def test_no_validation_split_trains_on_everything() -> None:
    dealt = split(LABELS, DataConfig(), validation_size=0)
    assert len(dealt.validation) == 0
    assert len(dealt.training) == len(LABELS)


def test_more_training_images_than_there_are_means_all_of_them() -> None:
    dealt = split(LABELS, DataConfig(train_size=10**6), validation_size=100)
    assert len(dealt.training) == 1100


@pytest.mark.parametrize(
    ("train_size", "validation_size", "message"),
    [
        (5, 100, r"data\.train_size = 5: a stratified choice needs 10 to"),
        (None, 5, r"data\.validation_size = 5: a stratified choice needs 10 to"),
        (None, 1200, r"data\.validation_size = 1200: a stratified choice needs 10 to 1190"),
    ],
)
def test_sizes_that_cannot_be_stratified_are_refused(
    train_size: int | None, validation_size: int, message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        split(LABELS, DataConfig(train_size=train_size), validation_size)


def test_the_order_is_a_new_permutation_each_epoch_fixed_by_the_seed() -> None:
    order, again, other = EpochOrder(50, seed=0), EpochOrder(50, seed=0), EpochOrder(50, seed=1)
    first = order.permutation()
    assert sorted(first.tolist()) == list(range(50))
    assert torch.equal(first, again.permutation())
    assert not torch.equal(first, other.permutation())
    order.set_epoch(1)
    assert not torch.equal(first, order.permutation())
    again.set_epoch(1)
    assert torch.equal(order.permutation(), again.permutation())


def test_pixels_are_divided_by_255() -> None:
    image = torch.tensor([[[0, 51], [102, 255]]], dtype=torch.uint8)
    assert torch.allclose(scaled(image), torch.tensor([[[[0.0, 0.2], [0.4, 1.0]]]]))
    assert scaled(image).is_contiguous(memory_format=torch.channels_last)


def test_batches_keep_images_and_labels_together_and_the_last_may_be_smaller() -> None:
    images = torch.arange(10, dtype=torch.uint8)[:, None, None].expand(10, 2, 2)
    labels = torch.arange(10)
    plain = list(Batches(images, labels, 4))
    shuffled = ShuffledBatches(images, labels, 4, EpochOrder(10, seed=0))
    assert [len(some) for _, some in plain] == [4, 4, 2]
    assert len(shuffled) == len(list(shuffled)) == 3
    for some_images, some_labels in [*plain, *shuffled]:
        assert torch.equal((some_images[:, 0, 0, 0] * 255).round().long(), some_labels)
    seen = torch.cat([some for _, some in shuffled])
    assert sorted(seen.tolist()) == list(range(10))
    assert seen.tolist() != list(range(10))
