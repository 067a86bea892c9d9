"""What the report says, as text and plain values: the view that both templates lay out.

Every word and number comes from comparisons; the templates only place them. Pure functions: no
files, no HTML, no Markdown.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from convchoice.analysis import old_text as wording
from convchoice.analysis.measure import Measure, measure_of
from convchoice.analysis.old_text import described, measure_in
from convchoice.analysis.verdict import FEWEST_SEEDS
from convchoice.reporting.confusion_figures import class_names
from convchoice.reporting.contrast_view import BAR_WIDTH, contrast_view, reach_of
from convchoice.reporting.rendering import slug
from convchoice.reporting.svg import RenderedFigure

STRONG_CAUTIONS = {"fallback", "failed", "partial"}

CLAIM_TONES = {
    "claim holds": "good",
    "holds in part": "mixed",
    "not shown": "open",
    "contradicted": "bad",
}


def badge(comparison: Mapping[str, Any]) -> dict[str, str] | None:
    """The word that a study's card bears, with its tone; None where nothing was claimed."""
    if comparison["claim"] is not None:
        verdict, dataset = comparison["claim"]["verdict"], comparison["made"]["dataset"]
        where = f" on {dataset['name']}" if dataset["fallback_note"] else ""
        return {"text": f"{verdict}{where}", "tone": CLAIM_TONES[verdict]}
    printed = comparison["printed"]
    if printed is None:
        return None
    for row in printed["final"]:
        if row["metric"] == "test/accuracy" and row["comparable"]:
            ours = row["ours"]["values"]
            if min(ours) <= row["printed"] <= max(ours):
                return {"text": "within our runs", "tone": "good"}
            return {"text": "outside our runs", "tone": "bad"}
    if printed["comparable_epochs"]:
        epochs = f"{printed['comparable_epochs']} of {printed['epochs']['printed']}"
        return {"text": f"{epochs} epochs compared", "tone": "open"}
    return {"text": "not comparable", "tone": "open"}


COSTS = (
    ("parameters", "parameters", wording.whole),
    ("macs", "multiply-accumulates", wording.whole),
    ("pooling_operations", "pooling operations", wording.whole),
    ("activation_bytes", "activations", wording.memory),
    ("peak_memory_bytes_mean", "peak memory", wording.memory),
    ("train_seconds_mean", "training time", wording.duration),
)
"""An arm's costs: key, heading, how it is written."""


def _cost(
    costs: Mapping[str, Any],
    price: Mapping[str, Any] | None,
    key: str,
    write: Callable[[float | None], str],
) -> dict[str, str]:
    """A cost, and how many times the partner's it is, where both are known."""
    ratio = (price or {}).get(f"{key.removesuffix('_mean')}_ratio")
    return {"value": write(costs[key]), "ratio": "" if ratio is None else wording.ratio(ratio)}


def arm_view(
    arm: str, item: Mapping[str, Any], contrast: Mapping[str, Any] | None, measure: Measure
) -> dict[str, Any]:
    """One arm's scores and costs as text; its contrast is for the costs beside its partner's."""
    mean, bounds = wording.score(item, measure)
    nll = measure_of("test/nll")
    known = item[nll.metric] is not None
    nll_mean, nll_bounds = wording.score(item, nll) if known else (wording.NONE, wording.NONE)
    by_class = item["errors_by_digit"] or {"errors_mean": [], "interval_95": []}
    errors = by_class["errors_mean"]
    return {
        "arm": arm,
        "partner": item["partner"],
        "n": item["n"],
        "score": mean,
        "score_interval": bounds,
        "nll": nll_mean,
        "nll_interval": nll_bounds,
        "costs": [
            _cost(item["costs"], contrast and contrast["price"], key, write)
            for key, _, write in COSTS
        ],
        "errors": [
            {"mean": wording.number(value, 1), "interval": wording.interval(bounds, 1)}
            for value, bounds in zip(errors, by_class["interval_95"], strict=True)
        ],
        "errors_total": wording.number(sum(errors), 1),
    }


def moved_view(comparison: Mapping[str, Any]) -> list[dict[str, str]]:
    """What differs between each arm and its partner, a row a configuration key."""
    return [
        {
            "arm": arm,
            "partner": str(item["partner"]),
            "key": key,
            "ours": _plain(values["arm"]),
            "theirs": _plain(values["partner"]),
        }
        for arm, item in comparison["arms"].items()
        for key, values in item["differs_from_partner"].items()
    ]


def _plain(value: Any) -> str:
    """A configuration's value as its YAML has it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(_plain(item) for item in value)}]"
    return str(value)


def printed_view(comparison: Mapping[str, Any]) -> dict[str, Any] | None:
    """The printed table beside ours, a row an epoch of a metric."""
    printed = comparison["printed"]
    if printed is None:
        return None
    rows = []
    for row in [*printed["rows"], *printed["final"]]:
        decimals = 1 if row["metric"] == "seconds" else 4
        place = row["place"]
        rows.append(
            {
                "metric": row["metric"],
                "epoch": "end" if row["epoch"] is None else str(row["epoch"]),
                "printed": wording.number(row["printed"], decimals),
                "ours": wording.number(row["ours"]["mean"], decimals),
                "interval": wording.interval(row["ours"]["interval_95"], decimals),
                "place": (
                    f"{place['below']} / {place['equal']} / {place['above']}"
                    if place
                    else "not comparable"
                ),
                "percentile": wording.number(place["percentile"], 0) if place else wording.NONE,
            }
        )
    wilson = printed["wilson_95"]
    return {
        "rows": rows,
        "note": printed["note"],
        "wilson": (
            f"The printed test accuracy is one run's: {wilson['errors']} errors in"
            f" {wording.whole(wilson['images'])} images, Wilson 95 % interval"
            f" {wording.percent_interval(wilson['interval'])} %."
            if wilson
            else ""
        ),
    }


def omissions(comparison: Mapping[str, Any], pictures: Sequence[RenderedFigure]) -> list[str]:
    """Why a figure that a reader may look for is not there."""
    names = {picture.name.removeprefix(f"{comparison['study']['name']}-") for picture in pictures}
    said: list[str] = []
    if comparison["made"]["table"]:
        return said
    if "learning-curves" not in names:
        said.append("Learning curves need two epochs or more; one was trained.")
    macs = {item["costs"]["macs"] for item in comparison["arms"].values()}
    if "accuracy-against-macs" not in names and len(comparison["arms"]) > 1 and None not in macs:
        said.append(
            f"All arms take the same {wording.whole(macs.pop())} multiply-accumulates, so there is"
            " no figure of score against them."
        )
    without = [
        item["arm"]
        for item in comparison["contrasts"]
        if item["flips"] and item["flips"]["images"] and f"flips-{slug(item['arm'])}" not in names
    ]
    if without:
        said.append(
            f"{wording.listed(without)}: no pictures of the images that flip were kept by these"
            " runs. Evaluate them again to see them."
        )
    if unseen := [arm for arm, item in comparison["arms"].items() if not item.get("inside")]:
        said.append(
            f"{wording.listed(unseen)}: what the networks look like inside was not kept by these"
            " runs. Evaluate them again to see it."
        )
    return said


def _too_few_seeds(comparison: Mapping[str, Any]) -> str:
    """The sentence for a card where some contrast can never reject; else empty."""
    fewest = min((item["n"] for item in comparison["contrasts"]), default=None)
    if fewest is None or fewest >= FEWEST_SEEDS:
        return ""
    return wording.seeds_lines(comparison)[0]


def study_view(comparison: Mapping[str, Any], pictures: Sequence[RenderedFigure]) -> dict[str, Any]:
    """One study's part of the report."""
    study = comparison["study"]
    measure = measure_in(comparison)
    reach = reach_of(comparison)
    contrasts = {item["arm"]: item for item in comparison["contrasts"]}
    shown = {arm: contrast_view(item, comparison, reach) for arm, item in contrasts.items()}
    strong = [item for item in comparison["cautions"] if item["kind"] in STRONG_CAUTIONS]
    mild = [item for item in comparison["cautions"] if item["kind"] not in STRONG_CAUTIONS]
    by_class = next(iter(comparison["arms"].values()))["errors_by_digit"]
    return {
        **{key: study[key] for key in ("name", "question", "claim", "source", "notes")},
        "claimed": comparison["claim"] is not None or comparison["printed"] is not None,
        "badge": badge(comparison),
        "data": wording.data_line(comparison),
        "answer": wording.answer(comparison),
        "margin": wording.margin(comparison),
        "metric_heading": measure.axis_label,
        "unit": measure.short_unit,
        "contrasts": list(shown.values()),
        "from_table": comparison["made"]["table"] is not None,
        "one_pair": any(item["one_pair"] for item in shown.values()),
        "arms": [
            {
                **arm_view(arm, item, contrasts.get(arm), measure),
                "contrast": shown.get(arm),
            }
            for arm, item in comparison["arms"].items()
        ],
        "cost_headings": [heading for _, heading, _ in COSTS],
        "class_names": class_names(comparison) if by_class else [],
        "test_images": [wording.whole(count) for count in (by_class or {"images": []})["images"]],
        "moved": moved_view(comparison),
        "printed": printed_view(comparison),
        "made": described(comparison),
        "strong_cautions": [item["text"] for item in strong],
        "mild_cautions": [item["text"] for item in mild] + wording.seeds_lines(comparison),
        "too_few_seeds": _too_few_seeds(comparison),
        "pictures": pictures,
        "omissions": omissions(comparison, pictures),
    }


VERDICT_MEANINGS = (
    ("better", "the whole 95 % interval lies beyond the margin"),
    ("slightly better", "the 95 % interval lies above 0"),
    ("negligibly better", "above 0, and shown to be smaller than the margin"),
    ("equivalent", "shown to be smaller than the margin: the 90 % interval lies within it"),
    ("inconclusive", "none of these: more seeds are needed"),
    ("worse, slightly, negligibly", "the mirror images"),
)


def page_view(
    comparisons: Sequence[Mapping[str, Any]], pictures: Sequence[Sequence[RenderedFigure]]
) -> dict[str, Any]:
    """The whole report: studies in the order given, and what must be said before all of them."""
    studies = [
        study_view(comparison, drawn)
        for comparison, drawn in zip(comparisons, pictures, strict=True)
    ]
    by_caution: dict[tuple[str, bool], list[str]] = {}
    for comparison in comparisons:
        for caution in comparison["cautions"]:
            key = (caution["text"], caution["kind"] in STRONG_CAUTIONS)
            by_caution.setdefault(key, []).append(comparison["study"]["name"])
    banners = [
        {
            "text": text,
            "strong": strong,
            "studies": "" if len(names) == len(studies) else wording.listed(names),
        }
        for (text, strong), names in by_caution.items()
    ]
    return {
        "studies": studies,
        "banners": sorted(banners, key=lambda banner: not banner["strong"]),
        "verdict_meanings": VERDICT_MEANINGS,
        "margins": sorted(
            {
                wording.margin(comparison, spelled_out=True)
                for comparison in comparisons
                if comparison["contrasts"]
            }
        ),
        "bar_width": BAR_WIDTH,
    }
