"""Studies: the shipped ones are legal, others are refused by name."""

from typing import Any

import pytest

from convchoice import CONF_DIR
from convchoice.config.field_types import plain_values
from convchoice.config.margin import margin_points
from convchoice.config.study import (
    Prediction,
    new_arms_of,
    read_study,
    studies_of_arm,
    study_from_mapping,
)
from convchoice.errors import ConfigurationError

SHIPPED = sorted((CONF_DIR / "study").glob("*.yaml"))
LEGAL = {
    "name": "mine",
    "question": "Does it matter?",
    "source": "a colleague",
    "baseline": "max",
    "arms": ["average", "strided"],
}


def test_an_arm_may_have_several_references():
    study = study_from_mapping(LEGAL | {"against": {"strided": ["average", "max"]}}, "mine.yaml")
    assert study.pairs() == [("average", "max"), ("strided", "average"), ("strided", "max")]
    assert study_from_mapping(plain_values(study), "composed.yaml") == study
    pairs = read_study(CONF_DIR / "study" / "pooling.yaml").pairs()
    assert {pair for pair in pairs if pair[1] != "max"} == {
        ("average_4x4", "max_4x4"), ("weighted", "max_4x4")
    }  # fmt: skip


def test_the_studies_of_an_arm_are_found():
    studies = ["locality", "pooling", "pooling_cost", "strides_vs_pooling", "width"]
    assert studies_of_arm("max") == studies
    assert studies_of_arm("nobody") == []


def claim(**values: Any) -> dict[str, Any]:
    return {"claims": [{"says": "a", **values}]}


BOTH = {"average": "worse", "average against max": "worse"}
TWO = {"against": {"average": ["max", "strided"]}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"margni": 1}, r"margni = 1: there is no such key\. Did you mean margin\?"),
        ({"arms": ["average", "average"]}, r"arms = \['average'\]: each may be there once"),
        ({"arms": ["max"]}, r"arms = \['max'\]: each may be there once"),
        ({"arms": []}, "needs at least one arm besides its baseline"),
        ({"arms": ["a b"]}, r"arms\[0\] = 'a b': a name is 1 to 100 letters"),
        ({"arms": [1e-3]}, r"arms\[0\] = 0\.001: must be text\. Put it in quotes"),
        ({"baseline": "${a}"}, "a name is 1 to 100 letters"),
        ({"name": "a/b"}, "a name is 1 to 100 letters"),
        ({"margin": 0.0}, r"margin = 0\.0: must be a number from 1e-09 to 1e\+09, or a share"),
        ({"margin": 1e-300}, r"margin = 1e-300: must be"),
        ({"margin": float("nan")}, r"margin = nan: must be"),
        ({"margin": True}, r"margin = True: must be"),
        ({"margin": "0.1"}, r"margin = '0\.1': must be"),
        ({"margin": "0% of errors"}, r"margin = '0% of errors': must be"),
        ({"margin": "10% of accuracy"}, r"margin = '10% of accuracy': must be"),
        ({"margin": "10% of errors", "metric": "test/nll"},
         r"'10% of errors': is a share of errors, and test/nll is no accuracy"),
        ({"looks": [6, 6, 30]}, r"looks = \[6, 6, 30\]: must rise"),
        ({"looks": [1, 6]}, r"looks\[0\] = 1: must be at least 2"),
        ({"printed": {"test/nll": [float("nan")]}}, r"printed\.test/nll\[0\] = nan: must be"),
        ({"curves": ["shift", "shift"]}, r"curves = \['shift'\]: each may be there once"),
        ({"controls": ["average", "average"]}, r"controls = .*each may be there once"),
        ({"controls": ["max"]}, r"controls = 'max': must be one of the arms average, strided"),
        ({"against": "${name}"}, "against = .*: must be a mapping"),
        ({"against": {"averge": "max"}}, r"against = 'averge': .*Did you mean average\?"),
        ({"against": {"average": []}}, r"against\.average = \[\]: names no arm"),
        ({"against": {"average": ["max", "max"]}}, r"against\.average = \['max'\]: each may be"),
        ({"against": {"average": "average"}}, r"against\.average = 'average': must be one of"),
        ({"claim": "It does."},
         r"claim = 'It does\.': is `claims` now\. Write `claims: \[\{says: A sentence\., pred"),
        ({"claim_arm": "max"}, "claim_arm = 'max': is `claims` now"),
        ({"claims": "It does."}, "claims = 'It does.': must be a list"),
        ({"claims": [{"predicts": {}}]}, r"claims\[0\]\.says = None: is missing"),
        (claim(), r"claims\[0\]\.predicts = \{\}: must name a contrast"),
        (claim(predicts={"average": "wors"}),
         r"predicts\.average = 'wors': must be one of better, .*Did you mean worse\?"),
        (claim(predicts={"averge": "worse"}),
         r"predicts = 'averge': must be one of the study's contrasts.*Did you mean average\?"),
        ({"controls": ["average"], **claim(predicts={"average": "worse"})},
         r"predicts = 'average': .* contrasts, without controls: strided"),
        ({**TWO, **claim(predicts={"average": "worse"})},
         r"predicts = 'average': .*: strided, average against max, average against strided"),
        (claim(predicts=BOTH), r"\['average against max'\]: the same contrast is there twice"),
        (claim(predicts={"average": "worse"}, metric="test/nll"),
         r"claims\[0\]\.margin = None: is missing: its own unit"),
        (claim(predicts={"average": "worse"}, margin=0.1),
         r"claims\[0\]\.margin = 0\.1: is for a claim with a `metric` of its own"),
        ({"alike": ["average"]}, "alike = 'average': must be one of the arms"),
        ({"labels": {"nobody": "a"}}, "labels = 'nobody': must be one of the arms"),
        ({"labels": {"max": "a", "average": "a"}}, r"labels = \['a'\]: each may be there once"),
        ({"descriptions": {"max": "a\nb"}}, r"descriptions\.max = 'a\\nb': must be text"),
        ({"see": {"a/b": "which"}}, r"see\.a/b.* = 'a/b': a name is"),
        ({"new_arms": {"other": ["arm=max"]}}, "new_arms = 'other': must be one of the arms"),
    ],
)  # fmt: skip
def test_an_illegal_study_is_refused_by_name(change, message):
    with pytest.raises(ConfigurationError, match=message):
        study_from_mapping(LEGAL | change, "mine.yaml")


def test_a_claim_says_what_it_predicts_of_each_contrast():
    claim = {
        "says": "Larger is better.",
        "predicts": {"average": "not better", "strided against average": "equivalent"},
    }
    against = {"strided": ["average", "max"]}
    study = study_from_mapping(LEGAL | {"claims": [claim], "against": against}, "mine.yaml")
    assert study.predicted(study.claims[0]) == {
        ("average", "max"): Prediction.not_better,
        ("strided", "average"): Prediction.equivalent,
    }
    assert study_from_mapping(plain_values(study), "composed.yaml") == study


@pytest.mark.parametrize(
    ("margin", "reference_accuracy", "points"),
    [(0.1, 0.9, 0.1), (2, 0.9, 2.0), ("10% of errors", 0.99, 0.1), ("2.5 % of errors", 0.8, 0.5)],
)
def test_a_margin_is_points_or_a_share_of_the_references_errors(margin, reference_accuracy, points):
    study = study_from_mapping(LEGAL | {"margin": margin, "looks": [6, 12, 30]}, "mine.yaml")
    assert margin_points(study.margin, reference_accuracy) == pytest.approx(points)
    assert study_from_mapping(plain_values(study), "composed.yaml") == study


def test_texts_are_kept_as_they_are():
    study = study_from_mapping(LEGAL | {"notes": "costs ${oc.env:HOME}\n$5"}, "mine.yaml")
    assert study.notes == "costs ${oc.env:HOME}\n$5"


def test_a_study_has_its_files_name(tmp_path):
    path = tmp_path / "other.yaml"
    path.write_text(SHIPPED[0].read_text())
    with pytest.raises(ConfigurationError, match="must be the file's own name, other"):
        read_study(path)


def test_two_studies_must_mean_the_same_arm_by_one_name():
    one, other = (
        study_from_mapping(LEGAL | {"new_arms": {"average": [f"conv.kernel_size={size}"]}}, "x")
        for size in (5, 7)
    )
    assert new_arms_of([one, one]) == {"average": ["conv.kernel_size=5"]}
    with pytest.raises(ConfigurationError, match=r"study mine: new_arms\.average = .*Rename one"):
        new_arms_of([one, other])
