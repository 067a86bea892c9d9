"""Names that vulture does not see in use: called by a framework, or read as a field by name."""

from typing import Any

_: Any

# Lightning calls these.
_.configure_optimizers
_.on_fit_start
_.on_train_batch_end
_.on_train_epoch_end
_.on_train_epoch_start
_.on_validation_start
_.setup
_.train_dataloader
_.training_step
_.val_dataloader
_.validation_step
# Hydra finds and calls these.
_.SlurmLauncher
_.RayLauncher
_.WholeSweeper
# MLflow calls these in a served model.
_.load_context
_.predict
# The standard library calls or reads these.
_.https_request
_.repr_int
_.maxdict
_.maxfrozenset
_.maxlist
_.maxother
_.maxset
_.maxstring
_.maxtuple
_.usage
_.trace
# pydantic: settings, and validators' first argument.
_.cls
_.model_config
# Values of configuration keys, chosen by name; keys that only other values in conf/ refer to.
_.cifar10
_.fashion_mnist
_.kmnist
_.pytorch
_.curve_images
_.epochs_for
_.recipe_epochs
_.recipe_seeds
_.whole_seeds
