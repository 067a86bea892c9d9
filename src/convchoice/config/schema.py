"""Every configuration key: its type, default, legal values and meaning.

Hydra checks `conf/` and the command line against these dataclasses, so an unknown key or a wrong
type is an error before anything runs. Rules between keys are in `validation`.
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from convchoice.config import legal_values as legal
from convchoice.config.legal_values import key

PRECISIONS = ("32-true", "bf16-mixed", "16-mixed", "64-true")


# Lower case, because OmegaConf matches an enum by the member's name.
class Dataset(Enum):
    """Data sets the pipeline can train on."""

    mnist = "mnist"
    fashion_mnist = "fashion_mnist"
    kmnist = "kmnist"
    cifar10 = "cifar10"


class Fallback(Enum):
    """What to train on if the data set cannot be downloaded."""

    digits = "digits"


class Padding(Enum):
    """How a convolution treats the border."""

    valid = "valid"
    same = "same"
    full = "full"


class PaddingMode(Enum):
    """Values of the padded rows and columns."""

    zeros = "zeros"
    reflect = "reflect"
    replicate = "replicate"
    circular = "circular"


class Operator(Enum):
    """How a block reduces its response map to a coarser grid."""

    max = "max"
    average = "average"
    weighted = "weighted"
    l2 = "l2"
    max_blur = "max_blur"
    maxout = "maxout"
    depthwise = "depthwise"
    strided = "strided"
    all_conv = "all_conv"
    conv_pool = "conv_pool"
    none = "none"


class FirstLayer(Enum):
    """How the first block's map is computed from the image; all have the same output shape."""

    convolution = "convolution"
    locally_connected = "locally_connected"
    dense = "dense"


class Activation(Enum):
    """The detector stage."""

    relu = "relu"
    tanh = "tanh"
    gelu = "gelu"
    none = "none"


class Head(Enum):
    """How the last response map becomes a vector."""

    flatten = "flatten"
    global_average = "global_average"


class Initialisation(Enum):
    """Initial weights: Keras's default (Glorot uniform, zero biases) or PyTorch's own."""

    glorot_uniform = "glorot_uniform"
    pytorch = "pytorch"


class OptimizerName(Enum):
    """The optimiser."""

    rmsprop = "rmsprop"
    sgd = "sgd"
    adam = "adam"


class Accelerator(Enum):
    """Where to train: `auto` takes a GPU if there is one."""

    auto = "auto"
    cpu = "cpu"
    gpu = "gpu"


class Curve(Enum):
    """What can be evaluated on the test set besides the clean predictions."""

    shift = "shift"
    rotation = "rotation"
    scale = "scale"
    consistency = "consistency"
    equivariance = "equivariance"
    input_size = "input_size"


class Store(Enum):
    """Where runs are logged."""

    mlflow = "mlflow"
    none = "none"


LARGEST = 2**31 - 1
LARGEST_SIDE = 256  # pixels; 60,000 images of this side take 4 GB
SEED, COUNT = legal.between(0, LARGEST), legal.between(1, LARGEST)
POSITIVE = legal.between(1e-38, 1e3)  # from the smallest normal number of float32


@dataclass
class DataConfig:
    """Which images, and how they are split and transformed."""

    name: Dataset = Dataset.mnist
    root: str = key("data/raw", legal.FOLDER)
    """Folder of the verified files."""
    fallback: Fallback | None = Fallback.digits
    """What to use if MNIST cannot be downloaded; null (for other data sets always) is an error."""
    train_size: int | None = key(None, COUNT)
    """Training images: a stratified subset, which contains every smaller one; null, or a larger
    number than there are, takes all that are not held out."""
    validation_size: int | None = key(None, legal.between(0, LARGEST))
    """Training images held out, stratified; null takes the data set's own number (MNIST: 5,000)."""
    validation_seed: int = key(2019, SEED)
    """Fixes the validation split, the subset and the angles of `rotated`."""
    batch_size: int = key(64, legal.between(1, 1_000_000))
    canvas: int | None = key(None, legal.between(1, LARGEST_SIDE))
    """Side, in pixels, of the square to which every image (training, validation, test) is padded
    with zeros, centred, an odd pixel at the bottom and right; null leaves images unchanged."""
    rotated: bool = False
    """Rotate each training and validation image about its centre, bilinear, by a random angle in
    [0, 360) degrees, the same in every run and arm. Test images stay upright."""
    permutation_seed: int | None = key(None, SEED)
    """Seed of one permutation of the pixels' positions, applied to every image (test images too)
    and all its channels; null leaves pixels where they are."""


@dataclass
class ConvConfig:
    """Every block's convolution.

    `Any`: a number or a list, which OmegaConf has no type for. See `pairs` for its canonical form.
    """

    kernel_size: Any = key(3, legal.size(1, LARGEST_SIDE))
    """One number for both axes, or [height, width]."""
    padding: Any = Padding.valid
    """A word, or pixels on each side: one number, or [height, width]."""
    padding_mode: PaddingMode = PaddingMode.zeros
    """What a convolution reads beyond the edge; pooling ignores it."""
    stride: Any = key(1, legal.size(1, LARGEST_SIDE))
    """One number for both axes, or [height, width]."""


@dataclass
class DownsampleConfig:
    """The third stage of a block. `window` and `stride` define the grid of every operator."""

    operator: Operator = Operator.max
    window: int = key(2, legal.between(1, LARGEST_SIDE))
    stride: int = key(2, legal.between(1, LARGEST_SIDE))
    padding: int = key(0, legal.between(0, LARGEST_SIDE))
    """On each side; never counted in a mean."""
    kernel_size: int = key(3, legal.between(1, LARGEST_SIDE))
    """Side of the learned convolution of `all_conv` and `conv_pool`, and of `max_blur`'s blur."""
    sigma: float = key(1.0, legal.between(1e-3, 1e3))
    """Pixels: the width of the Gaussian of `weighted`."""
    pieces: int = key(3, legal.between(1, 1_000))
    """Learned filters per channel of `maxout`, of whose responses it takes the largest."""


@dataclass
class ModelConfig:
    """Blocks of convolution → detector → downsampling, then the head."""

    filters: list[int] = key([32, 64, 64], legal.each(legal.between(1, 100_000)))
    """Depth of the response map of each block."""
    downsample_after: list[int] = key([1, 2])
    """Numbers (from 1) of the blocks that end with downsampling."""
    first_layer: FirstLayer = FirstLayer.convolution
    activation: Activation = Activation.relu
    head: Head = Head.flatten
    hidden_units: int = key(64, legal.between(0, 1_000_000))
    """Of the dense hidden layer; 0 leaves it out."""
    initialisation: Initialisation = Initialisation.glorot_uniform


@dataclass
class OptimizerConfig:
    """The optimiser and its numbers."""

    name: OptimizerName = OptimizerName.rmsprop
    learning_rate: float = key(1e-3, POSITIVE)
    rho: float = key(0.9, legal.fraction())
    """RMSprop's decay of the squared gradient (PyTorch calls it alpha)."""
    epsilon: float = key(1e-7, POSITIVE)
    momentum: float = key(0.0, legal.fraction())
    weight_decay: float = key(0.0, legal.between(0, 1e3))


@dataclass
class TrainerConfig:
    """How a training is carried out."""

    max_epochs: int = key(5, legal.between(1, 1_000_000))
    precision: str = key("32-true", legal.one_of(PRECISIONS))
    accelerator: Accelerator = Accelerator.auto
    deterministic: bool = False
    """On a GPU, use deterministic kernels only. On the CPU every run is deterministic."""
    threads: int = key(1, legal.between(1, 1_024))
    """CPU threads of one training. Two runs side by side, one thread each, are faster than one."""
    workers: int | None = key(None, legal.between(1, 1_024))
    """Processes side by side; null takes one per CPU core, or one on a GPU."""
    seeds_together: int | None = key(None, legal.between(1, 10_000))
    """Seeds that one process trains at once, stacked; null takes all on a GPU, one on the CPU."""


@dataclass
class EvaluationConfig:
    """What is evaluated on the test set besides the clean predictions. Never retrains a run."""

    curves: list[Curve] = key([])
    images: int | None = key(None, COUNT)
    """Test images of the curves, stratified by class; null, or a larger number, takes all."""


@dataclass
class TrackingConfig:
    """Where complete runs are logged."""

    store: Store = Store.mlflow
    experiment: str | None = key(None, legal.TITLE)
    """MLflow experiment; null takes MLFLOW_EXPERIMENT_NAME, or convchoice."""
    uri: str | None = key(None, legal.URI)
    """MLflow's tracking URI; null takes MLFLOW_TRACKING_URI, or mlflow.db at the project's root."""


@dataclass
class ScaleConfig:
    """How much is computed. Other values refer to these; runs do not see them."""

    name: str = ""
    seeds: int = 1
    epochs: int = 1
    train_size: int | None = None
    whole_seeds: int = 1  # of arms that train on all images, in studies that vary their number
    recipe_seeds: int = 1
    """Seeds of the lecture's recipe, whose runs cost far more."""
    recipe_epochs: int = 1
    curve_images: int | None = None  # of evaluation=curves
    epochs_for: dict[str, int] = field(default_factory=dict)
    """Epochs by number of training images (`n300`)."""


@dataclass
class Config:
    """One arm with one seed: everything that decides a run's numbers, and where results go."""

    arm: str | None = key(None, legal.NAME)
    seed: int = key(0, SEED)
    seeds: int = key(1, legal.between(1, 10_000))
    """Seeds (0, 1, …) that the pipeline runs of this arm."""
    run_root: str = key("runs", legal.FOLDER)
    """Run folders are `<run_root>/<arm>/seed-<n>`."""
    scale: ScaleConfig = field(default_factory=ScaleConfig)
    data: DataConfig = field(default_factory=DataConfig)
    conv: ConvConfig = field(default_factory=ConvConfig)
    downsample: DownsampleConfig = field(default_factory=DownsampleConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
