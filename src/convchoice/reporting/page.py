"""What the report shows of each study beside its numbers: the view that the templates lay out.

The templates write numbers with `analysis.text`; this module decides what is shown where. Pure
functions: no files, no HTML, no Markdown.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import JsonValue

from convchoice.analysis import notes, sentences, text
from convchoice.analysis.arm import ArmResult
from convchoice.analysis.contrast import Contrast
from convchoice.analysis.literature_values import PublishedValue
from convchoice.analysis.measure import measure_of
from convchoice.analysis.result import Claim, Comparison
from convchoice.analysis.statistics import FEWEST_SEEDS
from convchoice.analysis.verdict import Answer
from convchoice.reporting import curve_figures as curves
from convchoice.reporting import introspection_figures as networks
from convchoice.reporting import prediction_figures as predictions
from convchoice.reporting import score_figures as scores
from convchoice.reporting.plots import INKS, looks, style
from convchoice.reporting.rendering import RenderedFigure
from convchoice.reporting.score_figures import SIGNS

STRONG_CAUTIONS = {"fallback", "overlap", "failed", "partial", "confounded", "demonstration"}
ANSWER_TONES = {
    Answer.yes: "yes",
    Answer.no: "no",
    Answer.partly: "partly",
    Answer.undecided: "open",
}
"""Answers are no verdicts, so none is green or red."""
VERDICT_TONES = {"better": "good", "worse": "bad", "equivalent": "even"}
BAR_WIDTH = 132
"""Width of a card's interval drawing, in its own units."""

COSTS: tuple[tuple[str, str, str | None, Callable[[float | None], str]], ...] = (
    ("parameters", "parameters", "parameters", text.whole),
    ("multiply-accumulates", "macs", "macs", text.whole),
    ("pooling operations", "pooling_operations", None, text.whole),
    ("activations", "activation_bytes", None, text.memory),
    ("memory of training", "memory_bytes", "memory_bytes", text.memory),
)
"""Heading, field of `Costs`, key of `cost_ratio`, how the cost is written."""


class Badge(NamedTuple):
    """The answer to a claim in a word, with its sign and its tone."""

    text: str
    sign: str
    tone: str


def badges(comparison: Comparison) -> list[Badge]:
    """A badge for each claim; on other data than were asked for they say so."""
    dataset = comparison.provenance.dataset
    where = f" on {dataset.name}" if dataset.fallback_note else ""
    return [
        Badge(f"{each.answer}{where}", SIGNS[each.answer], ANSWER_TONES[each.answer])
        for each in comparison.claims
    ]


def plain_answer(claim: Claim) -> str:
    """A claim's sentence behind its badge: without the answer's word."""
    rest = claim.sentence.removeprefix(claim.answer).lstrip(" ,:")
    first, _, _ = rest.partition(" ")
    return rest[:1].upper() + rest[1:] if first.isalpha() else rest


def in_page(stand_in: str) -> str:
    """The page's colour in the place of a figure's."""
    return next(ink.in_page for ink in INKS if ink.stand_in == stand_in)


def tone(verdict: str) -> str:
    """A verdict's tone: good, bad, even or open."""
    return VERDICT_TONES.get(verdict.rsplit(maxsplit=1)[-1], "open")


def bar_scale(comparison: Comparison) -> float:
    """Units of a card's drawing per unit of a difference, one for all contrasts of a study."""
    ends = [
        abs(end)
        for item in comparison.contrasts
        for end in (item.margin, item.difference.mean, *(item.interval or ()))
    ]
    return 0.46 * BAR_WIDTH / max(ends, default=1.0)


def cost_cells(arm: ArmResult, contrast: Contrast | None) -> list[tuple[str, str]]:
    """An arm's costs, each with its ratio to the reference's where both are known."""
    ratios = contrast.cost_ratio if contrast else {}
    cells = []
    for _, field, ratio_field, write in COSTS:
        ratio = ratios.get(ratio_field or "")
        cells.append((write(getattr(arm.costs, field)), "" if ratio is None else text.ratio(ratio)))
    return cells


def yaml_value(value: JsonValue) -> str:
    """A configuration value as a YAML file may have it."""
    return value if isinstance(value, str) else json.dumps(value)


def published_cells(row: PublishedValue) -> dict[str, str]:
    """A published value beside our runs, as text."""
    seconds = row.metric == "seconds"  # of another machine
    decimals, rank = (1, None) if seconds else (4, row.rank)
    return {
        "metric": row.metric,
        "epoch": "end" if row.epoch is None else str(row.epoch),
        "published": text.number(row.published, decimals),
        "ours": text.number(row.ours.mean, decimals),
        "interval": text.interval(row.ours.interval_95, decimals),
        "rank": f"{rank.below} / {rank.equal} / {rank.above}" if rank else "not comparable",
        "percentile": text.number(rank.percentile, 0) if rank else text.NONE,
    }


def study_view(
    comparison: Comparison,
    figures: Sequence[RenderedFigure] = (),
    others: Mapping[str, Comparison] | None = None,
    survival: Sequence[str] = (),
) -> dict[str, Any]:
    """What the report shows of a study beside its numbers, with labels in the place of names."""
    study = comparison.study
    described = [
        (study.label(arm), arm, study.descriptions[arm])
        for arm in comparison.arms
        if arm in study.descriptions
    ]
    comparison = comparison.labelled()
    seeds = [*notes.spike_lines(comparison), *notes.seed_lines(comparison)]
    too_few = any(item.n < FEWEST_SEEDS for item in comparison.contrasts)
    strong = [each.text for each in comparison.cautions if each.kind in STRONG_CAUTIONS]
    mild = [each.text for each in comparison.cautions if each.kind not in STRONG_CAUTIONS] + seeds
    published = comparison.published
    return {
        "comparison": comparison,
        "figures": figures,
        "claims": list(zip(comparison.claims, badges(comparison), strict=True)),
        "described": described,
        "switches": list(looks(comparison.arms).items()),
        "lines": sentences.alike_lines(comparison) + sentences.see_lines(comparison, others or {}),
        "survival": survival,
        "bar_scale": bar_scale(comparison),
        "cautions": strong + mild,
        "mild_cautions": mild,
        "too_few_seeds": next(iter(seeds), "") if too_few else "",
        "classes": predictions.shown_classes(comparison),
        "class_count": len(predictions.class_names(comparison)),
        "published": [*published.by_epoch, *published.final] if published else [],
    }


class Banner(NamedTuple):
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
            key = (caution.kind not in STRONG_CAUTIONS, caution.text)
            studies.setdefault(key, []).append(comparison.study.name)
    every = len(comparisons)
    return [
        Banner(words, not mild, "" if len(names) == every else text.listed(names))
        for (mild, words), names in sorted(studies.items(), key=lambda item: item[0][0])
    ]


def figures_of(comparison: Comparison) -> list[RenderedFigure]:
    """Every figure for which a result has the numbers, in the order of the report."""
    named, comparison = comparison, comparison.labelled()
    with style():
        made = [
            scores.differences_figure(comparison),
            scores.seeds_figure(comparison),
            scores.macs_figure(comparison),
            curves.learning_curves_figure(comparison),
            *curves.accuracy_figures(comparison),
            curves.equivariance_figure(comparison),
            networks.edge_figure(comparison),
            networks.field_figure(comparison),
            networks.filter_figure(comparison),
            networks.response_figure(comparison),
            predictions.confusion_figure(comparison),
            *predictions.flip_figures(named),
        ]
    return [figure for figure in made if figure is not None]


def page_view(
    comparisons: Sequence[Comparison],
    figures: Sequence[Sequence[RenderedFigure]],
    survival: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, Any]:
    """The values of the report's templates: studies in the order given."""
    surviving, tables = survival or {}, all(each.provenance.table for each in comparisons)
    questions = [each.study.question for each in comparisons]
    title = " · ".join(questions) if tables else "Which choices in a convolutional network matter?"
    others = {each.study.name: each for each in comparisons}
    return {
        "studies": [
            study_view(*both, others, surviving.get(both[0].study.name, ()))
            for both in zip(comparisons, figures, strict=True)
        ],
        "title": title,
        "tables": tables,
        "headline": None,
        "explorer": any(each.provenance.dataset.shows_digits for each in comparisons),
        "laboratory": None,
        "banners": banners(comparisons),
        "margins": sorted(
            {
                text.margin(each.study.margin, each.measure, spelled_out=True)
                for each in comparisons
                if each.contrasts
            }
        ),
        "cost_headings": [heading for heading, *_ in COSTS],
        "bar_width": BAR_WIDTH,
        "nll": measure_of("test/nll"),
        "text": text,
        "notes": notes,
        "sentences": sentences,
        "cost_cells": cost_cells,
        "published_cells": published_cells,
        "yaml_value": yaml_value,
        "tone": tone,
        "plain": plain_answer,
        "in_page": in_page,
    }
