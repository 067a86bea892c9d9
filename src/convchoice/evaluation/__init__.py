"""Evaluation of trained runs on the test set, which only `evaluate` opens."""
