"""The order of an epoch, and the batches."""

import torch

from convchoice.training.batches import Batches, scaled


def test_the_order_is_a_new_permutation_each_epoch_fixed_by_the_seed():
    labels = torch.arange(50)
    order, again, other = (Batches(labels, labels, 4, [seed]) for seed in (0, 0, 1))
    first = order.permutation()
    assert sorted(first.tolist()) == list(range(50))
    assert torch.equal(first, again.permutation())
    assert not torch.equal(first, other.permutation())
    together = Batches(labels, labels, 4, [1, 0]).permutation()
    assert torch.equal(together, torch.stack([other.permutation(), first]))
    order.set_epoch(1)
    assert not torch.equal(first, order.permutation())
    again.set_epoch(1)
    assert torch.equal(order.permutation(), again.permutation())


def test_pixels_are_divided_by_255_and_channels_last():
    image = torch.tensor([[[0, 51], [102, 255]]], dtype=torch.uint8)
    assert torch.allclose(scaled(image), torch.tensor([[[[0.0, 0.2], [0.4, 1.0]]]]))
    image = torch.arange(24, dtype=torch.uint8).view(2, 3, 2, 2)
    assert torch.equal(scaled(image), image.float() / 255)
    assert scaled(image).is_contiguous(memory_format=torch.channels_last)


def test_batches_keep_images_and_labels_together_and_the_last_may_be_smaller():
    images = torch.arange(10, dtype=torch.uint8)[:, None, None].expand(10, 2, 2)
    shuffled = list(Batches(images, torch.arange(10), 4, [0]))
    for batches in (list(Batches(images, torch.arange(10), 4)), shuffled):
        assert [len(labels) for _, labels in batches] == [4, 4, 2]
        for some_images, labels in batches:
            assert torch.equal((some_images[:, 0, 0, 0] * 255).round().long(), labels)
    seen = torch.cat([labels for _, labels in shuffled]).tolist()
    assert sorted(seen) == list(range(10)) != seen
