"""Training with Lightning: split and batches, networks of several seeds in one pass, recording."""
