"""Numbers as text, the same in the terminal, the page and the figures."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from convchoice.analysis.contrast import Contrast
from convchoice.analysis.measure import Measure, Sample
from convchoice.runs.events import count
from convchoice.runs.events import duration as duration_text

MINUS = "−"
NONE = "–"
BINARY_STEP = 1024
VISIBLE_P = 0.001
"""A p below this is not written out."""


def number(value: float, decimals: int) -> str:
    """A number with a true minus; a rounded zero has no sign."""
    return f"{value:z.{decimals}f}".replace("-", MINUS)


def signed(value: float, decimals: int) -> str:
    """A difference, always with its sign unless it rounds to 0."""
    text = number(value, decimals)
    return text if text.startswith(MINUS) or float(text) == 0 else f"+{text}"


def percent(fraction: float, decimals: int = 2) -> str:
    """A fraction in percent, without the percent sign."""
    return number(100 * fraction, decimals)


def interval(bounds: Sequence[float] | None, decimals: int, *, with_signs: bool = False) -> str:
    """``[low, high]``, or a dash where there is no interval."""
    if bounds is None:
        return NONE
    write = signed if with_signs else number
    return f"[{', '.join(write(bound, decimals) for bound in bounds)}]"


def percent_interval(bounds: Sequence[float] | None) -> str:
    """``[low, high]`` of fractions, in percent with two decimals."""
    return interval(bounds and [100 * bound for bound in bounds], 2)


def difference(contrast: Contrast, measure: Measure) -> str:
    """A contrast's mean difference with its sign, without its unit."""
    return signed(contrast.difference.mean, measure.decimals)


def verdict(contrast: Contrast) -> str:
    """A contrast's word for a table.

    Of a difference that is beyond the margin, with an interval that is not, "slightly" would say
    too little.
    """
    beyond = abs(contrast.difference.mean) >= contrast.margin
    at_least = beyond and contrast.verdict.startswith("slightly")
    return f"at least {contrast.verdict}" if at_least else str(contrast.verdict)


def difference_interval(contrast: Contrast, measure: Measure) -> str:
    """The interval that a contrast's verdict follows from, without its unit."""
    return interval(contrast.interval, measure.decimals, with_signs=True)


def margin(given: float | str, measure: Measure, *, spelled_out: bool = False) -> str:
    """A margin with all its digits: ``±0.10 pp``, or ``10 % of the reference's errors``."""
    if isinstance(given, str):
        return given.replace("% of errors", " % of the reference's errors")
    unit = measure.unit if spelled_out else measure.short_unit
    _, _, exponent = Decimal(str(given)).normalize().as_tuple()
    return f"±{number(given, max(measure.decimals, -int(exponent)))} {unit}".strip()


def score(sample: Sample, measure: Measure) -> tuple[str, str]:
    """The mean of a metric and its interval; accuracies in percent."""
    [mean] = measure.shown([sample.mean])
    bounds = sample.interval_95 and measure.shown(sample.interval_95)
    return number(mean, measure.decimals), interval(bounds, measure.decimals)


def whole(value: float | None) -> str:
    """A whole number with thousands separators."""
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
    return NONE if seconds is None else duration_text(seconds)


def confidence(level: float) -> str:
    """The confidence of intervals at a level: ``95 %``, or ``99.9988 %`` for 0.0000117."""
    return f"{100 - float(f'{100 * level:.2g}'):g} %"


def p_value(value: float | None) -> str:
    """A p in three decimals, ``< 0.001`` below that."""
    if value is None:
        return NONE
    return "< 0.001" if value < VISIBLE_P else f"{value:.3f}"


def ratio(value: float | None) -> str:
    """A ratio as ``×1.25``, ``same`` where it is 1."""
    if value is None:
        return NONE
    if value == 1:
        return "same"
    return f"×{value:.2f}" if 0.1 <= value < 10 else f"×{value:.3g}"  # noqa: PLR2004 - for width


def listed(names: Sequence[str]) -> str:
    """Names in a sentence: ``a, b and c``."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def counted(numbers: Iterable[int], noun: str) -> str:
    """``5 seeds``, or ``5 to 30 seeds`` where numbers differ."""
    distinct = sorted(set(numbers))
    most = count(distinct[-1], noun)
    return most if len(distinct) == 1 else f"{distinct[0]:,} to {most}"


def seed_counts(counts: Iterable[int]) -> str:
    """``n = 3 seeds``, or the range where arms have different numbers."""
    return f"n = {counted(counts, 'seed')}"


def seeds(numbers: Sequence[int]) -> str:
    """Seeds as ranges: ``0–4, 7``."""
    ranges: list[list[int]] = []
    for seed in sorted(numbers):
        if ranges and seed == ranges[-1][-1] + 1:
            ranges[-1].append(seed)
        else:
            ranges.append([seed])
    return ", ".join(str(r[0]) if len(r) == 1 else f"{r[0]}–{r[-1]}" for r in ranges)


def of_seeds(numbers: Sequence[int]) -> str:
    """``seed 3``, or ``seeds 3, 4``."""
    return f"{'seed' if len(numbers) == 1 else 'seeds'} {', '.join(map(str, numbers))}"


COST_NAMES = {
    "parameters": "parameters", "macs": "multiply-accumulates", "memory_bytes": "memory",
}  # fmt: skip


def cost_ratio(ratios: Mapping[str, float | None]) -> str:
    """What an arm costs relative to its reference: what differs, then what is the same."""
    named = {name: ratios.get(key) for key, name in COST_NAMES.items()}
    parts = [f"{ratio(value)} {name}" for name, value in named.items() if value not in {None, 1}]
    if same := [name for name, value in named.items() if value == 1]:
        parts.append(f"same {listed(same)}")
    return ", ".join(parts) or NONE
