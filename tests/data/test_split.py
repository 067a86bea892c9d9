"""The split into training and validation images, and subsets."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from convchoice.config.schema import DataConfig
from convchoice.data.split import split, stratified_order, stratified_split
from convchoice.errors import ConfigurationError

LABELS = np.repeat(np.arange(10, dtype=np.uint8), 120)


def test_the_validation_split_is_stratified_disjoint_and_fixed_by_its_own_seed():
    dealt, again = (split(LABELS, DataConfig(), validation_size=100) for _ in range(2))
    assert sorted([*dealt.training, *dealt.validation]) == list(range(len(LABELS)))
    assert np.bincount(LABELS[dealt.validation]).tolist() == [10] * 10
    assert np.array_equal(dealt.validation, again.validation)
    other = split(LABELS, DataConfig(validation_seed=1), 100)
    assert not np.array_equal(dealt.validation, other.validation)
    assert [len(each) for each in split(LABELS, DataConfig(), 0)] == [len(LABELS), 0]


@settings(max_examples=50)
@given(st.lists(st.integers(2, 60), min_size=2, max_size=10), st.integers(0, 99), st.data())
def test_a_stratified_split_is_that_of_scikit_learn(counts, seed, data):
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    size = data.draw(st.integers(len(counts), len(labels) - len(counts)))
    expected = train_test_split(
        np.arange(len(labels)), test_size=size, stratify=labels, random_state=seed
    )
    found = stratified_split(labels.astype(np.uint8), size, seed)
    for part, same in zip(found, expected, strict=True):
        assert np.array_equal(part, same)


@settings(max_examples=50)
@given(st.lists(st.integers(1, 60), min_size=2, max_size=10), st.integers(0, 99), st.data())
def test_every_prefix_of_the_order_is_stratified(counts, seed, data):
    labels = np.repeat(np.arange(len(counts), dtype=np.uint8), counts)
    order = stratified_order(labels, seed)
    assert sorted(order.tolist()) == list(range(len(labels)))
    size = data.draw(st.integers(0, len(labels)))
    shares = size * np.array(counts) / len(labels)
    assert np.abs(np.bincount(labels[order[:size]], minlength=len(counts)) - shares).max() <= 1.5


def test_subsets_are_nested_and_do_not_change_the_validation_images():
    labels = np.random.default_rng(0).integers(0, 10, 20_000).astype(np.uint8)
    sizes = (300, 1_000, 3_000, 10_000, 60_000)
    splits = [split(labels, DataConfig(train_size=size), 500) for size in sizes]
    assert [len(each.training) for each in splits] == [300, 1_000, 3_000, 10_000, 19_500]
    for smaller, larger in itertools.pairwise(splits):
        assert set(smaller.training) < set(larger.training)
        assert np.array_equal(smaller.validation, larger.validation)
    other = split(labels, DataConfig(train_size=300, validation_seed=1), 500)
    assert set(other.training) != set(splits[0].training)


def test_the_order_within_a_class_is_random():
    first = np.sort(stratified_order(LABELS, 0)[:100])
    assert (first % 120).mean() == pytest.approx(60, abs=15)
    assert not np.array_equal(first, np.sort(stratified_order(LABELS, 1)[:100]))


@pytest.mark.parametrize(
    ("train_size", "validation_size", "message"),
    [
        (5, 100, r"data\.train_size = 5: a stratified split needs 10 to"),
        (None, 5, r"data\.validation_size = 5: a stratified split needs 10 to"),
        (None, 1200, r"data\.validation_size = 1200: a stratified split needs 10 to 1190"),
    ],
)
def test_sizes_that_cannot_be_stratified_are_refused(train_size, validation_size, message):
    with pytest.raises(ConfigurationError, match=message):
        split(LABELS, DataConfig(train_size=train_size), validation_size)
