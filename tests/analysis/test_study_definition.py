"""The record of a study's first definition, in a repository with commits."""

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from convchoice.analysis.measure import measure_of
from convchoice.analysis.multiplicity import unplanned_level
from convchoice.analysis.result import Amendment, Comparison, DefinitionHistory
from convchoice.analysis.sentences import described
from convchoice.analysis.study_definition import (
    DEFINITION,
    amendments,
    history_of,
    read_definition,
    record_definition,
)
from convchoice.commands.compare import main as compare
from convchoice.config.study import Study, read_study
from convchoice.runs.output_files import MANIFEST
from made_up_runs import make_run, study_values

GIT = ("git", "-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")


def commit(folder: Path, message: str) -> str:
    for command in (("add", "-A"), ("commit", "-q", "-m", message)):
        subprocess.run([*GIT, "-C", str(folder), *command], check=True)
    head = subprocess.run([*GIT, "-C", str(folder), "rev-parse", "HEAD"], check=True,
                          capture_output=True, text=True)  # fmt: skip
    return head.stdout.strip()


def write_study(folder: Path, **changes: object) -> Study:
    path = folder / "conf" / "study" / "pooling.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(study_values(**changes)), encoding="utf-8")
    return read_study(path)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    subprocess.run([*GIT, "init", "-q", str(tmp_path)], check=True)
    return tmp_path


def recorded(project: Path, study: Study) -> str:
    """What a result of the study says of its definition."""
    file = project / "conf" / "study" / "pooling.yaml"
    record_definition(project / "reports", study, file)
    output, path = project / "reports" / "pooling", project / "reports" / "pooling" / DEFINITION
    compare([
        "--study", str(file), "--runs", str(project / "runs"), "--output", str(output),
        "--definition", str(path), "--brief",
    ])  # fmt: skip
    content = json.loads((output / "comparison.json").read_text(encoding="utf-8"))
    return dict(described(Comparison.model_validate(content)))["Definition"]


@pytest.fixture(autouse=True)
def runs(project: Path) -> None:
    for arm, errors in (("max", 10), ("average", 14)):
        for seed in range(3):
            make_run(project / "runs", arm, seed, errors + seed)


def test_a_definition_that_is_committed_before_the_first_result(project: Path) -> None:
    study = write_study(project)
    first = commit(project, "Define the study")
    (project / "other").write_text("no part of the study")
    commit(project, "Something else")
    assert recorded(project, study) == f"defined at {first[:12]}, before the first run"
    assert recorded(project, study) == f"defined at {first[:12]}, before the first run"


def test_what_was_amended_after_results_is_named_with_both_values(project: Path) -> None:
    study = write_study(project)
    first = commit(project, "Define the study")
    recorded(project, study)
    amended = write_study(project, margin=0.2, looks=[3, 6], notes="prose may change")
    commit(project, "Amend it")
    assert recorded(project, amended) == (
        f"defined at {first[:12]}, before the first run; amended after results, see above"
    )
    result = json.loads((project / "reports/pooling/comparison.json").read_text(encoding="utf-8"))
    [caution] = [each["text"] for each in result["cautions"] if each["kind"] == "amended"]
    other = project / "recomputed"
    compare([str(project / "reports/pooling"), "--output", str(other), "--brief"])
    again = json.loads((other / "comparison.json").read_text(encoding="utf-8"))
    assert again["definition"] == result["definition"]
    assert caution == (
        "The study was amended after results (margin: 0.10 pp → 0.20 pp; looks: 3 and 6 added)."
    )


@pytest.mark.parametrize(
    ("before", "now", "words"),
    [
        ({"margin": 0.1}, {"margin": "10% of errors"},
         ["margin: 0.10 pp → 10 % of the reference's errors"]),
        ({"arms": ["a", "b"]}, {"arms": ["a", "c", "d"]}, ["arms: b removed and c and d added"]),
        ({"arms": ["a", "b"]}, {"arms": ["b", "a"]}, ["arms: in another order"]),
        ({"controls": ["a", "max_wide"]}, {"controls": ["a"]}, ["controls: max_wide removed"]),
        ({"against": {"a": ["b"], "c": ["b"]}}, {"against": {"a": ["max", "b"], "c": ["b"]}},
         ["references of a: max 2×2 added"]),
        ({"claim": "Max wins.", "claim_arm": "max"},
         {"claims": [{"says": "Max is better.", "predicts": {"a": "worse"}}]},
         ["claims: “Max wins.” → “Max is better.”"]),
        ({"claims": [{"says": "So.", "predicts": {"a": "worse"}}]},
         {"claims": [{"says": "So.", "predicts": {"a": "better"}}]},
         ["predictions of a: worse → better"]),
        ({"baseline": "a"}, {"baseline": "max"}, ["baseline: a → max 2×2"]),
    ],
)  # fmt: skip
def test_amendments_in_words(before: dict[str, Any], now: dict[str, Any], words: list[str]) -> None:
    fields = dict.fromkeys([*before, *now])
    changed = [Amendment(field=key, before=before.get(key), now=now.get(key)) for key in fields]
    history = DefinitionHistory(commit=None, before_results=True, sha256="", amendments=changed)
    label = {"max": "max 2×2"}
    found = amendments(history, lambda arm: label.get(arm, arm), measure_of("test/accuracy"))
    assert found == words


def test_another_scale_does_not_start_anew(project: Path) -> None:
    reports, file = project / "reports", project / "conf" / "study" / "pooling.yaml"
    study = write_study(project)
    commit(project, "Define the study")
    known = record_definition(reports, study, file)
    (reports / "full" / "pooling").mkdir(parents=True)
    (reports / "full" / "pooling" / MANIFEST).touch()
    final = known.model_copy(update={"final": True})
    assert record_definition(reports, replace(study, margin=0.3), file) == final
    (reports / "full" / "pooling" / MANIFEST).unlink()  # once seen, a result cannot be unseen
    assert record_definition(reports, replace(study, margin=0.3), file) == final


def test_a_study_that_is_extended_after_a_look_says_so(project: Path) -> None:
    study = write_study(project)
    commit(project, "Define the study")
    recorded(project, study)
    for arm, errors in (("max", 10), ("average", 14)):
        for seed in range(3, 6):
            make_run(project / "runs", arm, seed, errors + seed % 2)
    recorded(project, study)
    content = json.loads((project / "reports/pooling/comparison.json").read_text(encoding="utf-8"))
    family = content["family"]
    assert (family["looks"], family["extended"]) == ([3, 6], True)
    assert family["level"] == pytest.approx(unplanned_level((3, 6)), rel=1e-9)
    record = read_definition(project / "reports/pooling/definition.json")
    assert record is not None
    assert list(record.before(6).looks.values()) == [[3]]
    assert record.before(3).looks == {}
    # Runs with another setting are another result, at which nobody has looked before.
    for arm in ("max", "average"):
        for seed in range(6):
            make_run(project / "other", arm, seed, 10 + seed, config={"data": {"batch_size": 32}})
    shutil.rmtree(project / "runs")
    (project / "other").rename(project / "runs")
    recorded(project, study)
    content = json.loads((project / "reports/pooling/comparison.json").read_text(encoding="utf-8"))
    assert (content["family"]["looks"], content["family"]["extended"]) == ([6], False)


def test_until_there_is_a_result_the_definition_may_change(project: Path) -> None:
    reports, file = project / "reports", project / "conf" / "study" / "pooling.yaml"
    record_definition(reports, write_study(project), file)
    changed = write_study(project, margin=0.3)
    assert record_definition(reports, changed, file).definition["margin"] == 0.3
    known = read_definition(reports / "pooling" / DEFINITION)
    assert history_of(known, changed, {}) == history_of(
        record_definition(reports, changed, file), changed, {}
    )


def test_a_definition_in_no_commit_says_so(project: Path) -> None:
    study = write_study(project)
    assert recorded(project, study) == "defined before the first run, in no commit"


def test_results_without_a_record_say_so(project: Path) -> None:
    study = write_study(project)
    commit(project, "Define the study")
    (project / "reports" / "pooling").mkdir(parents=True)
    (project / "reports" / "pooling" / MANIFEST).write_text('{"files": {}}')
    assert recorded(project, study).endswith("after the first run")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"study": "pooling"}'])
def test_a_damaged_record_blocks_nothing(project: Path, text: str) -> None:
    study = write_study(project)
    (project / "reports" / "pooling").mkdir(parents=True)
    path = project / "reports" / "pooling" / DEFINITION
    path.write_text(text)
    assert read_definition(path) is None
    assert history_of(None, study, {}) is None
    assert "defined" in recorded(project, study)


def test_a_record_that_cannot_be_written_is_a_warning(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = write_study(project)
    (project / "reports").touch()
    record_definition(project / "reports", study, project / "conf" / "study" / "pooling.yaml")
    assert "warning: the definition is not recorded" in capsys.readouterr().err
