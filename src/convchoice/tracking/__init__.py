"""Publish runs, arms, studies and models to MLflow."""
