"""What a reader must know of a result before relying on it: cautions, the most important first."""

import math

from convchoice.analysis.arm import ArmResult
from convchoice.analysis.provenance import Provenance
from convchoice.analysis.result import Caution, Comparison
from convchoice.analysis.statistics import FEWEST_SEEDS
from convchoice.analysis.study_definition import amendments
from convchoice.analysis.text import counted, listed, of_seeds
from convchoice.analysis.training_length import short_training
from convchoice.config.field_types import within

STEEP = 0.05
"""Fall of the mean training loss in the last epoch, in nats, above which an arm is unconverged: ten
times that of the lecture's fifth epoch."""


def _failures(comparison: Comparison) -> list[str]:
    study, compared, failed = comparison.study, comparison.arms, comparison.failed
    failure = "Without a value" if comparison.provenance.table else "Failed in training"
    found = []
    for arm, seeds in failed.items():
        reasons = "; ".join(f"seed {seed}: {reason}" for seed, reason in seeds.items())
        effect = (
            "Its results are of the other seeds only, and so too favourable."
            if arm in compared
            else "It has no results and is not compared."
        )
        found.append(f"{failure}: {arm}, {reasons} {effect}")
    known = {*compared, *failed, *comparison.left_out}
    if alone := [arm for arm in study.arms if arm not in known]:
        found.append(
            f"Not compared, because the reference failed or was left out: {'; '.join(alone)}."
        )
    return found


def _scale(comparison: Comparison) -> tuple[str, str]:
    """The scale in numbers, with the kind of the caution; empty if it is the full one."""
    seeds, length = [arm.n for arm in comparison.arms.values()], short_training(comparison)
    if not length and min(seeds) >= FEWEST_SEEDS:
        return "scale", ""
    shown = length and max(map(_images_seen, comparison.arms.values())) <= DEMONSTRATION
    word = "Demonstration, no answer" if shown else "Short training" if length else "Few seeds"
    text = f"{word}: {', '.join(filter(None, [length, counted(seeds, 'seed')]))} an arm."
    return "demonstration" if shown else "scale", text


def _images_seen(arm: ArmResult) -> float:
    """Training images of all epochs; infinite if an arm takes all that there are."""
    size, epochs = (arm.configuration.get(key) for key in ("data.train_size", "trainer.max_epochs"))
    return float(size) * epochs if isinstance(size, int) and isinstance(epochs, int) else math.inf


DEMONSTRATION = 1_000
"""Training images seen in all epochs, up to which a result only shows how a study looks."""
NETWORK = ("conv", "downsample", "model", "network", "code")
"""Groups of keys that together are one choice: the network. The optimiser with its keys is another
one, and so is every other key."""


def _confounded(comparison: Comparison) -> str:
    """What else differs, between an arm and its reference, than the network or one other choice."""
    found = []
    for name, arm in comparison.arms.items():
        changes = arm.differs_from_reference
        network = any(within(key, NETWORK) for key in changes)
        others = [key for key in changes if not within(key, NETWORK)]
        choices = {"optimizer" if within(key, ("optimizer",)) else key for key in others}
        if len(choices) + network > 1:
            values = [f"{key} ({changes[key].arm}, not {changes[key].reference})" for key in others]
            also = "also " if network else ""
            found.append(f"{name} differs from {arm.reference} {also}in {listed(values)}")
    if not found:
        return ""
    return f"Not one choice alone: {'; '.join(found)}. A difference may come from any of them."


def _devices(comparison: Comparison) -> str:
    """On what different devices, or with what different arithmetic, the runs were made.

    A precision that an arm chose differs on purpose; `auto` may differ between devices.
    """
    made, arms = comparison.provenance, comparison.arms.values()
    names = {"device": "device", "instructions": "CPU instructions"}
    if not any("trainer.precision" in arm.differs_from_reference for arm in arms):
        names |= {"precision": "precision", "tf32": "use of TF32"}
    different = [
        f"{name} ({' and '.join(map(str, made.recorded[key]))})"
        for key, name in names.items()
        if len(made.recorded.get(key, [])) > 1
    ]
    if not different:
        return ""
    return (
        f"The runs differ in {', '.join(different)}: their seconds are not comparable, and their"
        " numbers differ for this reason too."
    )


def _unconverged(comparison: Comparison) -> str:
    """Arms whose training loss still fell steeply in the last epoch."""
    falling = {}
    for name, arm in comparison.arms.items():
        band = arm.learning_curves.bands.get("train/loss")
        means = [] if band is None else [mean for mean in band.mean if mean is not None]
        if len(means) > 1 and means[-2] - means[-1] > STEEP:
            falling[name] = means[-2] - means[-1]
    if not falling:
        return ""
    every = len(falling) == len(comparison.arms)
    which = "every arm" if every else listed(list(falling))
    return (
        f"Far from converged: the last epoch still lowered the training loss of {which} by up to"
        f" {max(falling.values()):.2f} nats. Differences may be in the speed of learning alone."
    )


def _overlap(made: Provenance) -> str:
    """How many images of a conversion are in two of its parts."""
    kinds = {"test": "test images are training or validation images",
             "val": "validation images are training images"}  # fmt: skip
    found = [
        f"{shared:,} {kind}"
        for part, kind in kinds.items()
        for shared in made.recorded.get(f"dataset.shared_images.{part}", [])
        if shared
    ]
    return f"Accuracies are too high: {', '.join(found)}, pixel for pixel." if found else ""


def _amended(comparison: Comparison) -> str:
    if comparison.definition is None:
        return ""
    changed = amendments(comparison.definition, comparison.study.label, comparison.measure)
    return f"The study was amended after results ({'; '.join(changed)})." if changed else ""


def cautions(comparison: Comparison) -> list[Caution]:
    """What a reader must know of a result, most important first, with labels for names."""
    amended, comparison = _amended(comparison), comparison.labelled()
    made, missing = comparison.provenance, comparison.missing_seeds
    note, retry = made.dataset.fallback_note or "", made.dataset.retry
    hint = f" To try again: {retry}." if note and retry is not None and retry not in note else ""
    without = "has no row of" if made.table else "without"
    lacking = "; ".join(f"{arm} {without} {of_seeds(seeds)}" for arm, seeds in missing.items())
    partial = "rows are missing" if made.table else "planned runs are missing"
    left_out = "; ".join(comparison.left_out)
    commits, dirty = (made.recorded.get(key, []) for key in ("commit", "dirty"))
    found = [
        *(("failed", text) for text in _failures(comparison)),
        ("partial", left_out and f"Left out at this scale: {left_out}."),
        ("fallback", f"{note}{hint}"),
        ("overlap", _overlap(made)),
        ("partial", lacking and f"Partial: {partial} ({lacking})."),
        ("amended", amended),
        ("confounded", _confounded(comparison)),
        ("scale", "") if made.table else _scale(comparison),
        ("unconverged", _unconverged(comparison)),
        ("devices", _devices(comparison)),
        (
            "commits",
            len(commits) > 1 and f"The runs were made by {len(commits)} different commits.",
        ),
        ("dirty", True in dirty and "Some runs were made with uncommitted changes."),
    ]
    return [Caution.model_validate({"kind": kind, "text": text}) for kind, text in found if text]
