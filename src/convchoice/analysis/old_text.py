"""The sentences of `text` for mappings of schema version 2; goes with their last caller.

Pure functions from numbers to short strings. A true minus sign, thousands separated, no digits
that the interval does not support.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from convchoice.analysis.arrays import PackedArray
from convchoice.analysis.measure import Measure


def measure_in(comparison: Mapping[str, Any]) -> Measure:
    """The measure of a mapping of version 2."""
    return Measure.model_validate(comparison["measure"])


SHORT_DIGEST = 12
MINUS = "−"
NONE = "–"
MINUTE_SECONDS = 60
HOUR_SECONDS = 3600
BINARY_STEP = 1024
FEW = 3
"""Contrasts of a study that are still said one by one."""
OPEN_WORDS = ("equivalent", "inconclusive")
VERDICT_WORDS = (
    "better", "slightly better", "negligibly better", "negligibly worse", "slightly worse",
    "worse", *OPEN_WORDS,
)  # fmt: skip
"""The verdicts in the order in which a sentence says them: what was shown comes first."""


def number(value: float, decimals: int) -> str:
    """A number with a true minus; a rounded zero has no sign."""
    text = f"{value:.{decimals}f}"
    if float(text) == 0:
        text = f"{0:.{decimals}f}"
    return text.replace("-", MINUS)


def signed(value: float, decimals: int) -> str:
    """A difference, always with its sign unless it rounds to 0."""
    text = number(value, decimals)
    return text if text.startswith(MINUS) or float(text) == 0 else f"+{text}"


def percent(fraction: float, decimals: int = 2) -> str:
    """A fraction in percent, without the sign."""
    return number(100 * fraction, decimals)


def interval(bounds: Sequence[float] | None, decimals: int, *, with_signs: bool = False) -> str:
    """``[low, high]``, or a dash where there is none."""
    if bounds is None:
        return NONE
    write = signed if with_signs else number
    return f"[{', '.join(write(bound, decimals) for bound in bounds)}]"


def percent_interval(bounds: Sequence[float] | None, decimals: int = 2) -> str:
    """``[low, high]`` of fractions, in percent."""
    return interval(bounds and [100 * bound for bound in bounds], decimals)


def difference(contrast: Mapping[str, Any], measure: Measure) -> str:
    """A contrast's mean difference with its sign, without its unit."""
    return signed(contrast[measure.key("difference")], measure.decimals)


def difference_interval(contrast: Mapping[str, Any], measure: Measure) -> str:
    """A contrast's 95 % interval, without its unit."""
    return interval(contrast[measure.key("interval_95")], measure.decimals, with_signs=True)


def margin(comparison: Mapping[str, Any], *, spelled_out: bool = False) -> str:
    """A study's margin with its unit, such as ``±0.10 pp``."""
    measure = measure_in(comparison)
    unit = measure.unit if spelled_out else measure.short_unit
    return f"±{number(comparison['study']['margin'], measure.decimals)} {unit}".strip()


def score(arm: Mapping[str, Any], measure: Measure) -> tuple[str, str]:
    """An arm's mean of a metric and its interval; accuracies in percent."""
    block = arm[measure.metric]
    [mean] = measure.shown([block["mean"]])
    bounds = block["interval_95"] and measure.shown(block["interval_95"])
    return number(mean, measure.decimals), interval(bounds, measure.decimals)


def whole(value: float | None) -> str:
    """A whole number with thousands separated."""
    return NONE if value is None else f"{value:,.0f}"


def short(value: float | None) -> str:
    """A count in three digits: ``93.3k``, ``2.79M``."""
    if value is None:
        return NONE
    for step, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= step:
            return f"{value / step:.3g}{suffix}"
    return f"{value:.3g}"


def memory(value: float | None) -> str:
    """Bytes in binary units: ``1.5 MiB``."""
    if value is None:
        return NONE
    for suffix in ("B", "KiB", "MiB"):
        if abs(value) < BINARY_STEP:
            return f"{value:.3g} {suffix}"
        value /= BINARY_STEP
    return f"{value:.3g} GiB"


def duration(seconds: float | None) -> str:
    """Seconds as ``8.3 s``, ``4 min 10 s`` or ``2 h 05 min``."""
    if seconds is None:
        return NONE
    if round(seconds, 1) < MINUTE_SECONDS:
        return f"{seconds:.1f} s"
    whole_seconds = round(seconds)
    if whole_seconds < HOUR_SECONDS:
        return f"{whole_seconds // 60} min {whole_seconds % 60:02} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02} min"


def p_value(value: float | None) -> str:
    """A p in three decimals, ``< 0.001`` below that."""
    if value is None:
        return NONE
    return "< 0.001" if value < 0.001 else f"{value:.3f}"  # noqa: PLR2004 - as the text says


def ratio(value: float | None) -> str:
    """How many times the partner's price, ``same`` where it is the same."""
    if value is None:
        return NONE
    if value == 1:
        return "same"
    return f"×{value:.2f}" if 0.1 <= value < 10 else f"×{value:.3g}"  # noqa: PLR2004 - for width


def listed(names: Sequence[str]) -> str:
    """Names as in a sentence: ``a, b and c``."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def seed_counts(counts: Iterable[int]) -> str:
    """``n = 3 seeds``, or the range where arms have different numbers."""
    distinct = sorted(set(counts))
    most = f"{distinct[-1]} seed{'' if distinct[-1] == 1 else 's'}"
    return f"n = {most}" if len(distinct) == 1 else f"n = {distinct[0]} to {most}"


def seeds(numbers: Sequence[int]) -> str:
    """Seeds as ranges: ``0–4, 7``."""
    ranges: list[list[int]] = []
    for seed in sorted(numbers):
        if ranges and seed == ranges[-1][1] + 1:
            ranges[-1][1] = seed
        else:
            ranges.append([seed, seed])
    return ", ".join(str(low) if low == high else f"{low}–{high}" for low, high in ranges)


PRICES = {
    "parameters_ratio": "parameters",
    "macs_ratio": "multiply-accumulates",
    "train_seconds_ratio": "seconds",
    "peak_memory_bytes_ratio": "memory",
}


def price(contrast: Mapping[str, Any]) -> str:
    """What an arm costs beside its partner, as one phrase: what differs, then what is the same."""
    ratios = {name: contrast["price"][key] for key, name in PRICES.items()}
    said = [f"{ratio(value)} {name}" for name, value in ratios.items() if value not in {None, 1}]
    same = [name for name, value in ratios.items() if value == 1]
    if same:
        said.append(f"same {listed(same)}")
    return ", ".join(said) or NONE


def seeds_lines(comparison: Mapping[str, Any]) -> list[str]:
    """What must be said about the number of seeds, each sentence once with its arms."""
    arms_by_sentence: dict[str, list[str]] = {}
    for contrast in comparison["contrasts"]:
        for sentence in contrast["seeds_sentences"]:
            arms_by_sentence.setdefault(sentence, []).append(contrast["arm"])
    everyone = len(comparison["contrasts"])
    lines = []
    for sentence, arms in arms_by_sentence.items():
        whom = listed(arms) if len(arms) <= FEW else f"{len(arms)} of {everyone} contrasts"
        lines.append(sentence if len(arms) == everyone > 1 else f"{whom}: {sentence}")
    return lines


def one_pair_lines(comparison: Mapping[str, Any]) -> list[str]:
    """McNemar's test, said where one pair of runs is all that a contrast has."""
    return [
        f"{item['arm']} against {item['partner']}, seed {item['mcnemar']['seed']}:"
        f" {whole(item['mcnemar']['only_arm_right'])} images are right in {item['arm']} alone,"
        f" {whole(item['mcnemar']['only_partner_right'])} in {item['partner']} alone; McNemar's"
        f" exact p {p_value(item['mcnemar']['p'])}, of these two networks alone."
        for item in comparison["contrasts"]
        if item["n"] == 1 and item["mcnemar"] is not None
    ]


def data_line(comparison: Mapping[str, Any]) -> str:
    """The data set that a study's numbers are of: ``Data: MNIST (70,000 handwritten digits)``."""
    dataset = comparison["made"]["dataset"]
    return f"Data: {dataset['title'] or dataset['name'] or 'not recorded'}"


def answer(comparison: Mapping[str, Any]) -> str:
    """A study's outcome in words."""
    if comparison["claim"] is not None:
        return str(comparison["claim"]["sentence"])
    if comparison["printed"] is not None:
        return _printed_answer(comparison["printed"])
    contrasts = comparison["contrasts"]
    if len(contrasts) > FEW:
        return f"{grouped(contrasts)}."
    said = [f"{item['arm']} against {item['partner']}: {item['verdict']}" for item in contrasts]
    return f"{'; '.join(said)}."


def _verdict(contrast: Mapping[str, Any]) -> str:
    return str(contrast["verdict"])


def grouped(
    contrasts: Sequence[Mapping[str, Any]],
    word: Callable[[Mapping[str, Any]], str] = _verdict,
    order: Sequence[str] = VERDICT_WORDS,
    open_words: Collection[str] = OPEN_WORDS,
) -> str:
    """Many contrasts in one sentence, without its full stop: the arms of each word together.

    Arms of open words are counted.

    Args:
        contrasts: of one study.
        word: what is found of a contrast.
        order: in which the words are said; all that `word` gives.
        open_words: those that show nothing, so that naming their arms would say little.
    """
    partners = list(dict.fromkeys(item["partner"] for item in contrasts))
    one = len(partners) == 1
    clauses = []
    for found in order:
        same = [item for item in contrasts if word(item) == found]
        if not same:
            continue
        is_or_are = "is" if len(same) == 1 else "are"
        if found in open_words:
            clauses.append(f"{len(same)} {is_or_are} {found}")
            continue
        subjects = []
        for partner in partners:
            arms = [item["arm"] for item in same if item["partner"] == partner]
            if arms:
                subjects.append(listed(arms) + ("" if one else f" (against {partner})"))
        clauses.append(f"{', '.join(subjects)} {is_or_are} {found}")
    those = f"arms against {partners[0]}" if one else "contrasts"
    return f"Of {len(contrasts)} {those}, {listed(clauses)}"


def _final_place(row: Mapping[str, Any]) -> str:
    ours, place, printed = row["ours"]["values"], row["place"], row["printed"]
    runs = f"our {len(ours)} run{'' if len(ours) == 1 else 's'}"
    what = f"The printed {percent(printed)} % test accuracy"
    span = f"{percent(min(ours))} to {percent(max(ours))} %"
    if not min(ours) <= printed <= max(ours):
        return f"{what} lies outside {runs}, which span {span}."
    verb = "is" if place["below"] == 1 else "are"
    return (
        f"{what} lies among {runs}: {place['below']} {verb} below it, {place['equal']} equal and"
        f" {place['above']} above (ours span {span})."
    )


def _printed_answer(printed: Mapping[str, Any]) -> str:
    """Where a printed run falls among ours, and what does not compare."""
    said = [
        _final_place(row)
        for row in printed["final"]
        if row["metric"] == "test/accuracy" and row["comparable"]
    ]
    if not said:
        rows = [row for row in printed["rows"] if row["metric"] == "train/accuracy"]
        for row in rows[-1:]:
            bounds = row["ours"]["interval_95"]
            within = "" if bounds is None else f" {percent_interval(bounds)}"
            said.append(
                f"After epoch {row['epoch']} the printed training accuracy is"
                f" {percent(row['printed'])} % and ours {percent(row['ours']['mean'])} %{within}."
            )
    return " ".join([*said, printed["note"]]).strip()


def _several(values: Sequence[Any]) -> str:
    return ", ".join(map(str, values)) or "not recorded"


def _counts(values: Sequence[int]) -> str:
    return " or ".join(f"{value:,}" for value in values) or "an unrecorded number"


def _kernels(deterministic: Sequence[bool]) -> str:
    """Whether the same run again would be the same to the last bit."""
    words = {True: "deterministic", False: "not deterministic"}
    return " or ".join(words[value] for value in deterministic) or "determinism not recorded"


def _seeds_of(comparison: Mapping[str, Any]) -> str:
    by_seeds: dict[str, list[str]] = {}
    for arm, item in comparison["arms"].items():
        by_seeds.setdefault(seeds(item["seeds"]), []).append(arm)
    if len(by_seeds) == 1:
        return f"{next(iter(by_seeds))} in every arm"
    return "; ".join(f"{listed(arms)}: {seeds}" for seeds, arms in by_seeds.items())


def described(comparison: Mapping[str, Any]) -> list[tuple[str, str]]:
    """How a study was made, as terms and descriptions."""
    made = comparison["made"]
    rows = _of_table(comparison) if made["table"] else _of_runs(comparison)
    contrasts = len(comparison["contrasts"])
    if contrasts:
        rows.append(
            (
                "Statistics",
                (
                    "Differences are paired by seed: 95 % t interval, t test and sign-flip"
                    f" permutation; p adjusted by Holm over {contrasts}"
                    f" contrast{'' if contrasts == 1 else 's'}; margin"
                    f" {margin(comparison)}. Seeds needed: for 80 % power to find a"
                    " difference of the margin."
                ),
            )
        )
    return rows


def _of_table(comparison: Mapping[str, Any]) -> list[tuple[str, str]]:
    made = comparison["made"]
    files, digest = _several(made["table"]["files"]), made["table"]["digest"][:SHORT_DIGEST]
    return [
        ("Values", f"{made['runs']}; seeds {_seeds_of(comparison)}"),
        ("Table", f"{files}, digest {digest}; how its values were made is not recorded"),
    ]


def _of_runs(comparison: Mapping[str, Any]) -> list[tuple[str, str]]:
    made = comparison["made"]
    dataset = made["dataset"]
    digest = str(dataset["digest"] or "not recorded")[:SHORT_DIGEST]
    states = {True: "with uncommitted changes", False: "clean"}
    state = " and ".join(states[value] for value in made["dirty"]) or "state unknown"
    versions = [f"{name} {_several(found)}" for name, found in made["versions"].items()]
    return [
        ("Runs", f"{made['runs']}; seeds {_seeds_of(comparison)}"),
        ("Epochs", _counts(made["epochs"])),
        (
            "Images",
            (
                f"{_counts(made['training_images'])} for training,"
                f" {_counts(made['validation_images'])} for validation,"
                f" {whole(dataset['test_images'])} for testing"
            ),
        ),
        ("Data", f"{dataset['title'] or dataset['name']}, digest {digest}"),
        (
            "Device",
            (
                f"{_several(made['device_names'])} ({_several(made['devices'])}),"
                f" threads {_several(made['threads'])}, precision {_several(made['precisions'])},"
                f" {_kernels(made['deterministic'])}"
            ),
        ),
        ("Training time", f"{duration(made['train_seconds_total'])} over all runs"),
        ("Software", ", ".join([*versions, f"Python {_several(made['pythons'])}"])),
        (
            "Code",
            (f"commit {_several([commit[:SHORT_DIGEST] for commit in made['commits']])} ({state})"),
        ),
    ]


def unpacked(block: Mapping[str, Any]) -> Any:
    """The array of a packed block."""
    names = ("shape", "largest", "values_base64")
    return PackedArray(**{name: block[name] for name in names}).unpacked()
