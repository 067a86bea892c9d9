"""Notes on a result's intervals, seeds and runs, in words."""

from convchoice.analysis import text
from convchoice.analysis.contrast import Contrast, Family, SeedsNeeded
from convchoice.analysis.multiplicity import extended_error
from convchoice.analysis.result import Comparison
from convchoice.analysis.result_types import MOST_SEEDS
from convchoice.analysis.statistics import FEWEST_SEEDS
from convchoice.runs.events import count

FEW = 3
"""Contrasts of a study that a note lists one by one."""


def intervals_line(comparison: Comparison) -> str:
    """What the intervals of a study's differences hold for."""
    family = comparison.family
    together = {
        "sign flips": f"; those of {family.contrasts} differences hold together (joint sign flips)",
        "Bonferroni": f"; those of {family.contrasts} differences hold together (Bonferroni)",
        "single": "",
    }[family.method]
    sentences = [f"Brackets: 95 % intervals over seeds{together}."]
    if family.extended:
        sentences.append(f"Extended after a look, interval adjusted: {extended_looks(family)}.")
    elif family.last_look is not None:
        sentences.append(
            f"Look {len(family.looks)}, at {family.looks[-1]} of {family.last_look} planned seeds:"
            f" intervals of differences are {text.confidence(family.level)} ones (level"
            f" {family.level:.2g}), so that all looks together err in at most 5 %; p is not"
            " adjusted for looks: compare it with that level."
        )
    controls = [each.arm for each in comparison.contrasts if not each.in_family]
    if controls and family.contrasts:
        sentences.append(f"The interval of a control holds alone: {text.listed(controls)}.")
    return " ".join(sentences)


def extended_looks(family: Family) -> str:
    """What holds for a study that was extended without a plan, each look alone and together."""
    seeds = text.listed([str(look) for look in family.looks])
    together = extended_error(tuple(family.looks))
    return (
        f"looks at {seeds} seeds, the last at Pocock's level, {family.level:.2g}; each look alone"
        f" errs in at most 5 %, all together in up to about {100 * together:.0f} %, because the"
        " earlier intervals did not allow for a later look"
    )


def methods_line(comparison: Comparison) -> str:
    """What the intervals hold for, and the margin."""
    margin = text.margin(comparison.study.margin, comparison.measure)
    return f"{intervals_line(comparison)} Margin {margin}."


def seeds_needed(needed: SeedsNeeded) -> str:
    """The number of seeds with its interval: ``40 (18 to 160)``."""
    ends = [text.whole(end) if end is not None else f"over {MOST_SEEDS:,}" for end in
            (needed.estimate, needed.low, needed.high)]  # fmt: skip
    return f"{ends[0]} ({ends[1]} to {ends[2]})"


def seed_notes(contrast: Contrast) -> list[str]:
    """Notes on the number of seeds of one contrast; often none."""
    notes = []
    if contrast.n < FEWEST_SEEDS:
        have = count(contrast.n, "seed")
        notes.append(
            f"With {have} a sign-flip test cannot reject at 0.05: it needs {FEWEST_SEEDS} or more."
        )
    if contrast.interval is None:
        equal = f"The {contrast.n} differences are equal, as a few rounded values often are:"
        why = "With one seed" if contrast.n == 1 else equal
        notes.append(f"{why} there is no interval, so no difference can be shown.")
    elif contrast.seeds_needed is not None:
        notes.append(
            f"About {seeds_needed(contrast.seeds_needed)} seeds would be needed to find a"
            " difference as large as the margin with 80 % power."
        )
    return notes


def seed_lines(comparison: Comparison) -> list[str]:
    """The notes on seeds of all contrasts, each sentence once with its arms."""
    arms_by_note: dict[str, list[str]] = {}
    for contrast in comparison.contrasts:
        for note in seed_notes(contrast):
            arms_by_note.setdefault(note, []).append(contrast.arm)
    total = len(comparison.contrasts)
    lines = []
    for note, arms in arms_by_note.items():
        subject = text.listed(arms) if len(arms) <= FEW else f"{len(arms)} of {total} contrasts"
        lines.append(note if len(arms) == total > 1 else f"{subject}: {note}")
    return lines


def spike_lines(comparison: Comparison) -> list[str]:
    """The share of runs that end far on the bad side of their arm's others; none if there is none.

    One sentence more where an arm and its reference differ by two runs or more, for which intervals
    are not calibrated. One more for each contrast with a difference far from the others, if the
    trimmed mean, which it does not move, leads to another finding.
    """
    counts = [
        f"{len(arm.outlying_seeds)} of {arm.n} of {name}"
        for name, arm in comparison.arms.items()
        if arm.outlying_seeds
    ]
    lines = []
    if counts:
        lines.append(
            f"Runs that end much worse than their arm's others (a spike): {', '.join(counts)}."
        )
    often = {name: len(arm.outlying_seeds) for name, arm in comparison.arms.items()}
    if any(abs(often[each.arm] - often[each.reference]) > 1 for each in comparison.contrasts):
        lines.append(
            "An interval holds with 95 % where an arm and its reference have spikes equally often;"
            " where one has them more often, it misses the true difference more often."
        )
    measure = comparison.measure
    for contrast in comparison.contrasts:
        robust = contrast.robust
        if contrast.robust_disagrees:
            mean = text.signed(robust.mean, measure.decimals)
            bounds = text.interval(robust.interval, measure.decimals, with_signs=True)
            lines.append(
                f"{contrast.arm} against {contrast.reference} is {contrast.verdict} by the mean,"
                f" and {robust.verdict} by the 20 % trimmed mean, {mean} {bounds}, which a few far"
                " runs do not move."
            )
    return lines


def one_pair_lines(comparison: Comparison) -> list[str]:
    """McNemar's test of each contrast that has a single pair of runs."""
    return [
        f"{item.arm} against {item.reference}, seed {test.seed}: images that one alone gets right:"
        f" {item.arm} {test.only_arm_correct:,}, {item.reference} {test.only_reference_correct:,}"
        f"; McNemar's exact p {text.p_value(test.p)}, for these two networks only."
        for item in comparison.contrasts
        if item.n == 1 and (test := item.mcnemar) is not None
    ]
