"""Names for runs and sweeps that were given none, out of what was set on the command line."""

import re
from collections.abc import Sequence

SILENT_VALUES = ("true", "false", "null", "none")  # they say nothing without their key
# Keys that say where and how a run is made, not what it is.
UNNAMED = (
    "arm", "seed", "run_root", "tracking", "evaluation", "trainer.workers", "data.root",
    "data.fallback", "launch",
)  # fmt: skip
NUMBERS = re.compile(r"\[\s*([\w.+-]+(?:\s*,\s*[\w.+-]+)*)\s*\]")


def names_a_place(override: str) -> bool:
    """Whether an override says where or how a run is made, and not what it is."""
    key = override.lstrip("+~").partition("=")[0]
    return any(key == name or key.startswith(f"{name}.") for name in UNNAMED)


def _told(key: str, value: str) -> str:
    """An override as a part of a name: a word speaks for itself, a list is written ``3x2``."""
    value = re.sub(r"(\d)e\+", r"\1e", value.strip("'\""))  # a + no name may hold
    listed = NUMBERS.fullmatch(value)
    if listed:
        value = "x".join(part.strip() for part in listed.group(1).split(","))
    speaks = value.isidentifier() and not listed and value.lower() not in SILENT_VALUES
    return value if speaks else f"{key.rpartition('.')[2]}={value}"


def derived_name(overrides: Sequence[str], swept: Sequence[str] = ()) -> str:
    """A name for a configuration that was given none, from what was set.

    In a sweep what was swept makes the name, else all that was set: ``downsample=average
    conv.padding=same conv.kernel_size=[3,2]`` gives ``average-same-kernel_size=3x2``. Two
    configurations may come to the same name; a sweep refuses that before it begins, and a single
    run where it would replace another one.
    """
    parts = []
    for override in overrides:
        key, _, value = override.lstrip("+~").partition("=")
        if names_a_place(override) or (swept and key not in swept):
            continue
        parts.append(_told(key, value))
    return _legal("-".join(parts))


def sweep_name(swept: Sequence[str]) -> str:
    """What a sweep is called: by the keys that it gives several values, seeds aside.

    ``downsample=max,average conv.padding=valid,same seed=0,1`` is ``downsample-padding``. The same
    keys in the same folder are the same sweep, gone on with, whichever values they have.
    """
    keys = [key for key in swept if key != "seed"]
    return _legal("-".join(key.replace("/", ".").rpartition(".")[2] for key in keys)) or "seed"


def _legal(name: str) -> str:
    dashed = "".join(letter if letter.isalnum() or letter in "_.=-" else "-" for letter in name)
    return re.sub(r"-{2,}", "-", dashed).strip("-")
