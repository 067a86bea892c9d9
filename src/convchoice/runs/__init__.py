"""What a run leaves behind, what made it, and what it tells while it works."""
