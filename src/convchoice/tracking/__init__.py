"""What MLflow is told: its store, a run's life in it, names, means of an arm, models."""
