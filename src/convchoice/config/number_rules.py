"""Which numbers a configuration may hold, each by itself."""

import math

from convchoice.config.schema import Config
from convchoice.errors import require

MOST_SEEDS = 10_000
MOST_UNITS = 1_000_000
MOST_THREADS = 1_024


def check_numbers(config: Config) -> None:
    """Refuse a number that is out of its range.

    Raises:
        ConfigurationError: naming the first one, and its range.
    """
    at_least_one = {
        "seeds": config.seeds,
        "data.batch_size": config.data.batch_size,
        "downsample.window": config.downsample.window,
        "downsample.stride": config.downsample.stride,
        "downsample.kernel_size": config.downsample.kernel_size,
        "downsample.pieces": config.downsample.pieces,
        "trainer.max_epochs": config.trainer.max_epochs,
        "trainer.threads": config.trainer.threads,
    }
    # What nobody means, and what would only make a machine hang or run out of memory.
    at_most = {
        "seeds": (config.seeds, MOST_SEEDS),
        "data.batch_size": (config.data.batch_size, MOST_UNITS),
        "model.hidden_units": (config.model.hidden_units, MOST_UNITS),
        "trainer.max_epochs": (config.trainer.max_epochs, MOST_UNITS),
        "trainer.threads": (config.trainer.threads, MOST_THREADS),
    }
    for name, (value, most) in at_most.items():
        require(value <= most, name, value, f"must be at most {most:,}.")
    optional = {
        "data.train_size": config.data.train_size,
        "trainer.workers": config.trainer.workers,
        "trainer.seeds_together": config.trainer.seeds_together,
        "evaluation.images": config.evaluation.images,
    }
    at_least_one |= {name: value for name, value in optional.items() if value is not None}
    for name, value in at_least_one.items():
        require(value >= 1, name, value, "must be a whole number of at least 1.")
    at_least_zero = {
        "seed": config.seed,
        "data.validation_size": config.data.validation_size or 0,
        "data.validation_seed": config.data.validation_seed,
        "data.permutation_seed": config.data.permutation_seed or 0,
        "downsample.padding": config.downsample.padding,
        "model.hidden_units": config.model.hidden_units,
    }
    for name, value in at_least_zero.items():
        require(value >= 0, name, value, "must be a whole number of at least 0.")
        require(value < 2**31, name, value, f"must be below 2^31 = {2**31}.")
    positive = {
        "downsample.sigma": config.downsample.sigma,
        "optimizer.learning_rate": config.optimizer.learning_rate,
        "optimizer.epsilon": config.optimizer.epsilon,
    }
    for name, number in positive.items():
        require(
            math.isfinite(number) and number > 0, name, number, "must be a finite number above 0."
        )
    fractions = {
        "optimizer.rho": config.optimizer.rho,
        "optimizer.momentum": config.optimizer.momentum,
    }
    for name, number in fractions.items():
        require(0 <= number < 1, name, number, "must be at least 0 and below 1.")
    decay = config.optimizer.weight_decay
    require(
        math.isfinite(decay) and decay >= 0,
        "optimizer.weight_decay",
        decay,
        "must be a finite number of at least 0.",
    )
