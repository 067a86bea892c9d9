"""Every configuration key: its type, its default and its meaning.

Hydra checks `conf/` and the command line against these dataclasses: an unknown key or a wrong type
is an error before anything runs. What types cannot say is in `configuration`.
"""

from dataclasses import dataclass, field
from enum import Enum

PRECISIONS = ("32-true", "bf16-mixed", "16-mixed", "64-true")


# Members are named in lower case because OmegaConf matches an enum by the member's name.
class Dataset(Enum):
    """Data sets the pipeline can train on."""

    mnist = "mnist"


class Fallback(Enum):
    """What to train on when no source of the data set answers."""

    digits = "digits"


class Padding(Enum):
    """How a convolution treats the border."""

    valid = "valid"
    same = "same"
    full = "full"


class PaddingMode(Enum):
    """What stands in the padded rows and columns."""

    zeros = "zeros"
    reflect = "reflect"
    replicate = "replicate"
    circular = "circular"


class Operator(Enum):
    """How a block brings its response map down to a coarser grid."""

    max = "max"
    average = "average"
    weighted = "weighted"
    strided = "strided"
    all_conv = "all_conv"
    none = "none"


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
    """Where to train: `auto` takes a GPU where there is one."""

    auto = "auto"
    cpu = "cpu"
    gpu = "gpu"


class Curve(Enum):
    """What can be measured on the test set beside the clean answers; each is a set of points."""

    shift = "shift"
    rotation = "rotation"
    scale = "scale"
    consistency = "consistency"
    equivariance = "equivariance"
    input_size = "input_size"


class Store(Enum):
    """Where runs are told about."""

    mlflow = "mlflow"
    none = "none"


@dataclass
class DataConfig:
    """Which images, and how they are dealt out."""

    name: Dataset = Dataset.mnist
    root: str = "data/raw"
    """Folder of the verified files."""
    fallback: Fallback | None = Fallback.digits
    """Data set to use when no source answers; null stops with an error instead."""
    train_size: int | None = None
    """Training images (a stratified subset, fixed by `validation_seed`); null takes all."""
    validation_size: int | None = None
    """Images held out of the official training set, stratified; null takes the data set's own
    number (5,000 of MNIST's 60,000), 0 holds out none."""
    validation_seed: int = 2019
    """Fixes the validation split and the subset, whatever the run's seed is."""
    batch_size: int = 64


@dataclass
class ConvConfig:
    """Every block's convolution."""

    kernel_size: int = 3
    padding: Padding = Padding.valid
    padding_mode: PaddingMode = PaddingMode.zeros
    stride: int = 1


@dataclass
class DownsampleConfig:
    """The third stage of a block. `window` and `stride` lay out the grid for every operator."""

    operator: Operator = Operator.max
    window: int = 2
    stride: int = 2
    padding: int = 0
    """Rows and columns added on each side before a window is laid; never counted in a mean."""
    kernel_size: int = 3
    """Kernel of the learned convolution that `all_conv` puts in the place of a pooling."""
    sigma: float = 1.0
    """Width, in pixels, of the Gaussian of `weighted`."""


@dataclass
class ModelConfig:
    """Blocks of convolution → detector → downsample, then the head."""

    filters: list[int] = field(default_factory=lambda: [32, 64, 64])
    """Depth of the response map of each block."""
    downsample_after: list[int] = field(default_factory=lambda: [1, 2])
    """Numbers (from 1) of the blocks that end in a downsampling step."""
    activation: Activation = Activation.relu
    head: Head = Head.flatten
    hidden_units: int = 64
    """Units of the dense hidden layer; 0 leaves it out."""
    initialisation: Initialisation = Initialisation.glorot_uniform


@dataclass
class OptimizerConfig:
    """The optimiser and its numbers; those it does not use are ignored by it."""

    name: OptimizerName = OptimizerName.rmsprop
    learning_rate: float = 1e-3
    rho: float = 0.9
    """RMSprop's decay of the squared gradient (PyTorch calls it alpha)."""
    epsilon: float = 1e-7
    momentum: float = 0.0
    weight_decay: float = 0.0


@dataclass
class TrainerConfig:
    """How the training is carried out."""

    max_epochs: int = 5
    precision: str = "32-true"
    accelerator: Accelerator = Accelerator.auto
    deterministic: bool = False
    """On a GPU, use deterministic kernels only. On the CPU every run is deterministic anyway."""
    threads: int = 1
    """CPU threads of one training. Two runs side by side on one thread each beat one run on two
    threads, and results do not then depend on how many cores a machine has."""
    workers: int | None = None
    """Runs trained side by side; null takes one per CPU core, or one on a GPU."""


@dataclass
class EvaluationConfig:
    """What is measured on the test set beside the clean answers. It never retrains a run."""

    curves: list[Curve] = field(default_factory=list)
    images: int | None = None
    """Test images of the curves, stratified by digit and spread evenly over the test set; null, or
    more than there are, takes all. The clean answers are always over all of them."""


@dataclass
class TrackingConfig:
    """What is told to MLflow."""

    store: Store = Store.mlflow
    experiment: str = "convchoice"
    uri: str | None = None
    """Tracking server; null takes MLFLOW_TRACKING_URI, or mlflow.db at the project's root."""


@dataclass
class ScaleConfig:
    """How much is computed. Only other values refer to these; runs never see them."""

    name: str = ""
    seeds: int = 1
    epochs: int = 1
    train_size: int | None = None
    recipe_seeds: int = 1
    """Seeds of the lecture's own recipe, which costs far more a run."""
    recipe_epochs: int = 1
    curve_images: int | None = None
    """Test images on which `evaluation=curves` measures."""


@dataclass
class Config:
    """One arm with one seed: everything that decides a run's numbers, and where they go."""

    arm: str | None = None
    seed: int = 0
    seeds: int = 1
    """How many seeds (0, 1, …) the training stage gives this arm."""
    run_root: str = "runs"
    """Folder in which run folders are made, as `<run_root>/<arm>/seed-<n>`."""
    scale: ScaleConfig = field(default_factory=ScaleConfig)
    data: DataConfig = field(default_factory=DataConfig)
    conv: ConvConfig = field(default_factory=ConvConfig)
    downsample: DownsampleConfig = field(default_factory=DownsampleConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
