"""What keeping freed memory is worth: a bare loop of training with it and without, in turns.

    python bench/freed_memory.py [--rounds 5]

Each measurement is a process of its own (the setting cannot be taken back), with one thread. Prints
both medians and the ratio with its range.
"""

import argparse
import statistics
import sys
from functools import partial

from measurement import alternate, ratio
from training import measured

IMAGES = 12_800


def main() -> None:
    """Alternate, and print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    peers = ("bare", "bare_glibc")
    figures = alternate(
        given.rounds,
        {peer: partial(measured, sys.executable, peer, IMAGES, threads=1) for peer in peers},
        "images/s",
    )
    kept, plain = (statistics.median(values) for values in figures.values())
    print(f"keeping freed memory: {kept:,.0f} images/s; plain: {plain:,.0f} images/s (medians)")
    found = ratio(figures["bare"], figures["bare_glibc"])
    print("ratio {median:.2f}, from {range[0]:.2f} to {range[1]:.2f}".format_map(found))


if __name__ == "__main__":
    main()
