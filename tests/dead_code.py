"""Find code that nothing calls: `make check`.

Runs vulture over source and benchmarks. Tests do not count: what only a test calls is dead.
Variables and attributes do not count either: fields are read by name, from JSON, YAML and
templates, and ruff finds unused local variables.
"""

import sys
from pathlib import Path

from vulture import Vulture

ROOT = Path(__file__).resolve().parents[1]
FRAMEWORKS_CALL = [
    # Lightning
    "configure_optimizers", "on_*", "training_step", "validation_step",
    "save_checkpoint", "load_checkpoint", "remove_checkpoint",
    # Hydra
    "*Launcher", "*Sweeper", "setup",
    # MLflow, in a served model
    "load_context", "predict",
    # the standard library
    "https_request", "repr_int", "__getattr__",
]  # fmt: skip
DECORATORS = ["@field_validator", "@model_validator", "@field_serializer", "@model_serializer"]


def main() -> None:
    """Print unused code; exit with status 1 if there is some."""
    finder = Vulture(ignore_names=FRAMEWORKS_CALL, ignore_decorators=DECORATORS)
    finder.scavenge([str(ROOT / "src"), str(ROOT / "bench")])
    unused = [
        item
        for item in finder.get_unused_code(min_confidence=60)
        if item.typ not in {"variable", "attribute"}
    ]
    for item in unused:
        print(item.get_report())
    sys.exit(bool(unused))


if __name__ == "__main__":
    main()
