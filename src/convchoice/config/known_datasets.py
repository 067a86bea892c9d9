"""Which data sets there are, and what is known of each before any of it is there.

SHA-256s of Fashion-MNIST and KMNIST are those of torchvision's prototype data sets (its released
ones pin MD5s of the same files); that of CIFAR-10's binary version, which torchvision does not
read, is TensorFlow Datasets', whose `url_checksums` give the sizes too. Knows nothing of disks and
networks; imports nothing heavy.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from convchoice.config.schema import DataConfig, Fallback

Shape3 = tuple[int, int, int]

TRAIN_IMAGES = "train-images-idx3-ubyte.gz"
TRAIN_LABELS = "train-labels-idx1-ubyte.gz"
TEST_IMAGES = "t10k-images-idx3-ubyte.gz"
TEST_LABELS = "t10k-labels-idx1-ubyte.gz"
FILE_NAMES = (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)
"""The files of a data set in MNIST's form."""

CIFAR_TRAIN = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
CIFAR_TEST = ("test_batch.bin",)
CIFAR_FILES = CIFAR_TRAIN + CIFAR_TEST
"""The files of a data set in CIFAR-10's binary form."""
CIFAR_ARCHIVE = "cifar-10-binary.tar.gz"

CLASSES = 10
DIGIT_NAMES = tuple(str(digit) for digit in range(CLASSES))


class Layout(Enum):
    """The form of a data set's files."""

    idx = "idx"
    """Four gzipped IDX files: images and labels, of training and test set (`idx`)."""
    cifar_binary = "cifar_binary"
    """Files of records, a label and an image each (`cifar_binary`)."""


@dataclass(frozen=True)
class FileSpec:
    """A file of a data set."""

    name: str
    sha256: str | None = None
    """None for a file that is made here."""
    size_bytes: int | None = None


@dataclass(frozen=True)
class DatasetSpec:
    """What is known of a data set before any of it is there."""

    name: str
    short_title: str
    title: str
    files: tuple[FileSpec, ...]
    """What lies on disk, training files first."""
    train_size: int
    test_size: int
    validation_size: int
    """Training images that are held out for validation unless a configuration says otherwise."""
    class_names: tuple[str, ...] = DIGIT_NAMES
    """What each label, 0 to 9, means."""
    image_shape: Shape3 = (1, 28, 28)
    """(C, H, W) of every image."""
    layout: Layout = Layout.idx
    archive: FileSpec | None = None
    """What sources give, where it is not the files themselves but one archive of them."""
    fallback: Fallback | None = None
    """What may stand in when no source answers."""

    @property
    def mirror_variable(self) -> str:
        """The environment variable that names its own mirror: `KMNIST_MIRROR` of `kmnist`."""
        return f"{self.name.upper()}_MIRROR"

    @property
    def fetched(self) -> tuple[FileSpec, ...]:
        """What sources give."""
        return self.files if self.archive is None else (self.archive,)

    @property
    def file_names(self) -> tuple[str, ...]:
        """Names of the files on disk."""
        return tuple(file.name for file in self.files)

    @property
    def fetched_names(self) -> str:
        """Names of what sources give, as in a sentence."""
        return ", ".join(file.name for file in self.fetched)


def _idx_files(*known: tuple[str, int]) -> tuple[FileSpec, ...]:
    """The four IDX files with their SHA-256s and sizes, in `FILE_NAMES`' order."""
    return tuple(
        FileSpec(name, sha256, size) for name, (sha256, size) in zip(FILE_NAMES, known, strict=True)
    )


MNIST = DatasetSpec(
    name="mnist",
    short_title="MNIST",
    title="MNIST (70,000 handwritten digits)",
    files=_idx_files(
        ("440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609", 9_912_422),
        ("3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c", 28_881),
        ("8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6", 1_648_877),
        ("f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6", 4_542),
    ),
    train_size=60_000,
    test_size=10_000,
    validation_size=5_000,
    fallback=Fallback.digits,
)

FASHION_MNIST = DatasetSpec(
    name="fashion_mnist",
    short_title="Fashion-MNIST",
    title="Fashion-MNIST (70,000 articles of clothing)",
    files=_idx_files(
        ("3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84", 26_421_880),
        ("a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845", 29_515),
        ("346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073", 4_422_102),
        ("67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5", 5_148),
    ),
    train_size=60_000,
    test_size=10_000,
    validation_size=5_000,
    class_names=(
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
        "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    ),
)  # fmt: skip

KMNIST = DatasetSpec(
    name="kmnist",
    short_title="KMNIST",
    title="KMNIST (70,000 handwritten hiragana)",
    files=_idx_files(
        ("51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4", 18_165_135),
        ("e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17", 29_497),
        ("edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5", 3_041_136),
        ("20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c", 5_120),
    ),
    train_size=60_000,
    test_size=10_000,
    validation_size=5_000,
    class_names=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
)

CIFAR10 = DatasetSpec(
    name="cifar10",
    short_title="CIFAR-10",
    title="CIFAR-10 (60,000 colour photographs)",
    files=tuple(FileSpec(name) for name in CIFAR_FILES),
    train_size=50_000,
    test_size=10_000,
    validation_size=5_000,
    class_names=(
        "airplane", "automobile", "bird", "cat", "deer",
        "dog", "frog", "horse", "ship", "truck",
    ),
    image_shape=(3, 32, 32),
    layout=Layout.cifar_binary,
    archive=FileSpec(
        CIFAR_ARCHIVE,
        "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        170_052_171,
    ),
)  # fmt: skip

DIGITS = DatasetSpec(
    name="digits",
    short_title="scikit-learn's digits",
    title="scikit-learn's digits (1,797 handwritten digits)",
    files=tuple(FileSpec(name) for name in FILE_NAMES),
    train_size=1_297,
    test_size=500,
    validation_size=108,  # one in twelve, as of MNIST
)

SPECS: Mapping[str, DatasetSpec] = {
    spec.name: spec for spec in (MNIST, FASHION_MNIST, KMNIST, CIFAR10, DIGITS)
}


def spec_of(data: DataConfig) -> DatasetSpec:
    """The data set that a configuration asks for."""
    return SPECS[data.name.name]


def image_shape(data: DataConfig) -> Shape3:
    """(C, H, W) of the images that a configuration's network is given.

    Training, validation and test images are of this one shape: the data set's, on its canvas. What
    may stand in for a data set has the data set's own shape.
    """
    channels, height, width = spec_of(data).image_shape
    if data.canvas is not None:
        height = width = data.canvas
    return channels, height, width
