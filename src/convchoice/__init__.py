"""convchoice: which choices in a convolutional network matter, how certainly, at what cost."""

from convchoice import torchvision_operators

__version__ = "0.1.0"

torchvision_operators.install()
