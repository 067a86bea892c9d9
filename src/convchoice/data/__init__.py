"""Where images come from, verified, and how they are prepared."""
