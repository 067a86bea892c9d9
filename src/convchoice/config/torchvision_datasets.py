"""The data sets of torchvision for image classification: how its classes give the parts of each.

Left out are those without test images (Caltech, EuroSAT, SUN397, …), those that cannot be
downloaded without an account (ImageNet, FER2013, StanfordCars), and those with several million
images. MNIST, Fashion-MNIST, KMNIST and CIFAR-10 are data sets of their own (`datasets.SPECS`).
"""

from collections.abc import Mapping
from typing import Any, NamedTuple


class TorchvisionDataset(NamedTuple):
    """The arguments of a class in `torchvision.datasets` for each part of a data set."""

    class_name: str
    train: Mapping[str, Any]
    test: Mapping[str, Any]
    validation: Mapping[str, Any] | None = None


def _by_flag(name: str, **more: Any) -> TorchvisionDataset:
    return TorchvisionDataset(name, {"train": True, **more}, {"train": False, **more})


def _by_split(
    name: str, train: str = "train", test: str = "test", validation: str = "", **more: Any
) -> TorchvisionDataset:
    parts = ({"split": split, **more} if split else None for split in (train, test, validation))
    return TorchvisionDataset(name, *parts)  # type: ignore[arg-type]


TORCHVISION = {
    **{name: _by_flag(name) for name in ("CIFAR100", "QMNIST", "USPS")},
    **{
        f"EMNIST-{split}": _by_flag("EMNIST", split=split)
        for split in ("balanced", "byclass", "bymerge", "digits", "letters", "mnist")
    },
    **{name: _by_split(name) for name in ("Food101", "GTSRB", "STL10", "SVHN")},
    **{
        name: _by_split(name, validation="val")
        for name in ("DTD", "FGVCAircraft", "Flowers102", "RenderedSST2")
    },
    "Country211": _by_split("Country211", validation="valid"),
    "Imagenette": _by_split("Imagenette", test="val", size="160px"),
    "OxfordIIITPet": _by_split("OxfordIIITPet", train="trainval"),
}
"""By the name that `data.dataset` takes. Imagenette's test images are its official `val`."""
