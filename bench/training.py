"""Training throughput against peers, in turns, as ratios.

    make bench
    python bench/training.py --rounds 5 [--keras-python /path/to/python]

Absolute times on shared machines mean little; ratios within one run do. Each measurement is a
process of its own; the peers take turns (A B C A B C …). Prints medians and the ratios with their
range, and writes bench/training.json.
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).parent
RESULT = BENCH / "training.json"


def measured(python: str, peer: str, images: int, threads: int) -> float:
    """One measurement in a fresh process, in images a second."""
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
    parser.add_argument("--keras-python", help="interpreter that has the extra `bench`")
    given = parser.parse_args()
    peers = ["ours", "bare", "tutorial"] + (["keras"] if given.keras_python else [])
    speeds: dict[str, list[float]] = {peer: [] for peer in peers}
    for turn in range(1, given.rounds + 1):
        for peer in peers:
            python = given.keras_python if peer == "keras" else sys.executable
            speeds[peer].append(measured(python, peer, given.images, given.threads))
        print(f"round {turn} of {given.rounds}:", {p: round(v[-1]) for p, v in speeds.items()})
    table = {}
    for peer in peers:
        ratios = sorted(a / b for a, b in zip(speeds["ours"], speeds[peer], strict=True))
        table[peer] = {
            "images_per_second": statistics.median(speeds[peer]),
            "ours_over_peer": statistics.median(ratios),
            "ours_over_peer_range": [ratios[0], ratios[-1]],
        }
        print(
            f"{peer:9} {table[peer]['images_per_second']:8,.0f} images/s"
            f"   ours / {peer}: {table[peer]['ours_over_peer']:.2f}"
            f" ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        )
    settings = {
        "machine": platform.platform(),
        "rounds": given.rounds,
        "images": given.images,
        "threads": given.threads,
    }
    RESULT.write_text(json.dumps({**settings, "peers": table}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
