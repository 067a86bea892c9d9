"""Studies: the shipped ones, and what a study may not say."""

from pathlib import Path
from typing import Any

import pytest

from convchoice.config.study import read_study, studies_of_arm, study_from_mapping
from convchoice.config.validation import CONF_DIR
from convchoice.errors import ConfigurationError

SHIPPED = sorted((CONF_DIR / "study").glob("*.yaml"))
LEGAL = {
    "name": "mine",
    "question": "Does it matter?",
    "claim": "It does.",
    "source": "a colleague",
    "baseline": "max",
    "arms": ["average", "strided"],
}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_study_is_legal_and_its_arms_exist(path: Path) -> None:
    study = read_study(path)
    for arm in study.all_arms():
        assert (CONF_DIR / "arm" / f"{arm}.yaml").is_file()


def test_an_operator_is_compared_within_its_own_window() -> None:
    study = read_study(CONF_DIR / "study" / "pooling.yaml")
    partners = {arm: study.partner(arm) for arm in study.arms}
    assert partners == {
        "average": "max",
        "max_4x4": "max",
        "average_4x4": "max_4x4",
        "weighted": "max_4x4",
    }


def test_an_arm_knows_its_studies() -> None:
    studies = ["locality", "pooling", "pooling_cost", "strides_vs_pooling", "width"]
    assert studies_of_arm("max") == studies
    assert studies_of_arm("nobody") == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"margni": 1}, r"margni = 1: there is no such key\. Did you mean margin\?"),
        ({"arms": ["average", "average"]}, "each arm may stand once"),
        ({"arms": ["max"]}, "each arm may stand once, the baseline included"),
        ({"arms": []}, "needs at least one arm beside its baseline"),
        ({"margin": 0.0}, "margin = 0.0: must be a finite number above 0"),
        ({"name": "a/b"}, "a name is 1 to 100 letters"),
        ({"against": {"nobody": "max"}}, "against = 'nobody': must be one of the arms"),
        ({"against": {"average": "average"}}, "must be another of the arms"),
        ({"claim_arm": "nobody"}, "claim_arm = 'nobody': must be one of the arms"),
    ],
)
def test_an_illegal_study_is_refused_by_name(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        study_from_mapping(LEGAL | change, "mine.yaml")


def test_a_missing_key_is_named() -> None:
    with pytest.raises(ConfigurationError, match="question"):
        study_from_mapping({key: LEGAL[key] for key in LEGAL if key != "question"}, "mine.yaml")


def test_a_study_bears_its_files_name(tmp_path: Path) -> None:
    path = tmp_path / "other.yaml"
    path.write_text(SHIPPED[0].read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(ConfigurationError, match="must be the file's own name, other"):
        read_study(path)
