"""The files of a published study: what is recomputed from them is the published result."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from convchoice import PROJECT_ROOT
from convchoice.analysis.comparison_files import COMPARISON, read_comparison
from convchoice.analysis.published_runs import (
    FILES,
    HISTORIES,
    LABELS,
    PREDICTIONS,
    RUNS,
    STUDY,
)
from convchoice.analysis.sentences import described
from convchoice.analysis.trained_networks import NETWORKS
from convchoice.commands.compare import main
from convchoice.runs.run_folder import FAILED_SUFFIX, write_json
from made_up_reports import introspected
from made_up_runs import curve_points, make_run, study_values

PUBLISHED = sorted(path.parent for path in (PROJECT_ROOT / "reports").rglob(RUNS))
RESULT_ONLY = {"sha256", "taken_over"}


def leaves(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Every number and text of a result with its place, without those of the file alone."""
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            if key not in RESULT_ONLY:
                yield from leaves(item, f"{place}/{key}")
    else:
        yield place, value


def recomputed(folder: Path, output: Path, *options: str) -> dict[str, Any]:
    main([str(folder), "--output", str(output), "--brief", *options])
    content: dict[str, Any] = json.loads((output / COMPARISON).read_text(encoding="utf-8"))
    return content


@pytest.mark.parametrize("folder", PUBLISHED, ids=lambda path: str(path.relative_to(PROJECT_ROOT)))
def test_published_studies_are_recomputed_from_their_files(folder: Path, tmp_path: Path):
    published = json.loads((folder / COMPARISON).read_text(encoding="utf-8"))
    found, expected = dict(leaves(recomputed(folder, tmp_path))), dict(leaves(published))
    assert found.keys() == expected.keys()
    for place, value in expected.items():
        # A published value has ten digits; another machine may round the last one otherwise.
        number = isinstance(value, float)
        assert found[place] == (pytest.approx(value, rel=1e-8) if number else value), place
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes(), name


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A published study with everything that a run can have; its run folders are gone."""
    for arm, errors in (("max", [10, 11, 14]), ("average", [13, 15, 19])):
        for seed, count in enumerate(errors):
            make_run(
                tmp_path / "runs", arm, seed, count, epochs=2,
                config={"downsample": {"operator": arm}}, curves=curve_points(0.9 + 0.01 * seed),
                picture_shape=(28, 28), inside=introspected(seed),
            )  # fmt: skip
    failed = tmp_path / "runs" / "average" / f"seed-3{FAILED_SUFFIX}"
    write_json(failed, {"reason": "the loss is not finite.", "fingerprint": "f"})
    study = tmp_path / "pooling.yaml"
    study.write_text(yaml.safe_dump(study_values()), encoding="utf-8")
    out = tmp_path / "pooling"
    main(["--study", str(study), "--runs", str(tmp_path / "runs"), "--output", str(out)])
    shutil.rmtree(tmp_path / "runs")
    return out


def test_everything_is_recomputed_but_what_is_inside_networks(published: Path, tmp_path: Path):
    found = recomputed(published, tmp_path / "again")
    assert dict(leaves(found)) == dict(
        leaves(json.loads((published / COMPARISON).read_text(encoding="utf-8")))
    )
    assert found["provenance"]["taken_over"] == ["introspection", "pictures"]
    rows = dict(described(read_comparison(tmp_path / "again" / COMPARISON)))
    assert rows["Not recomputed"].startswith(
        "introspection and pictures: taken from an earlier result"
    )
    assert found["failed"] == {"average": {"3": "the loss is not finite."}}
    (published / COMPARISON).unlink()
    alone = recomputed(published, tmp_path / "alone")
    assert alone["arms"]["max"]["introspection"] is None
    assert alone["arms"]["max"]["confusion"] == found["arms"]["max"]["confusion"]
    assert alone["contrasts"] == found["contrasts"]


def test_another_question_to_published_runs(published: Path, tmp_path: Path):
    options = ["--metric", "test/nll", "--margin", "0.015", "--baseline", "average"]
    found = recomputed(published, tmp_path / "again", *options)
    [contrast] = found["contrasts"]
    assert (contrast["arm"], contrast["reference"]) == ("max", "average")
    assert (found["measure"]["metric"], contrast["difference"]["mean"]) == ("test/nll", -0.008)
    # A lower value is the better one: −0.008 ± t(0.975; 2) · 0.002 / √3 is within (−0.013, 0).
    assert contrast["verdict"] == "negligibly better"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (RUNS, "arm,seed\n", "no run folders"),
        (RUNS, "arm,seed\nmax,x\n", "cannot be read as the runs of a published study"),
        (RUNS, "arm,seed,test/accuracy\nmin,0,0.9\n", "cannot be read as the runs"),
        (HISTORIES, "arm,seed,epoch\nmax,0,1e400\n", "cannot be read as the runs"),
        (HISTORIES, "arm,seed,epoch\nmax,0,\n", "cannot be read as the runs"),
        (LABELS, "01x", "cannot be read as the runs"),
        (PREDICTIONS, "arm,seed,errors\n", "the runs of a published study (KeyError)"),
        (PREDICTIONS, "arm,seed,errors\nmax,0,1001:3\n", "published study (IndexError)"),
        (PREDICTIONS, "arm,seed,errors\nmax,0,5\n", "published study (ValueError)"),
        (STUDY, "study: {}\n", "study.yaml: name"),
        (COMPARISON, '{"arms": {"max": {"introspection": 5}}}', "cannot be read as a result of"),
        (NETWORKS, '{"networks": 5}', "networks.json: "),
    ],
)
def test_damaged_files_are_refused(
    published: Path, refused: Any, name: str, text: str, message: str
):
    (published / name).write_text(text, encoding="utf-8")
    assert message in refused(main, [str(published)])
