"""What the report shows of each study beside its numbers: the view that the templates lay out.

The templates write numbers with `analysis.text`; this module decides what is shown where. Pure
functions: no files, no HTML, no Markdown.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from convchoice.analysis import sentences, text
from convchoice.analysis.measure import measure_of
from convchoice.analysis.result import Caution, Comparison, PublishedValue
from convchoice.analysis.result_arm import ArmResult
from convchoice.analysis.result_contrast import Contrast
from convchoice.analysis.verdict import FEWEST_SEEDS, ClaimVerdict
from convchoice.reporting.prediction_figures import class_names
from convchoice.reporting.rendering import slug
from convchoice.reporting.svg import RenderedFigure

STRONG_CAUTIONS = {"fallback", "failed", "partial"}
CLAIM_TONES = {
    ClaimVerdict.holds: "good",
    ClaimVerdict.holds_in_part: "mixed",
    ClaimVerdict.not_shown: "open",
    ClaimVerdict.contradicted: "bad",
}
VERDICT_TONES = {"better": "good", "worse": "bad", "equivalent": "even"}
BAR_WIDTH = 132
"""Width of a card's interval drawing, in its own units."""

COSTS: tuple[tuple[str, str, str | None, Callable[[float | None], str]], ...] = (
    ("parameters", "parameters", "parameters", text.whole),
    ("multiply-accumulates", "macs", "macs", text.whole),
    ("pooling operations", "pooling_operations", None, text.whole),
    ("activations", "activation_bytes", "activation_bytes", text.memory),
    ("peak memory", "peak_memory_bytes_mean", "peak_memory_bytes", text.memory),
    ("training time", "train_seconds_mean", "train_seconds", text.duration),
)
"""Heading, field of `Costs`, field of `CostRatio`, how the cost is written."""

VERDICT_MEANINGS = (
    ("better", "the whole 95 % interval is beyond the margin"),
    ("slightly better", "the 95 % interval is above 0"),
    ("negligibly better", "above 0, and shown to be smaller than the margin"),
    ("equivalent", "shown to be smaller than the margin: the 90 % interval is within it"),
    ("inconclusive", "none of these: more seeds are needed"),
    ("worse, slightly, negligibly", "the same below 0"),
)


@dataclass(frozen=True)
class Badge:
    """The outcome of a study in a few words, with its tone."""

    text: str
    tone: str


def badge(comparison: Comparison) -> Badge | None:
    """A study's badge; None if nothing is claimed."""
    if comparison.claim is not None:
        verdict, dataset = comparison.claim.verdict, comparison.provenance.dataset
        where = f" on {dataset.name}" if dataset.fallback_note else ""
        return Badge(f"{verdict}{where}", CLAIM_TONES[verdict])
    published = comparison.published
    if published is None:
        return None
    for row in published.final:
        if row.metric == "test/accuracy" and row.comparable:
            within = min(row.ours.values) <= row.published <= max(row.ours.values)
            return Badge("within our runs", "good") if within else Badge("outside our runs", "bad")
    if published.comparable_epochs:
        epochs = f"{published.comparable_epochs} of {published.published_epochs}"
        return Badge(f"{epochs} epochs compared", "open")
    return Badge("not comparable", "open")


def tone(verdict: str) -> str:
    """A verdict's tone: good, bad, even or open."""
    return VERDICT_TONES.get(verdict.rsplit(maxsplit=1)[-1], "open")


@dataclass(frozen=True)
class Bar:
    """Horizontal places of a contrast's marks in its card's drawing."""

    margin_low: float
    margin_high: float
    zero: float
    low: float
    high: float
    mean: float


def bars(comparison: Comparison) -> dict[str, Bar]:
    """The drawing of each contrast, all of a study on one scale."""
    margin = comparison.study.margin
    ends = {
        item.arm: item.difference.interval_95 or (item.difference.mean, item.difference.mean)
        for item in comparison.contrasts
    }
    reach = max([margin, *(abs(end) for both in ends.values() for end in both)])

    def place(value: float) -> float:
        return round(BAR_WIDTH * (0.5 + 0.46 * value / reach), 2)

    return {
        item.arm: Bar(*map(place, (-margin, margin, 0, *ends[item.arm], item.difference.mean)))
        for item in comparison.contrasts
    }


def cost_cells(arm: ArmResult, contrast: Contrast | None) -> list[tuple[str, str]]:
    """An arm's costs, each with its ratio to the reference's where both are known."""
    ratios = contrast.cost_ratio.model_dump() if contrast else {}
    cells = []
    for _, field, ratio_field, write in COSTS:
        ratio = ratios.get(ratio_field or "")
        cells.append((write(getattr(arm.costs, field)), "" if ratio is None else text.ratio(ratio)))
    return cells


def yaml_value(value: JsonValue) -> str:
    """A configuration value as its YAML file has it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(yaml_value, value))}]"
    return str(value)


def published_cells(row: PublishedValue) -> dict[str, str]:
    """A published value beside our runs, as text."""
    decimals = 1 if row.metric == "seconds" else 4
    rank = row.rank
    return {
        "metric": row.metric,
        "epoch": "end" if row.epoch is None else str(row.epoch),
        "published": text.number(row.published, decimals),
        "ours": text.number(row.ours.mean, decimals),
        "interval": text.interval(row.ours.interval_95, decimals),
        "rank": f"{rank.below} / {rank.equal} / {rank.above}" if rank else "not comparable",
        "percentile": text.number(rank.percentile, 0) if rank else text.NONE,
    }


def wilson_sentence(comparison: Comparison) -> str:
    """The interval of a published test accuracy; empty if there is none."""
    wilson = comparison.published and comparison.published.wilson_95
    if not wilson:
        return ""
    return (
        f"The published test accuracy is that of one run: {wilson.errors} errors in"
        f" {text.whole(wilson.images)} images, Wilson 95 % interval"
        f" {text.percent_interval(wilson.interval)} %."
    )


def omissions(comparison: Comparison, figures: Sequence[RenderedFigure]) -> list[str]:
    """Why figures that a reader may look for are missing."""
    if comparison.provenance.table is not None:
        return []
    names = {figure.name.removeprefix(f"{comparison.study.name}-") for figure in figures}
    reasons = []
    if "learning-curves" not in names:
        reasons.append("Learning curves need at least two epochs; one was trained.")
    macs = {arm.costs.macs for arm in comparison.arms.values()}
    if len(macs) == 1 and len(comparison.arms) > 1 and None not in macs:
        reasons.append(
            f"All arms take the same {text.whole(macs.pop())} multiply-accumulates, so there is no"
            " figure of score against them."
        )
    without_pictures = [
        item.arm
        for item in comparison.contrasts
        if item.flips and item.flips.images and f"flips-{slug(item.arm)}" not in names
    ]
    if without_pictures:
        reasons.append(
            f"{text.listed(without_pictures)}: these runs kept no pictures of the images that flip."
            " Evaluate them again to see them."
        )
    if unseen := [arm for arm, item in comparison.arms.items() if item.introspection is None]:
        reasons.append(
            f"{text.listed(unseen)}: these runs recorded no filters, responses or receptive fields."
            " Evaluate them again to see them."
        )
    return reasons


def _is_strong(caution: Caution) -> bool:
    return caution.kind in STRONG_CAUTIONS


@dataclass(frozen=True)
class StudyView:
    """One study's part of the report."""

    comparison: Comparison
    figures: Sequence[RenderedFigure]
    badge: Badge | None
    bars: dict[str, Bar]
    cautions: list[str]
    """Strong ones first, then those about seeds."""
    mild_cautions: list[str]
    too_few_seeds: str
    """Shown with the answer if some contrast has too few seeds to ever reject; else empty."""
    class_names: list[str]
    published: list[dict[str, str]]
    wilson: str
    omissions: list[str]


def study_view(comparison: Comparison, figures: Sequence[RenderedFigure]) -> StudyView:
    """What the report shows of a study."""
    seeds = sentences.seed_lines(comparison)
    fewest = min((item.n for item in comparison.contrasts), default=None)
    too_few = fewest is not None and fewest < FEWEST_SEEDS
    mild = [each.text for each in comparison.cautions if not _is_strong(each)] + seeds
    first = next(iter(comparison.arms.values()))
    published = comparison.published
    return StudyView(
        comparison=comparison,
        figures=figures,
        badge=badge(comparison),
        bars=bars(comparison),
        cautions=[each.text for each in comparison.cautions if _is_strong(each)] + mild,
        mild_cautions=mild,
        too_few_seeds=next(iter(seeds), "") if too_few else "",
        class_names=class_names(comparison) if first.class_errors else [],
        published=[
            published_cells(row) for row in [*published.by_epoch, *published.final]
        ] if published else [],
        wilson=wilson_sentence(comparison),
        omissions=omissions(comparison, figures),
    )  # fmt: skip


@dataclass(frozen=True)
class Banner:
    """A caution at the top of the report."""

    text: str
    strong: bool
    studies: str
    """The studies that it is about; empty if it is about all."""


def banners(comparisons: Sequence[Comparison]) -> list[Banner]:
    """All studies' cautions, each once, strong ones first."""
    studies: dict[tuple[bool, str], list[str]] = {}
    for comparison in comparisons:
        for caution in comparison.cautions:
            key = (not _is_strong(caution), caution.text)
            studies.setdefault(key, []).append(comparison.study.name)
    every = len(comparisons)
    return [
        Banner(words, not mild, "" if len(names) == every else text.listed(names))
        for (mild, words), names in sorted(studies.items(), key=lambda item: item[0][0])
    ]


def page_view(
    comparisons: Sequence[Comparison], figures: Sequence[Sequence[RenderedFigure]]
) -> dict[str, Any]:
    """The values of the report's templates: studies in the order given."""
    return {
        "studies": [study_view(*both) for both in zip(comparisons, figures, strict=True)],
        "banners": banners(comparisons),
        "margins": sorted(
            {text.margin(each, spelled_out=True) for each in comparisons if each.contrasts}
        ),
        "verdict_meanings": VERDICT_MEANINGS,
        "cost_headings": [heading for heading, *_ in COSTS],
        "bar_width": BAR_WIDTH,
        "nll": measure_of("test/nll"),
        "text": text,
        "sentences": sentences,
        "cost_cells": cost_cells,
        "yaml_value": yaml_value,
        "tone": tone,
    }
