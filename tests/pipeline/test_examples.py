"""The notebooks of `examples/` run from top to bottom, and print what they promise."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from convchoice import PROJECT_ROOT, Study, compare, run, table
from convchoice.errors import UserError
from small_data import store_digits


def test_notebook(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    store_digits(tmp_path / "data" / "raw")
    notebook = json.loads((PROJECT_ROOT / "examples" / "ask_a_question.ipynb").read_bytes())
    names: dict[str, Any] = {"__name__": "__main__"}
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for cell in cells:
        exec(compile(cell, "notebook", "exec"), names)  # noqa: S102 - the project's own
    printed = capsys.readouterr().out
    assert "| new | 0.834 \\[0.830, 0.837\\] | old | +0.020 " in printed
    assert "Demonstration, no answer: 1 epoch of 1,000 images, 2 seeds an arm." in printed
    [contrast], [lucky] = names["result"].contrasts, names["lucky"].contrasts
    assert (contrast.verdict, lucky.verdict) == ("better", "inconclusive")
    wide = names["answer"].arms["wide"]
    assert wide.costs.parameters == 16 * 9 + 16 + 16 * 169 * 10 + 10
    assert wide.costs.macs == 16 * 9 * 169 + 16 * 169 * 10
    assert wide.seeds == [0, 1]
    title = "shapes (180 images of 2 classes, 32×32 pixels)"
    assert names["found"].provenance.dataset.title == title
    assert f"{title} ['disc', 'square']" in printed
    assert (tmp_path / "tries" / "narrow" / "seed-1" / "metrics.json").is_file()


def test_a_data_frame_and_a_file_are_one_table(tmp_path: Path) -> None:
    import pandas as pd  # noqa: PLC0415 - slow

    frame = pd.DataFrame({"m": ["a", "a", "b", "b"], "s": [0, 1, 0, 1], "loss": [1, 1.5, 2, 2.75]})
    frame.to_csv(path := tmp_path / "losses.csv", index=False)
    columns: dict[str, Any] = {"arm": "m", "seed": "s", "value": "loss", "margin": 0.1}
    first, second = compare(frame, **columns), compare(path, **columns)
    assert first.contrasts == second.contrasts
    assert first.contrasts[0].difference.values == [1.0, 1.25]
    assert table(first, "csv") == table(second, "csv")
    with pytest.raises(UserError, match="form = 'html': must be one of markdown, latex, csv"):
        table(first, "html")


@pytest.mark.parametrize(
    "results",
    [None, 5, b"x", [1, 2], {"arm": ["a", "b"]}, [{"arm": "a", None: 1}], [{0: "a"}]],
)
def test_what_is_no_table_is_refused(results: Any) -> None:
    with pytest.raises(UserError, match=r"results = .*: must be a file's path, a data frame, or"):
        compare(results, margin=0.1)


@pytest.mark.parametrize("folder", ["s3://key:secret@bucket/x", None, "~/runs"])
def test_runs_are_in_a_folder(folder: Any) -> None:
    study = Study(name="s", question="Is it?", source="me", baseline="max", arms=["average"])
    with pytest.raises(UserError, match=r"folder = .*: must be the path of a folder, no URL."):
        run(study, folder=folder)


SCRIPT = """
from convchoice import Study, run
print("begin")
study = Study(name="s", question="Is it?", source="me", baseline="max", arms=["average"])
print(len(run(study).contrasts))
"""


def test_a_script_without_a_guard_trains_in_workers_of_its_own(tmp_path: Path) -> None:
    store_digits(tmp_path / "data" / "raw")
    (tmp_path / "script.py").write_text(SCRIPT)
    line = [sys.executable, "script.py"]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (done.stdout.count("begin"), done.stdout.splitlines()[-1]) == (1, "1")
