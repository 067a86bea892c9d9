"""From run folders to verdicts: statistics, comparisons, words."""
