"""`convchoice survive` and `convchoice variance`: a study's arms over a grid of settings."""

import json
from pathlib import Path

import pytest
import yaml

from convchoice import CONF_DIR
from convchoice.commands import compare, survive, variance
from convchoice.config.study import read_study
from convchoice.errors import UserError
from convchoice.execution.grid import narrowed, settings_of
from convchoice.runs.output_files import write_output

SMALL = [
    "model.filters=[4,4]", "model.hidden_units=8", "data.train_size=100", "data.batch_size=50",
    "trainer.accelerator=cpu",
]  # fmt: skip
STUDY = {
    "name": "tiny", "question": "Which?", "source": "a test", "baseline": "a", "arms": ["b", "c"],
    "new_arms": {
        "a": SMALL, "b": [*SMALL, "downsample=average"], "c": [*SMALL, "downsample=strided"],
    },
    "survive": {"trainer.max_epochs": [1, 2], "optimizer": ["adam", "sgd"]},
}  # fmt: skip


@pytest.fixture
def study(tmp_path: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/raw").symlink_to(data_root)
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(STUDY, sort_keys=False), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return "tiny.yaml"


def test_every_setting_is_run_once_and_kept(study, capsys):
    arguments = [study, "--arms", "b", "--seeds", "1"]
    survive.main(arguments)
    first = json.loads(Path("reports/tiny/survival/survival.json").read_text(encoding="utf-8"))
    [contrast] = first["contrasts"]
    assert [cell["seeds"] for cell in contrast["cells"]] == [[0]] * 4
    assert len(list(Path("survive/quick/tiny").glob("*/seed-*"))) == 2 * 4
    name = "b-max_epochs=2-sgd/seed-0/config.yaml"
    config = yaml.safe_load((Path("survive/quick/tiny") / name).read_text(encoding="utf-8"))
    assert (config["trainer"]["max_epochs"], config["optimizer"]["name"]) == (2, "sgd")
    assert contrast["tuned"] is not None
    assert contrast["family"]["looks"] == [1]
    assert (
        "1 to 2 epochs of 100 images: b and a are not shown to differ in 4 of 4 settings."
        in capsys.readouterr().out
    )
    result = Path("reports/tiny/survival/survival.json")
    write_output(result.parent, {result.name: "{}"})  # as of an earlier version
    survive.main(arguments)
    assert "8 runs, 8 kept, 0 to do" in capsys.readouterr().out
    assert json.loads(result.read_text(encoding="utf-8")) == first


def test_seeds_of_weights_order_and_subset_are_set_apart(study, capsys):
    variance.main([study, "--arms", "b", "--levels", "2,2,2"])
    found = json.loads(Path("reports/tiny/variance/variance.json").read_text(encoding="utf-8"))
    assert [item["arm"] for item in found["decompositions"]] == ["a", "b", "b"]
    scores = {
        json.dumps(json.loads(path.read_text(encoding="utf-8"))["test/nll"])
        for path in Path("variance/quick/tiny").glob("a-*/seed-0/metrics.json")
    }
    assert len(scores) == 8  # each source changes the training
    assert "b − a: spread " in capsys.readouterr().out


def test_a_narrowed_study_keeps_references():
    study = read_study(CONF_DIR / "study/pooling.yaml")
    assert narrowed(study, ["weighted"]).arms == ["max_4x4", "weighted"]
    with pytest.raises(UserError, match="compares no such arm"):
        narrowed(study, ["max"])


def test_settings_are_every_combination():
    assert settings_of({"a": [1, 2], "b": ["x"]}) == [{"a": 1, "b": "x"}, {"a": 2, "b": "x"}]


@pytest.mark.parametrize(
    ("survived", "message"),
    [
        ({}, "names no settings"),
        ({"trainer.max_epochs": [1]}, "must list at least two values"),
        ({"trainer.max_epochs": [1, 1]}, "each once"),
        ({"tracking.uri": ["a", "b"]}, "an arm sets only keys that decide numbers"),
        ({"seed": [0, 1]}, "an arm sets only keys that decide numbers"),
        ({"model.hidden_units": list(range(1, 202))}, "at most 200 are run"),
        ({"conv.kernel_size": [3, 99]}, "does not fit"),
    ],
)
def test_settings_that_cannot_be_run_are_refused_before_anything_is_trained(
    study, survived, message
):
    Path(study).write_text(yaml.safe_dump({**STUDY, "survive": survived}), encoding="utf-8")
    with pytest.raises(UserError, match=message):
        survive.main([study])
    assert not Path("survive").exists()


@pytest.mark.parametrize("levels", ["1,2,2", "2,2", "a,2,2", "²,2,2", f"{'9' * 5_000},2,2"])
def test_illegal_levels_are_refused(study, levels):
    with pytest.raises(UserError, match=r"--levels = .* must be 3 whole numbers from 2 to 100"):
        variance.main([study, "--levels", levels])


@pytest.mark.parametrize(
    ("verb", "arguments"),
    [
        (survive.main, ["tiny.yaml"]),
        (variance.main, ["tiny.yaml"]),
        (compare.main, ["made.csv", "--margin", "1"]),
    ],
)
def test_a_folder_with_an_output_of_another_kind_keeps_it(study, verb, arguments):
    write_output(Path("reports/tiny"), {"index.html": "a page"})
    with pytest.raises(UserError, match=r"reports/tiny: holds another output \(index.html\)"):
        verb([*arguments, "--output", "reports/tiny"])
    assert Path("reports/tiny/index.html").read_text(encoding="utf-8") == "a page"
