"""Training with Lightning: batches, module, callbacks, several seeds in one pass, checkpoints."""
