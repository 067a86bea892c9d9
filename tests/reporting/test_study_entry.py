"""A study as a run of MLflow."""

from pathlib import Path

from convchoice.analysis.comparison_files import flat_metrics
from convchoice.reporting.study_entry import study_entry
from convchoice.tracking.entry import NOTE
from made_up_runs import Compare


def test_a_study_has_its_verdicts_numbers_and_files(comparison_of: Compare, tmp_path: Path) -> None:
    result = comparison_of({"max": [10, 12, 11], "average": [40, 44, 42]})
    (tmp_path / "pooling").mkdir()
    (tmp_path / "pooling" / "comparison.json").write_text("{}", encoding="utf-8")
    (tmp_path / "index.html").write_text("a page", encoding="utf-8")
    entry = study_entry(result, tmp_path)
    assert (entry.kind, entry.name, entry.tags["study"]) == ("study", "study/pooling", "pooling")
    assert {point.key.removeprefix("verdict/"): point.value for point in entry.points} == (
        flat_metrics(result)
    )
    assert "Does max pooling work better?" in entry.tags[NOTE]
    assert "worse" in entry.tags[NOTE]
    assert [path.name for path in entry.files] == ["comparison.json", "index.html"]
    again = study_entry(result, tmp_path)
    assert (entry.id, entry.content()) == (again.id, again.content())
    assert entry.id != study_entry(comparison_of({"max": [10], "average": [9]}), tmp_path).id


def test_names_of_numbers_have_no_characters_that_mlflow_refuses(
    comparison_of: Compare, tmp_path: Path
) -> None:
    study = {"name": "s", "question": "?", "claim": "c", "source": "s", "baseline": "k=3",
             "arms": ["k=5"], "margin": 0.1}  # fmt: skip
    result = comparison_of({"k=3": [10, 11], "k=5": [12, 13]}, study)
    keys = [point.key for point in study_entry(result, tmp_path).points]
    assert any("k_5" in key for key in keys)
    assert not any("=" in key for key in keys)
