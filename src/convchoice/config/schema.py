"""Every key of a configuration: its type, default, legal values and meaning.

Hydra checks `conf/` and the command line against `Config`, so an unknown key or a wrong type is an
error before anything runs. Rules between keys are in `validation`.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from os.path import normpath
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from convchoice.config.field_types import (
    MOST_ITEMS,
    Folder,
    Name,
    PairValue,
    Text,
    Uri,
    between,
    canonical,
    legal,
    size,
)
from convchoice.errors import did_you_mean

PRECISIONS = ("auto", "32-true", "tf32", "bf16-mixed", "16-mixed", "64-true")


# Lower case, because OmegaConf matches an enum by the member's name.
Dataset = StrEnum("Dataset", "mnist fashion_mnist kmnist cifar10 folder torchvision")
"""Published data sets; a folder of images (`data.path`); one of torchvision's (`data.dataset`)."""
Fallback = StrEnum("Fallback", "digits")
"""What to train on if the data set cannot be downloaded."""
Padding = StrEnum("Padding", "valid same full")
"""How a convolution treats the border."""
PaddingMode = StrEnum("PaddingMode", "zeros reflect replicate circular")
"""Values of the padded rows and columns."""
Operator = StrEnum(
    "Operator",
    "max average weighted l2 max_blur maxout depthwise strided all_conv conv_pool none",
)
"""How a block reduces its response map to a coarser grid."""
FirstLayer = StrEnum("FirstLayer", "convolution locally_connected dense")
"""How the first block's map is computed from the image; all have the same output shape."""
Activation = StrEnum("Activation", "relu tanh gelu none")
"""The detector stage."""
Head = StrEnum("Head", "flatten global_average")
"""How the last response map becomes a vector."""
Initialisation = StrEnum("Initialisation", "glorot_uniform pytorch")
"""Initial weights: Keras's default (Glorot uniform, zero biases) or PyTorch's own."""
OptimizerName = StrEnum("OptimizerName", "rmsprop sgd adam")
"""The optimiser."""
Accelerator = StrEnum("Accelerator", "auto cpu gpu")
"""Where to train: `auto` takes a GPU if there is one."""
Instructions = StrEnum("Instructions", "avx2 native")
"""The CPU instructions of a training: at most AVX2, or all that the processor has."""
Curve = StrEnum("Curve", "shift rotation scale consistency equivariance input_size")
"""What can be evaluated on the test set besides the clean predictions."""
Store = StrEnum("Store", "mlflow none")
"""Where runs are logged."""

LARGEST = 2**31 - 1
LARGEST_SIDE = 256  # pixels; 60,000 images of this side take 4 GB
Seed = Annotated[int, between(0, LARGEST)]
Count = Annotated[int, between(1, LARGEST)]
Side = Annotated[int, between(1, LARGEST_SIDE)]
Size = Annotated[Any, size(1, LARGEST_SIDE)]  # OmegaConf has no type for a number or a list
Positive = Annotated[float, between(1e-38, 1e3)]  # from the smallest normal number of float32
Fraction = Annotated[float, Field(strict=True, ge=0, lt=1)]
Precision = Annotated[
    str, legal(PRECISIONS.__contains__, f"must be one of {', '.join(PRECISIONS)}.")
]
Switch = Annotated[bool, Field(strict=True)]


def padding_of(value: Any) -> Padding | PairValue:
    """A word as `Padding`, pixels in canonical form; 0 is `valid`."""
    words = list(Padding)
    if value in words:
        return Padding(value)
    try:
        return canonical(value, 0, LARGEST_SIDE) or Padding.valid
    except ValueError as error:
        rule = str(error).removeprefix("must be ")
        suggestion = did_you_mean(value, words)
        raise ValueError(f"must be one of {', '.join(words)}, or {rule} {suggestion}") from None


@dataclass
class Contents:
    """What a folder of images, or a data set of torchvision, holds."""

    classes: int
    channels: int  # 1 if every image is grey, else 3
    side: int  # pixels
    train_images: int  # without those of `val/`
    validation_images: int  # of `val/`, 0 if there is none
    test_images: int


@dataclass
class DataConfig:
    """Which images, and how they are split and transformed."""

    name: Dataset = Dataset.mnist
    root: Folder = "data/raw"
    """Folder of the verified files."""
    path: Annotated[Folder, AfterValidator(normpath)] | None = None
    """Of `folder`: the tree of images. Of `torchvision`: the folder of its downloads; null takes
    `downloads/<class>` in `root`."""
    dataset: Text | None = None
    """Of `torchvision`: the name of its class, such as `SVHN`."""
    size: Side | None = None
    """Side, in pixels, to which every image of `folder` and `torchvision` is brought: its shorter
    side is resized (bilinear, antialiased), and the middle is cut out. Null keeps square images of
    one size as they are."""
    contents: Contents | None = None
    """Of `folder` and `torchvision`; filled in."""
    fallback: Fallback | None = Fallback.digits
    """What to use if MNIST cannot be downloaded; null (for other data sets always) is an error."""
    train_size: Count | None = None
    """Training images: a stratified subset, which contains every smaller one; null, or a larger
    number than there are, takes all that are not held out."""
    validation_size: Annotated[int, between(0, LARGEST)] | None = None
    """Training images held out, stratified; null takes the data set's own number (MNIST: 5,000)."""
    validation_seed: Seed = 2019
    """Fixes the validation split, the subset and the angles of `rotated`."""
    subset_seed: Seed | None = None
    """Fixes the subset alone; null takes `validation_seed`."""
    order_seed: Seed | None = None
    """Fixes the order of the training images; null takes the run's `seed`."""
    batch_size: Annotated[int, between(1, 1_000_000)] = 64
    canvas: Side | None = None
    """Side, in pixels, of the square to which every image (training, validation, test) is padded
    with zeros, centred, an odd pixel at the bottom and right; null leaves images unchanged."""
    rotated: Switch = False
    """Rotate each training and validation image about its centre, bilinear, by a random angle in
    [0, 360) degrees, the same in every run and arm. Test images stay upright."""
    permutation_seed: Seed | None = None
    """Seed of one permutation of the pixels' positions, applied to every image (test images too)
    and all its channels; null leaves pixels where they are."""


@dataclass
class ConvConfig:
    """Every block's convolution."""

    kernel_size: Size = 3
    """One number for both axes, or [height, width]."""
    padding: Annotated[Any, AfterValidator(padding_of)] = Padding.valid
    """A word, or pixels on each side: one number, or [height, width]."""
    padding_mode: PaddingMode = PaddingMode.zeros
    """What a convolution reads beyond the edge; pooling ignores it."""
    stride: Size = 1
    """One number for both axes, or [height, width]."""


@dataclass
class DownsampleConfig:
    """The third stage of a block. `window` and `stride` define the grid of every operator."""

    operator: Operator = Operator.max
    window: Side = 2
    stride: Side = 2
    padding: Annotated[int, between(0, LARGEST_SIDE)] = 0
    """On each side; never counted in a mean."""
    kernel_size: Side = 3
    """Side of the learned convolution of `all_conv` and `conv_pool`, and of `max_blur`'s blur."""
    sigma: Annotated[float, between(1e-3, 1e3)] = 1.0
    """Pixels: the width of the Gaussian of `weighted`."""
    pieces: Annotated[int, between(1, 1_000)] = 3
    """Learned filters per channel of `maxout`, of whose responses it takes the largest."""


@dataclass
class ModelConfig:
    """Blocks of convolution → detector → downsampling, then the head."""

    filters: Annotated[list[Annotated[int, between(1, 100_000)]], MOST_ITEMS] = field(
        default_factory=lambda: [32, 64, 64]
    )
    """Depth of the response map of each block."""
    downsample_after: Annotated[list[Count], MOST_ITEMS, AfterValidator(sorted)] = field(
        default_factory=lambda: [1, 2]
    )
    """Numbers (from 1) of the blocks that end with downsampling."""
    first_layer: FirstLayer = FirstLayer.convolution
    activation: Activation = Activation.relu
    head: Head = Head.flatten
    hidden_units: Annotated[int, between(0, 1_000_000)] = 64
    """Of the dense hidden layer; 0 leaves it out."""
    initialisation: Initialisation = Initialisation.glorot_uniform
    weights_seed: Seed | None = None
    """Fixes the initial weights; null takes the run's `seed`."""


@dataclass
class OptimizerConfig:
    """The optimiser and its numbers."""

    name: OptimizerName = OptimizerName.rmsprop
    learning_rate: Positive = 1e-3
    rho: Fraction = 0.9
    """RMSprop's decay of the squared gradient (PyTorch calls it alpha)."""
    epsilon: Positive = 1e-7
    momentum: Fraction = 0.0
    weight_decay: Annotated[float, between(0, 1e3)] = 0.0
    own: dict[str, Any] = field(default_factory=dict)
    """Another one in the place of the keys above: ``{_target_: torch.optim.AdamW, lr: 1e-3}``."""


@dataclass
class TrainerConfig:
    """How a training is carried out."""

    max_epochs: Annotated[int, between(1, 1_000_000)] = 5
    precision: Precision = "32-true"
    """`tf32` lets a GPU round factors of float32 products to 10 bits; `auto` takes the fastest that
    `bench/precision.yaml` has shown to give the accuracy of 32-true on that kind of device. None is
    shown yet, so `auto` is 32-true everywhere."""
    accelerator: Accelerator = Accelerator.auto
    deterministic: Switch = False
    """On a GPU, use deterministic kernels only. On the CPU every run is deterministic."""
    instructions: Instructions = Instructions.avx2
    """On the CPU: `avx2` is meant to give the same bits on every x86 processor that has it;
    `native` can be faster. A GPU, and a processor without AVX2, are used as they are."""
    threads: Annotated[int, between(1, 1_024)] = 1
    """CPU threads of one training. Two runs side by side, one thread each, are faster than one."""
    workers: Annotated[int, between(1, 1_024)] | None = None
    """Processes side by side; null takes one per CPU core, or one on a GPU."""
    seeds_together: Annotated[int, between(1, 10_000)] | None = None
    """Seeds that one process trains at once, stacked; null takes as many as the memory holds on a
    GPU, one on the CPU. Changes the last digits."""


@dataclass
class EvaluationConfig:
    """What is evaluated on the test set besides the clean predictions. Never retrains a run."""

    curves: list[Curve] = field(default_factory=list)
    images: Count | None = None
    """Test images of the curves, stratified by class; null, or a larger number, takes all."""


@dataclass
class TrackingConfig:
    """Where complete runs are logged."""

    store: Store = Store.mlflow
    experiment: Text | None = None
    """MLflow experiment; null takes MLFLOW_EXPERIMENT_NAME, or convchoice."""
    uri: Uri | None = None
    """MLflow's tracking URI; null takes MLFLOW_TRACKING_URI, or mlflow.db at the project's root."""


@dataclass
class ScaleConfig:
    """How much is computed. Other values refer to these; runs do not see them."""

    name: str = ""
    seeds: int = 1
    epochs: int = 1
    train_size: int | None = None
    recipe_seeds: int = 1
    """Seeds of the lecture's recipe, whose runs cost far more."""
    recipe_epochs: int = 1
    curve_images: int | None = None  # of evaluation=curves
    instructions: Instructions = Instructions.avx2
    seeds_for: dict[str, int] = field(default_factory=dict)
    """Seeds by number of training images (`n300`), in studies that vary it."""
    epochs_for: dict[str, int] = field(default_factory=dict)
    """Epochs, likewise."""


@dataclass
class Config:
    """One arm with one seed: everything that decides a run's numbers, and where results go."""

    arm: Name | None = None
    seed: Seed = 0
    seeds: Annotated[int, between(0, 10_000)] = 1
    """Seeds (0, 1, …) that the pipeline runs of this arm; without any it is left out."""
    run_root: Folder = "runs"
    """Run folders are `<run_root>/<arm>/seed-<n>`."""
    scale: ScaleConfig = field(default_factory=ScaleConfig)
    data: DataConfig = field(default_factory=DataConfig)
    conv: ConvConfig = field(default_factory=ConvConfig)
    downsample: DownsampleConfig = field(default_factory=DownsampleConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    network: dict[str, Any] = field(default_factory=dict)
    """A module of one's own in the place of `conv`, `downsample` and `model`, as Hydra's
    `instantiate` names it: ``{_target_: my_net.Net, width: 32}``."""
    code: str = ""
    """SHA-256 of the code that `network` and `optimizer.own` name; filled in."""
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
