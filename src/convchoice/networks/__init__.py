"""The network of a configuration: its plan in whole numbers, and its layers as torch modules."""
