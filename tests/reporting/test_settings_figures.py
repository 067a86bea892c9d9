"""Survival maps, sources of variance and the headline, from results made by hand."""

import re
from typing import Any

import pytest

from convchoice.analysis.contrast import Family
from convchoice.analysis.measure import measure_of
from convchoice.analysis.result import Comparison
from convchoice.analysis.survival import SURVIVAL, Cell, Survival, SurvivingContrast
from convchoice.analysis.variance_sources import VARIANCE, Decomposition, VarianceSources
from convchoice.analysis.verdict import Verdict
from convchoice.commands.report import write_report
from convchoice.errors import RunFolderError
from convchoice.reporting.plots import style
from convchoice.reporting.score_figures import headline_figure
from convchoice.reporting.settings_figures import survival_figures, variance_figure
from made_up_results import made_up_comparison

GRID: dict[str, list[Any]] = {
    "trainer.max_epochs": [1, 2],
    "optimizer.learning_rate": [0.001, 0.003],
}


def survival_of(comparison: Comparison) -> Survival:
    """Worse after one epoch, then equivalent and inconclusive."""
    verdicts = [Verdict.worse, Verdict.slightly_worse, Verdict.equivalent, Verdict.inconclusive]
    cells = [
        Cell(arm_setting=at, reference_setting=at, seeds=[0, 1], mean=mean, verdict=verdict)
        for at, (mean, verdict) in enumerate(zip([-0.5, -0.4, 0.01, None], verdicts, strict=True))
    ]  # fmt: skip
    tuned = cells[2].model_copy(update={"reference_setting": 3, "mean": 0.02})
    settings = [
        dict(zip(GRID, values, strict=True))
        for values in ((1, 0.001), (1, 0.003), (2, 0.001), (2, 0.003))
    ]
    return Survival(
        study="pooling", measure=measure_of("test/accuracy"), margin=0.1, seeds=2,
        grid=GRID,
        settings=settings, provenance=comparison.provenance,
        contrasts=[SurvivingContrast(
            arm="average", reference="max", cells=cells, tuned=tuned,
            family=Family(contrasts=4, method="Bonferroni", level=0.05, looks=[2]),
        )],
    )  # fmt: skip


def variance_of(comparison: Comparison) -> VarianceSources:
    shared: dict[str, Any] = {
        "components": {"initial weights": 0.01, "order of images": 0.005, "interactions": 0.005},
        "ranges": dict.fromkeys(["initial weights", "order of images", "interactions"], (0, 0.75)),
    }
    return VarianceSources(
        study="pooling", measure=measure_of("test/accuracy"), levels={"model.weights_seed": 2},
        values={},
        decompositions=[
            Decomposition(arm="max", reference=None, standard_deviation=0.15, **shared),
            Decomposition(arm="average", reference="max", standard_deviation=0.2, **shared),
        ],
        provenance=comparison.provenance,
    )  # fmt: skip


def label(arm: str) -> str:
    return {"max": "max 2×2", "average": "average 2×2"}[arm]


def test_a_survival_map_by_hand(comparison):
    with style():
        [figure] = survival_figures(survival_of(comparison), label)
    assert figure.title == "average 2×2 against max 2×2 with other settings"
    assert figure.caption.startswith(
        "After 2 epochs of 55,000 images: max 2×2 beats average 2×2 in 2 of 4 settings, all with"
        " epochs 1; they are equivalent in 1; they are not shown to differ in 1."
    )
    assert "average 2×2 epochs 2, learning rate 0.001 and max 2×2 epochs 2," in (figure.caption)
    assert "epochs 1, learning rate 0.003: −0.40 slightly worse" in figure.alt
    grounds = re.findall(r"fill:var\(--(good|bad|even|open)-ground\)", figure.inline)
    assert grounds == ["bad", "bad", "even", "open", "even"]  # the last one is the tuned row
    texts = re.findall(r">([^<]+)</text>", figure.inline)
    assert {"−0.50", "−0.40", "+0.01", "–", "+0.02", "worse", "tuned"} <= set(texts)


def test_a_survival_map_names_its_looks(comparison):
    found = survival_of(comparison)
    [contrast] = found.contrasts
    family = contrast.family.model_copy(update={"looks": [2, 6], "extended": True})
    changed = {"contrasts": [contrast.model_copy(update={"family": family})]}
    with style():
        [alone] = survival_figures(found, label)
        [extended] = survival_figures(found.model_copy(update=changed), label)
    assert "hold together. " in alone.caption
    assert "hold together (looks at 2 and 6 seeds, the last at Pocock's level" in extended.caption


def test_shares_of_variance_by_hand(comparison):
    with style():
        figure = variance_figure(variance_of(comparison), label)
    part = "average 2×2 − max 2×2, ±0.200 pp: initial weights 50% [0, 75], order of images 25% [0,"
    assert part in figure.alt
    assert "lie within 50 points of them." in figure.caption  # 25 % and [0, 75]
    assert re.findall(r">(\d+%)</text>", figure.inline) == ["50%"] * 2 + ["25%"] * 4


def test_the_headline_has_every_answer_and_difference(comparison):
    with style():
        figure = headline_figure([comparison])
        assert headline_figure([made_up_comparison({})]) is None
    assert figure is not None
    assert f"{comparison.claims[0].answer}: {comparison.claims[0].says}" in figure.alt
    assert "average − max: inconclusive;" in figure.alt
    with style():
        other = headline_figure([made_up_comparison({"a": ("base", "worse")})])
    assert other is not None
    assert "a − base: worse;" in other.alt
    assert "var(--bad)" in other.inline


def test_the_report_shows_them_where_they_lie_beside_the_result(comparison, tmp_path):
    for name, file, found in (
        ("survival", SURVIVAL, survival_of(comparison)),
        ("variance", VARIANCE, variance_of(comparison)),
    ):
        folder = tmp_path / "pooling" / name
        folder.mkdir(parents=True)
        (folder / file).write_text(found.model_dump_json(), encoding="utf-8")
    write_report(tmp_path, [comparison])
    for file in ("index.html", "README.md"):
        text = (tmp_path / file).read_text(encoding="utf-8")
        assert "beats average in 2 of 4 settings" in text
        assert "Where the spread between runs comes from" in text
    assert "](figures/headline.svg)" in (tmp_path / "README.md").read_text(encoding="utf-8")
    (tmp_path / "pooling" / "variance" / VARIANCE).write_text("{}", encoding="utf-8")
    with pytest.raises(RunFolderError, match=r"variance\.json: cannot be read: .* variance\.$"):
        write_report(tmp_path, [comparison])
