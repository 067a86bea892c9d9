"""What the report says, as text and plain values: the view that both templates lay out.

Every word and number comes from comparisons; the templates only place them. Pure functions: no
files, no HTML, no Markdown.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from convchoice import wording
from convchoice.confusion_figures import class_names
from convchoice.drawing import Picture
from convchoice.measure import Measure, measure_in, measure_of
from convchoice.provenance import described
from convchoice.statistics import smallest_rejecting_n

BAR_WIDTH = 132
"""Width of a card's small interval drawing, in its own units."""
STRONG_CAUTIONS = {"fallback", "partial"}

CLAIM_TONES = {
    "claim holds": "good",
    "holds in part": "mixed",
    "not shown": "open",
    "contradicted": "bad",
}


def tone(verdict: str) -> str:
    """A verdict's tone: good, bad, even or open."""
    last = verdict.rsplit(maxsplit=1)[-1]
    return {"better": "good", "worse": "bad", "equivalent": "even"}.get(last, "open")


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


def _bar(
    contrast: Mapping[str, Any], measure: Measure, margin: float, reach: float
) -> dict[str, float]:
    """Horizontal places of a contrast's marks in its card's drawing."""

    def place(value: float) -> float:
        return round(BAR_WIDTH * (0.5 + 0.46 * value / reach), 2)

    middle = contrast[measure.key("difference")]
    low, high = contrast[measure.key("interval_95")] or (middle, middle)
    return {
        "band": place(-margin),
        "band_width": round(place(margin) - place(-margin), 2),
        "zero": place(0),
        "low": place(low),
        "high": place(high),
        "middle": place(middle),
    }


def _reach(comparison: Mapping[str, Any]) -> float:
    """The largest distance from 0 that a study's drawings must hold."""
    measure = measure_in(comparison)
    values: list[float] = [comparison["study"]["margin"]]
    for contrast in comparison["contrasts"]:
        values += contrast[measure.key("interval_95")] or [contrast[measure.key("difference")]]
    return max(abs(value) for value in values)


def contrast_view(
    contrast: Mapping[str, Any], comparison: Mapping[str, Any], reach: float
) -> dict[str, Any]:
    """One contrast as text."""
    measure, nll = measure_in(comparison), measure_of("test/nll")
    left_out = sum(len(seeds) for seeds in contrast["left_out_seeds"].values())
    return {
        "arm": contrast["arm"],
        "partner": contrast["partner"],
        "n": contrast["n"],
        "left_out": f"{left_out} left out" if left_out else "",
        "difference": wording.difference(contrast, measure),
        "interval": wording.difference_interval(contrast, measure),
        "unit": measure.short_unit,
        "verdict": contrast["verdict"],
        "tone": tone(contrast["verdict"]),
        "p_t": wording.p_value(contrast["p_t"]),
        "p_holm": wording.p_value(contrast["p_holm"]),
        "p_sign_flip": wording.p_value(contrast["p_sign_flip"]),
        "new_digits": wording.interval(
            contrast["new_digits"]["interval_95_percentage_points"], 2, with_signs=True
        ),
        "nll_difference": wording.signed(contrast["nll"]["difference_nats"], nll.decimals),
        "nll_interval": wording.interval(
            contrast["nll"]["interval_95_nats"], nll.decimals, with_signs=True
        ),
        "seeds_needed": wording.whole(contrast["seeds_needed"]),
        "price": wording.price(contrast),
        "bar": _bar(contrast, measure, comparison["study"]["margin"], reach),
    }


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
    arm: str, item: Mapping[str, Any], contrast: Mapping[str, Any] | None, metric: str
) -> dict[str, Any]:
    """One arm's scores and costs as text; its contrast is for the costs beside its partner's."""
    measure, nll = measure_of(metric), measure_of("test/nll")
    mean, bounds = wording.score(item, measure)
    nll_mean, nll_bounds = wording.score(item, nll)
    errors = item["errors_by_digit"]["errors_mean"]
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
        "errors": [wording.number(value, 1) for value in errors],
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


def omissions(comparison: Mapping[str, Any], pictures: Sequence[Picture]) -> list[str]:
    """Why a figure that a reader may look for is not there."""
    names = {picture.name.removeprefix(f"{comparison['study']['name']}-") for picture in pictures}
    said = []
    if "learning-curves" not in names:
        said.append("Learning curves need two epochs or more; one was trained.")
    macs = {item["costs"]["macs"] for item in comparison["arms"].values()}
    if "accuracy-against-macs" not in names and len(comparison["arms"]) > 1 and None not in macs:
        said.append(
            f"All arms take the same {wording.whole(macs.pop())} multiply-accumulates, so there is"
            " no figure of score against cost."
        )
    return said


def _too_few_seeds(comparison: Mapping[str, Any]) -> str:
    """The sentence for a card where some contrast can never reject; else empty."""
    fewest = min((item["n"] for item in comparison["contrasts"]), default=None)
    if fewest is None or fewest >= smallest_rejecting_n():
        return ""
    return wording.seeds_lines(comparison)[0]


def study_view(comparison: Mapping[str, Any], pictures: Sequence[Picture]) -> dict[str, Any]:
    """One study's part of the report."""
    study = comparison["study"]
    measure = measure_in(comparison)
    reach = _reach(comparison)
    contrasts = {item["arm"]: item for item in comparison["contrasts"]}
    shown = {arm: contrast_view(item, comparison, reach) for arm, item in contrasts.items()}
    strong = [item for item in comparison["cautions"] if item["kind"] in STRONG_CAUTIONS]
    mild = [item for item in comparison["cautions"] if item["kind"] not in STRONG_CAUTIONS]
    first = next(iter(comparison["arms"].values()))
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
        "arms": [
            {
                **arm_view(arm, item, contrasts.get(arm), study["metric"]),
                "contrast": shown.get(arm),
            }
            for arm, item in comparison["arms"].items()
        ],
        "cost_headings": [heading for _, heading, _ in COSTS],
        "class_names": class_names(comparison),
        "test_images": [wording.whole(count) for count in first["errors_by_digit"]["images"]],
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
    comparisons: Sequence[Mapping[str, Any]], pictures: Sequence[Sequence[Picture]]
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
