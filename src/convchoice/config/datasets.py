"""The data sets: names, classes, shapes, sizes and the SHA-256s of their published files.

The SHA-256s are those that torchvision's prototype data sets pin; its released data sets pin MD5s
of the same files. What a folder of images or another data set of torchvision holds is found by
`data.conversion`. Imports nothing heavy.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from convchoice.config.field_types import name_from
from convchoice.config.schema import Contents, DataConfig, Dataset, Fallback
from convchoice.errors import require

Shape3 = tuple[int, int, int]

IDX_FILES = (
    "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz",
)  # fmt: skip
"""The files of a data set in MNIST's format: training images and labels, test images and labels."""
CIFAR_ARCHIVE = "cifar-10-python.tar.gz"
ARRAY_FILES = ("train_images.npy", "train_labels.npy", "test_images.npy", "test_labels.npy")
"""The files of a data set that was converted here, in the order of `IDX_FILES`."""
VALIDATION_SHARE = 12
"""Without a number and without `val/`, one in so many images validates: MNIST's share."""

MOST_CONFUSED = 50
"""The confusions of more classes are not kept: no figure could show them."""


@dataclass(frozen=True)
class DatasetSpec:
    """What is known about a data set before it is downloaded."""

    name: str
    title: str
    """With its size in brackets."""
    files: Mapping[str, str]
    """SHA-256 by name of the files as published; empty for a file that is generated here."""
    train_size: int = 60_000
    test_size: int = 10_000
    validation_size: int = 5_000
    """Default number of training images that are held out for validation."""
    class_names: tuple[str, ...] = tuple("0123456789")
    """The meaning of labels 0, 1, …."""
    image_shape: Shape3 = (1, 28, 28)
    """(C, H, W) of every image."""
    more_mirrors: tuple[str, ...] = ()
    """Public mirrors that torchvision does not list."""
    fallback: Fallback | None = None
    """What replaces the data set if it cannot be downloaded."""
    own_validation: int = 0
    """The last so many training images are the validation images; 0 where a split chooses them."""

    def training_images(self, validation_size: int | None) -> int:
        """Images that train at most; `validation_size` of a configuration may leave some out."""
        if validation_size is None or self.own_validation:
            validation_size = self.validation_size
        return self.train_size - validation_size

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    @property
    def short_title(self) -> str:
        """The title without the size."""
        return self.title.partition(" (")[0]

    @property
    def torchvision_class(self) -> str:
        """Name in `torchvision.datasets` of the class that lists the public mirrors."""
        return self.short_title.replace("-", "")

    @property
    def mirror_variable(self) -> str:
        """The environment variable for a mirror: `KMNIST_MIRROR` for `kmnist`."""
        return f"{self.name.upper()}_MIRROR"


def _idx_files(*sha256s: str) -> dict[str, str]:
    return dict(zip(IDX_FILES, sha256s, strict=True))


MNIST = DatasetSpec(
    name="mnist",
    title="MNIST (70,000 handwritten digits)",
    files=_idx_files(
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
    more_mirrors=("https://storage.googleapis.com/cvdf-datasets/mnist/",),
    fallback=Fallback.digits,
)

FASHION_MNIST = DatasetSpec(
    name="fashion_mnist",
    title="Fashion-MNIST (70,000 articles of clothing)",
    files=_idx_files(
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    ),
    class_names=(
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
        "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    ),
)  # fmt: skip

KMNIST = DatasetSpec(
    name="kmnist",
    title="KMNIST (70,000 handwritten hiragana)",
    files=_idx_files(
        "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
        "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
        "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
        "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
    ),
    class_names=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
)

CIFAR10 = DatasetSpec(
    name="cifar10",
    title="CIFAR-10 (60,000 colour photographs)",
    files={CIFAR_ARCHIVE: "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"},
    train_size=50_000,
    class_names=(
        "airplane", "automobile", "bird", "cat", "deer",
        "dog", "frog", "horse", "ship", "truck",
    ),
    image_shape=(3, 32, 32),
)  # fmt: skip

DIGITS = DatasetSpec(
    name="digits",
    title="scikit-learn's digits (1,797 handwritten digits)",
    files=dict.fromkeys(IDX_FILES, ""),
    train_size=1_297,
    test_size=500,
    validation_size=108,  # one in twelve, as for MNIST
)

SPECS = {spec.name: spec for spec in (MNIST, FASHION_MNIST, KMNIST, CIFAR10, DIGITS)}
"""The published data sets by name."""


def converted_spec(
    name: str, contents: Contents, class_names: Sequence[str] | None = None
) -> DatasetSpec:
    """What is known about a folder of images, or a data set of torchvision, once it is converted.

    Without `class_names` classes are numbered.
    """
    given, side = contents.validation_images, contents.side
    train_size = contents.train_images + given
    images = f"{train_size + contents.test_images:,} images of {contents.classes:,} classes"
    return DatasetSpec(
        name=name,
        title=f"{name} ({images}, {side}×{side} pixels)",
        files=dict.fromkeys(ARRAY_FILES, ""),
        train_size=train_size,
        test_size=contents.test_images,
        validation_size=given or max(contents.classes, round(train_size / VALIDATION_SHARE)),
        class_names=tuple(class_names or map(str, range(contents.classes))),
        image_shape=(contents.channels, side, side),
        own_validation=given,
    )


def data_name(data: DataConfig) -> str:
    """The name of the data set of a configuration: that of a folder, or torchvision's."""
    if data.name is Dataset.folder:
        return name_from(Path(data.path or "").name, "folder", taken=SPECS)
    return data.dataset or "" if data.name is Dataset.torchvision else data.name.name


def data_folder(data: DataConfig) -> Path:
    """The folder of a data set's verified files: `root`, or in it one for each conversion."""
    if data.name.name in SPECS:
        return Path(data.root)
    parts = [data_name(data), *([] if data.size is None else [str(data.size)])]
    if data.path is not None:  # other folders may have the same name
        parts.append(hashlib.sha256(str(data.path).encode()).hexdigest()[:8])
    return Path(data.root) / "-".join(parts)


def spec_of(data: DataConfig) -> DatasetSpec:
    """The data set of a configuration.

    Raises:
        ConfigurationError: for one whose contents are not filled in.
    """
    if data.name.name in SPECS:
        return SPECS[data.name.name]
    rule = "is filled in when the configuration is composed."
    require(data.contents is not None, "data.contents", None, rule, "Compose it again.")
    assert data.contents is not None  # noqa: S101 - for mypy
    return converted_spec(data_name(data), data.contents)


def image_shape(data: DataConfig) -> Shape3:
    """(C, H, W) of a network's input: the data set's shape, or its canvas.

    Training, validation and test images have this shape, and so has a fallback.
    """
    channels, height, width = spec_of(data).image_shape
    return (channels, data.canvas or height, data.canvas or width)
