"""What is measured on the test set: accuracy, curves, equivariance, pictures."""
