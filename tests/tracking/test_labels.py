"""Names in MLflow: parameters, and what tells one run folder from all others."""

import shutil
from pathlib import Path

from convchoice.config.validation import config_from_mapping
from convchoice.runs.fingerprint import arm_fingerprint, code_digest, fingerprint
from convchoice.runs.run import read_run
from convchoice.runs.run_folder import run_path
from convchoice.tracking.labels import (
    arm_fingerprint_of,
    arm_group,
    digest,
    milliseconds,
    parameters_of,
    run_identity,
    run_name,
)
from making import MNIST, make_run

CONFIG = config_from_mapping({"arm": "max", "seed": 3})


def test_parameters_are_short_and_flat() -> None:
    parameters = parameters_of(CONFIG)
    assert parameters["filters"] == "32-64-64"
    assert parameters["train_size"] == "all"
    assert (parameters["data"], parameters["canvas"], parameters["rotated"]) == (
        "mnist",
        "none",
        False,
    )
    assert all(len(str(value)) < 20 for value in parameters.values())
    assert run_name(CONFIG) == "max/seed-3"


def test_an_identity_follows_from_what_a_folder_holds_and_not_from_where_it_lies(
    tmp_path: Path,
) -> None:
    here = make_run(tmp_path / "here", "max", 0)
    elsewhere = run_path(tmp_path / "elsewhere", "max", 0)
    shutil.copytree(here, elsewhere)
    assert run_identity(read_run(here)) == run_identity(read_run(elsewhere))
    trained_again = make_run(
        tmp_path / "again", "max", 0, environment={"started": "2026-02-02T00:00:00+00:00"}
    )
    assert run_identity(read_run(here)) != run_identity(read_run(trained_again))
    sibling = make_run(
        tmp_path / "here", "average", 0, environment={"started": "2026-01-01T00:00:00+00:00"}
    )
    assert run_identity(read_run(here)) != run_identity(read_run(sibling))


def test_a_digest_keeps_its_parts_apart() -> None:
    assert digest("ab", "c") != digest("a", "bc")
    assert digest("ab", "c") == digest("ab", b"c")
    assert len(digest("a")) == 32


def test_seeds_of_an_arm_belong_together_and_other_settings_do_not(tmp_path: Path) -> None:
    runs = [read_run(make_run(tmp_path, "max", seed)) for seed in (0, 1)]
    assert arm_fingerprint_of(runs[0]) == arm_fingerprint_of(runs[1])
    other = read_run(make_run(tmp_path, "average", 0, config={"conv": {"padding": "same"}}))
    assert arm_fingerprint_of(runs[0]) != arm_fingerprint_of(other)
    recorded = read_run(make_run(tmp_path, "max", 2, environment={"arm_fingerprint": "abc"}))
    assert arm_fingerprint_of(recorded) == "abc"


def test_a_folder_without_the_fingerprint_of_its_arm_joins_those_of_the_same_code(
    tmp_path: Path,
) -> None:
    config = config_from_mapping({"arm": "max", "seed": 4, "trainer": {"max_epochs": 1}})
    code = code_digest()
    made = {"fingerprint": fingerprint(config, MNIST["digest"], code)}
    old = read_run(make_run(tmp_path, "max", 4, environment=made))
    assert arm_fingerprint_of(old) == arm_fingerprint(config, MNIST["digest"], code)
    assert "seed" not in arm_group(config, arm_fingerprint_of(old), []).parameters


def test_times_are_told_in_milliseconds() -> None:
    assert milliseconds("1970-01-01T00:00:02+00:00") == 2000
