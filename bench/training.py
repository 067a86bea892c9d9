"""Training throughput against peers, as ratios.

    make bench
    python bench/training.py --rounds 5 [--keras-python /path/to/python]

Each measurement is a process of its own, and the peers alternate (A B C A B C …). Prints medians
and the ratios with their range, and writes bench/training.json.
"""

import argparse
import statistics
import subprocess
import sys
from functools import partial

from measurement import BENCH, alternate, publish, ratio


def measured(python: str, peer: str, images: int, threads: int) -> float:
    """Images a second of one peer in a new process."""
    command = [
        python, str(BENCH / "peers.py"), peer, "--images", str(images), "--threads", str(threads),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("images_per_second")]
    if done.returncode or not lines:
        sys.exit(f"{peer} failed:\n{done.stderr[-2000:]}")
    return float(lines[-1].split()[1])


def main() -> None:
    """Alternate the peers, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=12_800)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--keras-python", help="interpreter with the extra `bench`")
    parser.add_argument("--bf16", action="store_true", help="measure both in bf16-mixed too")
    given = parser.parse_args()
    peers = ["ours", "bare", "tutorial"] + (["keras"] if given.keras_python else [])
    peers += ["ours_bf16", "bare_bf16"] if given.bf16 else []
    figures = alternate(
        given.rounds,
        {
            peer: partial(
                measured,
                given.keras_python if peer == "keras" else sys.executable,
                peer,
                given.images,
                given.threads,
            )
            for peer in peers
        },
        "images/s",
    )
    table = {
        peer: {
            "images_per_second": statistics.median(speeds),
            "ours_over_peer": ratio(figures["ours"], speeds),
        }
        for peer, speeds in figures.items()
    }
    if given.bf16:
        bf16 = ratio(figures["ours_bf16"], figures["bare_bf16"])
        table["bare_bf16"]["ours_bf16_over_peer"] = bf16
    settings = {"rounds": given.rounds, "images": given.images, "threads": given.threads}
    publish("training", {**settings, "peers": table})


if __name__ == "__main__":
    main()
