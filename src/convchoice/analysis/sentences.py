"""A study's result in words: answers, claims, and how the values were made."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from convchoice.analysis import notes, text
from convchoice.analysis import result as models
from convchoice.analysis.result import Comparison
from convchoice.analysis.result_contrast import Contrast
from convchoice.analysis.verdict import ClaimVerdict, Verdict, claim_verdict_of

FEW = 3
"""Contrasts of a study that an answer lists one by one."""
SHORT_DIGEST = 12
"""Characters of a digest or a commit that are shown."""
OPEN_VERDICTS = (Verdict.equivalent, Verdict.inconclusive)
ORDER = (
    Verdict.better, Verdict.slightly_better, Verdict.negligibly_better, Verdict.negligibly_worse,
    Verdict.slightly_worse, Verdict.worse, *OPEN_VERDICTS,
)  # fmt: skip
"""The order of verdicts in a sentence: differences first."""

_CLAIM_OPENINGS = {
    ClaimVerdict.holds: "The claim holds",
    ClaimVerdict.holds_in_part: "The claim holds in part",
    ClaimVerdict.not_shown: "The claim is not shown",
    ClaimVerdict.contradicted: "The claim is contradicted",
}
_PHRASES = {
    Verdict.better: "better than {}",
    Verdict.slightly_better: "slightly better than {}",
    Verdict.negligibly_better: "better than {} by less than the margin",
    Verdict.equivalent: "equivalent to {}",
    Verdict.inconclusive: "not shown to differ from {}",
    Verdict.negligibly_worse: "worse than {} by less than the margin",
    Verdict.slightly_worse: "slightly worse than {}",
    Verdict.worse: "worse than {}",
}


def claim_sentence(verdicts: Mapping[tuple[str, str], Verdict]) -> str:
    """The claim's outcome in one sentence that names every comparison once.

    Args:
        verdicts: by (arm claimed to be better, opponent), from the first one's side.
    """
    clauses = []
    for arm in dict.fromkeys(arm for arm, _ in verdicts):
        opponents: dict[Verdict, list[str]] = {}
        for (claimed, opponent), verdict in verdicts.items():
            if claimed == arm:
                opponents.setdefault(verdict, []).append(opponent)
        parts = [
            phrase.format(text.listed(opponents[verdict]))
            for verdict, phrase in _PHRASES.items()
            if verdict in opponents
        ]
        clauses.append(f"{arm} is {text.listed(parts)}")
    opening = _CLAIM_OPENINGS[claim_verdict_of(list(verdicts.values()))]
    return f"{opening}: {'; '.join(clauses)}."


def data_line(comparison: Comparison) -> str:
    """The data set of a study's values: ``Data: MNIST (70,000 handwritten digits)``."""
    dataset = comparison.provenance.dataset
    return f"Data: {dataset.title or dataset.name or 'not recorded'}"


def answer(comparison: Comparison) -> str:
    """A study's outcome in words."""
    if comparison.claim is not None:
        return comparison.claim.sentence
    if comparison.published is not None:
        return _published_answer(comparison.published)
    contrasts = comparison.contrasts
    if len(contrasts) > FEW:
        return f"{grouped(contrasts)}."
    parts = [f"{item.arm} against {item.reference}: {item.verdict}" for item in contrasts]
    return f"{'; '.join(parts)}."


def _verdict(contrast: Contrast) -> str:
    return contrast.verdict


def grouped(
    contrasts: Sequence[Contrast],
    word: Callable[[Contrast], str] = _verdict,
    order: Sequence[str] = ORDER,
    open_words: Collection[str] = OPEN_VERDICTS,
) -> str:
    """Many contrasts in one sentence without its full stop: the arms of each word together.

    Args:
        contrasts: of one study.
        word: the finding of a contrast.
        order: all findings, in the order of the sentence.
        open_words: findings that show no difference: their arms are counted, not named.
    """
    references = list(dict.fromkeys(item.reference for item in contrasts))
    one = len(references) == 1
    clauses = []
    for found in order:
        same = [item for item in contrasts if word(item) == found]
        if not same:
            continue
        verb = "is" if len(same) == 1 else "are"
        if found in open_words:
            clauses.append(f"{len(same)} {verb} {found}")
            continue
        subjects = []
        for reference in references:
            arms = [item.arm for item in same if item.reference == reference]
            if arms:
                subjects.append(text.listed(arms) + ("" if one else f" (against {reference})"))
        clauses.append(f"{', '.join(subjects)} {verb} {found}")
    total = f"arms against {references[0]}" if one else "contrasts"
    return f"Of {len(contrasts)} {total}, {text.listed(clauses)}"


def _final_rank(row: models.PublishedValue) -> str:
    ours, rank = row.ours.values, row.rank
    runs = f"our {text.count(len(ours), 'run')}"
    subject = f"The published test accuracy of {text.percent(row.published)} %"
    span = f"{text.percent(min(ours))} to {text.percent(max(ours))} %"
    if rank is None or not min(ours) <= row.published <= max(ours):
        return f"{subject} is outside the range of {runs}, {span}."
    verb = "is" if rank.below == 1 else "are"
    return (
        f"{subject} is within the range of {runs}: {rank.below} {verb} below it, {rank.equal} equal"
        f" and {rank.above} above (range {span})."
    )


def _published_answer(published: models.PublishedResults) -> str:
    """Where a published run lies among ours, and what is not comparable."""
    parts = [
        _final_rank(row)
        for row in published.final
        if row.metric == "test/accuracy" and row.comparable
    ]
    rows = [row for row in published.by_epoch if row.metric == "train/accuracy"]
    if not parts and rows:
        row = rows[-1]
        bounds = row.ours.interval_95
        within = "" if bounds is None else f" {text.percent_interval(bounds)}"
        parts.append(
            f"After epoch {row.epoch} the published training accuracy is"
            f" {text.percent(row.published)} % and ours {text.percent(row.ours.mean)} %{within}."
        )
    return " ".join([*parts, published.note]).strip()


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
    if comparison.contrasts:
        methods = (
            "Differences are paired by seed. A verdict follows from the interval beside it."
            f" {notes.intervals_line(comparison)} Margin {text.margin(comparison)}."
        )
        rows.append(("Statistics", methods))
    return rows


def _runs_described(made: models.Provenance) -> list[tuple[str, str]]:
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
    device = (
        f"{several('device_name')} ({several('device')}), {instructions}threads"
        f" {several('threads')}, precision {several('precision')}, {determinism}"
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
        rows.append(("Not recomputed", f"{names}: from an earlier result of the same runs"))
    return rows
