"""convchoice: which choices in a convolutional network matter, how sure, at what cost."""

from convchoice.config import torchvision_pairing

__version__ = "0.1.0"

torchvision_pairing.install()
