"""Training by Lightning: batches, classifier, several seeds in one pass, checkpoints."""
