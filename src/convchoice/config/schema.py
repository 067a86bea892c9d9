"""Every configuration key: its type, its default and its meaning.

Hydra checks `conf/` and the command line against these dataclasses: an unknown key or a wrong type
is an error before anything runs. What types cannot say is in `configuration`.
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

PRECISIONS = ("32-true", "bf16-mixed", "16-mixed", "64-true")


# Members are named in lower case because OmegaConf matches an enum by the member's name.
class Dataset(Enum):
    """Data sets the pipeline can train on."""

    mnist = "mnist"
    fashion_mnist = "fashion_mnist"
    kmnist = "kmnist"
    cifar10 = "cifar10"


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
    l2 = "l2"
    max_blur = "max_blur"
    maxout = "maxout"
    depthwise = "depthwise"
    strided = "strided"
    all_conv = "all_conv"
    conv_pool = "conv_pool"
    none = "none"


class FirstLayer(Enum):
    """How the first block's map is computed from the image; its shape is the same for all."""

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
    """Folder of the verified files, one for each data set."""
    fallback: Fallback | None = Fallback.digits
    """What to use when no source of MNIST answers; null stops with an error instead. Nothing stands
    in for another data set, where it must be null."""
    train_size: int | None = None
    """Training images (a stratified subset, fixed by `validation_seed`); null takes all that do not
    validate, and so does a number that is larger. A smaller subset lies within every larger one."""
    validation_size: int | None = None
    """Images held out of the official training set, stratified; null takes the data set's own
    number (5,000 of MNIST's 60,000), 0 holds out none."""
    validation_seed: int = 2019
    """Fixes the validation split, the subset and the angles of `rotated`, whatever the run's seed
    is."""
    batch_size: int = 64
    canvas: int | None = None
    """Side, in pixels, of the square to which every image (training, validation, test) is padded
    with zeros, centred, an odd pixel behind; null leaves images as they are."""
    rotated: bool = False
    """Whether each training and validation image is turned about its centre (on its canvas) by an
    angle of its own in [0, 360) degrees, bilinear. An image has the same angle in every run and
    arm. Test images stay upright: what turning does to an answer is measured on them."""
    permutation_seed: int | None = None
    """Seed of one permutation of the pixels' places, applied to every image (training, validation,
    test) and alike to its channels; null leaves pixels where they are."""


@dataclass
class ConvConfig:
    """Every block's convolution.

    `Any` stands where a value may be a number or a list: `block_rules` checks what it is and gives
    it its canonical form (see `pairs`), so that equal configurations are equal.
    """

    kernel_size: Any = 3
    """One number for both axes, or [height, width]."""
    padding: Any = Padding.valid
    """A word (see `Padding`), or pixels on each side: one number, or [height, width]. At most the
    kernel size less 1; 0 is `valid`."""
    padding_mode: PaddingMode = PaddingMode.zeros
    """What every padded convolution finds beyond the edge; pooling never sees it."""
    stride: Any = 1
    """One number for both axes, or [height, width]."""


@dataclass
class DownsampleConfig:
    """The third stage of a block. `window` and `stride` lay out the grid for every operator."""

    operator: Operator = Operator.max
    window: int = 2
    stride: int = 2
    padding: int = 0
    """Rows and columns added on each side before a window is laid; never counted in a mean."""
    kernel_size: int = 3
    """Side of what an operator has beside its window: the learned convolution of `all_conv` and
    `conv_pool`, the binomial blur of `max_blur`."""
    sigma: float = 1.0
    """Width, in pixels, of the Gaussian of `weighted`."""
    pieces: int = 3
    """Learned filters to each channel of `maxout`, which keeps the largest answer of them."""


@dataclass
class ModelConfig:
    """Blocks of convolution → detector → downsample, then the head."""

    filters: list[int] = field(default_factory=lambda: [32, 64, 64])
    """Depth of the response map of each block."""
    downsample_after: list[int] = field(default_factory=lambda: [1, 2])
    """Numbers (from 1) of the blocks that end in a downsampling step."""
    first_layer: FirstLayer = FirstLayer.convolution
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
    """Processes side by side; null takes one per CPU core, or one on a GPU."""
    seeds_together: int | None = None
    """Seeds of an arm that one process trains in one pass, their weights stacked; null takes all on
    a GPU and one on the CPU. The numbers of each seed are its own up to rounding."""


@dataclass
class EvaluationConfig:
    """What is measured on the test set beside the clean answers. It never retrains a run."""

    curves: list[Curve] = field(default_factory=list)
    images: int | None = None
    """Test images of the curves, stratified by digit and spread evenly over the test set; null, or
    more than there are, takes all. The clean answers are always over all of them."""


@dataclass
class TrackingConfig:
    """Where complete runs are logged."""

    store: Store = Store.mlflow
    experiment: str | None = None
    """MLflow experiment; null takes MLFLOW_EXPERIMENT_NAME, or convchoice."""
    uri: str | None = None
    """MLflow's tracking URI; null takes MLFLOW_TRACKING_URI, or mlflow.db at the project's root."""


@dataclass
class ScaleConfig:
    """How much is computed. Only other values refer to these; runs never see them."""

    name: str = ""
    seeds: int = 1
    epochs: int = 1
    train_size: int | None = None
    whole_seeds: int = 1
    """Seeds of arms that train on the whole training set, in studies that vary its size."""
    recipe_seeds: int = 1
    """Seeds of the lecture's own recipe, which costs far more a run."""
    recipe_epochs: int = 1
    curve_images: int | None = None
    """Test images on which `evaluation=curves` measures."""
    epochs_for: dict[str, int] = field(default_factory=dict)
    """Passes over a training set of so many images, in studies that vary it."""


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
