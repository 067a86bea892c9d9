"""A study's result in words: answers, claims, and how the values were made."""

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

from convchoice.analysis import notes, text
from convchoice.analysis.provenance import Provenance
from convchoice.analysis.result import Comparison, DefinitionHistory
from convchoice.analysis.survival import Survival
from convchoice.analysis.training_length import training_length
from convchoice.analysis.variance_sources import Decomposition
from convchoice.analysis.verdict import Verdict
from convchoice.runs.events import count

RANGES = "In brackets: the range of a share in 95 % of designs of this size with these components."
MOST_NAMES = 4
"""Arms of one verdict that an answer names."""
SHORT_DIGEST = 12
"""Characters of a digest or a commit that are shown."""
OPEN_RELATIONS = {"equivalent": "equivalent to", "inconclusive": "not shown to differ from"}
FINDINGS = {
    "better": ("{arm} beats {reference}",) * 2,
    "worse": ("{reference} beats {arm}",) * 2,
    "equivalent": ("{arm} and {reference} are equivalent", "they are equivalent"),
    "inconclusive": (
        "{arm} and {reference} are not shown to differ",
        "they are not shown to differ",
    ),
}
"""A finding as the first clause of a sentence, and as a later one."""


def data_line(comparison: Comparison) -> str:
    """The data set of a study's values: ``Data: MNIST (70,000 handwritten digits)``."""
    dataset = comparison.provenance.dataset
    return f"Data: {dataset.title or dataset.name or 'not recorded'}"


def answer(comparison: Comparison) -> str:
    """A study's outcome in words: each claim's answer, or the verdicts if nothing is claimed."""
    if comparison.claims:
        return " ".join(claim.sentence for claim in comparison.claims)
    arms: dict[tuple[Verdict, str], list[str]] = {}
    for item in comparison.labelled().contrasts:
        arms.setdefault((item.verdict, item.reference), []).append(item.arm)
    differences_first = sorted(Verdict, key=lambda verdict: verdict.finding in OPEN_RELATIONS)
    clauses = []
    for verdict, (found, reference) in product(differences_first, arms):
        if found is verdict:
            names, relation = arms[found, reference], OPEN_RELATIONS.get(found, f"{found} than")
            subject = text.listed(names) if len(names) <= MOST_NAMES else f"{len(names)} arms"
            clauses.append(f"{subject} {'is' if len(names) == 1 else 'are'} {relation} {reference}")
    return f"{'; '.join(clauses)}."


def alike_lines(comparison: Comparison) -> list[str]:
    """The study's own check for false alarms: arms that equal their reference in distribution."""
    return [
        f"Check for false alarms: {each.arm} and {each.reference} are the same in distribution, and"
        f" their difference is {each.verdict},"
        f" {text.difference(each, comparison.measure)} {comparison.measure.short_unit}"
        f" {text.difference_interval(each, comparison.measure)}."
        for each in comparison.contrasts
        if each.arm in comparison.study.alike
    ]


def see_lines(comparison: Comparison, others: Mapping[str, Comparison]) -> list[str]:
    """What other studies say that belongs to this one's answers.

    Args:
        comparison: of the study that names them.
        others: results by study.
    """
    lines = []
    for name, why in comparison.study.see.items():
        other = others.get(name)
        found = f": {answer(other)}" if other else "."
        lines.append(f"See also the study {name}, {why}{found}")
    return lines


def _seeds(comparison: Comparison) -> str:
    by_seeds: dict[str, list[str]] = {}
    for name, arm in comparison.arms.items():
        by_seeds.setdefault(text.seeds(arm.seeds), []).append(name)
    if len(by_seeds) == 1:
        return f"{next(iter(by_seeds))} in every arm"
    return "; ".join(f"{text.listed(names)}: {seeds}" for seeds, names in by_seeds.items())


def described(comparison: Comparison) -> list[tuple[str, str]]:
    """How a study's values were made, as terms and descriptions."""
    made = comparison.provenance
    rows = [("Values" if made.table else "Runs", f"{made.runs}; seeds {_seeds(comparison)}")]
    if made.table:
        files, digest = ", ".join(made.table.files), made.table.digest[:SHORT_DIGEST]
        rows.append(("Table", f"{files}, digest {digest}; how its values were made is unknown"))
    else:
        rows += _runs_described(comparison.provenance)
    if comparison.definition:
        rows.append(("Definition", _defined(comparison.definition)))
    if comparison.contrasts:
        methods = (
            "Differences are paired by seed. A verdict follows from the interval beside it."
            f" {notes.methods_line(comparison)}"
        )
        rows.append(("Statistics", methods))
    return rows


def _defined(history: DefinitionHistory) -> str:
    """When a study was defined, and what was amended after results."""
    commit = (history.commit or "")[:SHORT_DIGEST]
    when = "before the first run" if history.before_results else "after the first run"
    first = f"defined at {commit}, {when}" if commit else f"defined {when}, in no commit"
    return f"{first}; amended after results, see above" if history.amendments else first


def _runs_described(made: Provenance) -> list[tuple[str, str]]:
    def several(key: str, joint: str = ", ", write: Callable[[Any], str] = str) -> str:
        return joint.join(map(write, made.recorded.get(key, []))) or "not recorded"

    def counts(key: str) -> str:
        return several(key, " or ", "{:,}".format)

    dataset = made.dataset
    state = several(
        "dirty", " and ", lambda dirty: "with uncommitted changes" if dirty else "clean"
    )
    determinism = several(
        "deterministic", " or ", lambda value: "deterministic" if value else "not deterministic"
    )
    packages = [key for key in made.recorded if key.startswith("versions.")]
    versions = [f"{key.removeprefix('versions.')} {several(key)}" for key in packages]
    commits = several("commit", write=lambda commit: str(commit)[:SHORT_DIGEST])
    digest = (dataset.digest or "not recorded")[:SHORT_DIGEST]
    images = (
        f"{counts('dataset.train_images')} for training, {counts('dataset.validation_images')} for"
        f" validation, {text.whole(dataset.test_images)} for testing"
    )
    on_cpu = "instructions" in made.recorded
    instructions = f"instructions {several('instructions')}, " if on_cpu else ""
    on_gpu = made.recorded.get("tf32")
    tf32 = several("tf32", " or ", lambda used: "with TF32" if used else "without TF32")
    device = (
        f"{several('device_name')} ({several('device')}), {instructions}threads"
        f" {several('threads')}, precision {several('precision')},"
        f"{f' {tf32},' if on_gpu else ''} {determinism}"
    )
    rows = [
        ("Epochs", counts("epochs")),
        ("Images", images),
        ("Data", f"{dataset.title or dataset.name}, digest {digest}"),
        ("Device", device),
        ("Training time", f"{text.duration(made.train_seconds_total)} over all runs"),
        ("Software", ", ".join([*versions, f"Python {several('python')}"])),
        ("Code", f"commit {commits} ({state})"),
    ]
    if made.taken_over:
        names = text.listed([name.replace("_", " ") for name in made.taken_over])
        rows.append(("Not recomputed", f"{names}: taken from an earlier result of the same runs"))
    return rows


# Contrasts over other settings


def survival_lines(found: Survival, label: Callable[[str], str] = str) -> list[str]:
    """For each contrast, in how many settings which finding holds, and for how long they train.

    Args:
        found: the contrasts over a grid of settings.
        label: an arm's name for people.
    """
    length = training_length(found.provenance.recorded)
    return [
        (f"After {length}: " if length else "")
        + sentence_of(
            label(each.arm),
            label(each.reference),
            [cell.verdict.finding for cell in each.cells],
            found.grid,
            found.settings,
        )
        for each in found.contrasts
    ]


def spoken(key: str) -> str:
    """A key for people: ``optimizer.learning_rate`` as ``learning rate``."""
    return {"trainer.max_epochs": "epochs"}.get(key, key.rpartition(".")[2].replace("_", " "))


def where(grid: Mapping[str, Sequence[Any]], inside: Sequence[Mapping[str, Any]]) -> str:
    """What settings have in common that not all of the grid have: ``, all with epochs ≤ 4``.

    Empty if there is nothing, or only one setting and so nothing to generalise.
    """
    shared = [
        f"{spoken(key)} {common}"
        for key, values in grid.items()
        if (common := _common(values, [each[key] for each in inside]))
    ]
    return f", all with {text.listed(shared)}" if shared and len(inside) > 1 else ""


def _common(values: Sequence[Any], inside: Sequence[Any]) -> str:
    """One value, or a bound that not all values keep; empty if there is neither."""
    if all(value in inside for value in values):
        return ""
    if all(value == inside[0] for value in inside):
        return str(inside[0])
    if all(isinstance(value, int | float) for value in values):
        if max(inside) < max(values) and min(inside) == min(values):
            return f"≤ {max(inside)}"
        if min(inside) > min(values) and max(inside) == max(values):
            return f"≥ {min(inside)}"
    return ""


def sentence_of(
    arm: str,
    reference: str,
    findings: Sequence[str],
    grid: Mapping[str, Sequence[Any]],
    settings: Sequence[Mapping[str, Any]],
) -> str:
    """In how many settings which finding holds, and what those settings have in common."""
    clauses: list[str] = []
    for finding, (first, later) in FINDINGS.items():
        inside = [s for s, each in zip(settings, findings, strict=True) if each == finding]
        if inside:
            clause = (later if clauses else first).format(arm=arm, reference=reference)
            total = "" if clauses else f" of {count(len(settings), 'setting')}"
            clauses.append(f"{clause} in {len(inside)}{total}{where(grid, inside)}")
    return f"{'; '.join(clauses)}."


def shares_text(found: Decomposition) -> str:
    """Each source's share of the variance and its range: ``initial weights 5% [0, 22]``."""
    return ", ".join(
        f"{source} {share:.0%} [{100 * low:.0f}, {100 * high:.0f}]"
        for (source, share), (low, high) in zip(
            found.shares.items(), found.ranges.values(), strict=True
        )
    )
