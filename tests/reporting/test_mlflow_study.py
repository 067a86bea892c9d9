"""A study as a run of MLflow."""

from convchoice.analysis.comparison_files import flat_metrics
from convchoice.reporting.mlflow_study import study_entry
from convchoice.tracking.mlflow_entry import NOTE
from made_up_runs import study_values


def test_a_study_has_its_verdicts_numbers_and_files(comparison_of, tmp_path):
    study = study_values(baseline="k=3", arms=["k=5"])
    result = comparison_of({"k=3": [10, 12, 11], "k=5": [40, 44, 42]}, study)
    (tmp_path / "pooling").mkdir()
    (tmp_path / "pooling" / "comparison.json").write_text("{}")
    (tmp_path / "index.html").write_text("a page")
    entry = study_entry(result, tmp_path)
    assert (entry.kind, entry.name, entry.tags["study"]) == ("study", "study/pooling", "pooling")
    # MLflow refuses "=" in the name of a metric.
    wanted = {key.replace("=", "_"): value for key, value in flat_metrics(result).items()}
    assert {point.key.removeprefix("verdict/"): point.value for point in entry.points} == wanted
    assert any("k_5" in key for key in wanted)
    assert "Does max pooling work better?" in entry.tags[NOTE]
    assert "worse" in entry.tags[NOTE]
    assert [path.name for path in entry.files] == ["comparison.json", "index.html"]
    again = study_entry(result, tmp_path)
    assert (entry.id, entry.content()) == (again.id, again.content())
    other = comparison_of({"k=3": [10], "k=5": [9]}, study)
    assert entry.id != study_entry(other, tmp_path).id
