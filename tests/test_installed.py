"""The package without a clone, and the targets of the Makefile that a clone has."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest

from convchoice import PROJECT_ROOT
from imports import PATHS, imported_names

ROOT = "from convchoice.tracking.mlflow_store import PROJECT_ROOT; print(PROJECT_ROOT)"


def declaration() -> dict[str, Any]:
    """The content of `pyproject.toml`."""
    return tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the wheel holds, as `pyproject.toml` says."""
    site = tmp_path_factory.mktemp("site")
    target = declaration()["tool"]["hatch"]["build"]["targets"]["wheel"]
    files = {name: Path(name).name for name in target["packages"]} | target["force-include"]
    for source, name in files.items():
        shutil.copytree(PROJECT_ROOT / source, site / name)
    return site


def python(site: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=os.environ | {"PYTHONPATH": str(site)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_an_installed_wheel_has_the_configuration_and_writes_to_the_working_folder(
    wheel: Path, tmp_path: Path
) -> None:
    shapes = ("-m", "convchoice", "shapes", "arm=average")
    done = python(wheel, tmp_path, *shapes)
    assert "93,322 parameters" in done.stdout, done.stderr
    assert python(wheel, tmp_path, "-c", ROOT).stdout == f"{tmp_path}\n"
    (tmp_path / "conf").mkdir()  # another program's
    assert python(wheel, tmp_path, *shapes).returncode == 0
    (tmp_path / "conf").rmdir()
    shutil.copytree(PROJECT_ROOT / "conf", tmp_path / "conf")
    (tmp_path / "conf" / "arm" / "average.yaml").unlink()
    assert "there is no such option" in python(wheel, tmp_path, *shapes).stderr


def test_every_package_that_is_imported_is_declared() -> None:
    project = declaration()["project"]
    declared = sum(project["optional-dependencies"].values(), project["dependencies"])
    names = {re.split("[^a-z0-9-]", each.lower())[0] for each in declared}
    imported = set.union(*map(imported_names, PATHS))
    modules = {name.partition(".")[0] for name in imported}
    ours = {name.partition(".")[0] for name in PATHS}
    provided = packages_distributions()
    missing = {
        module
        for module in modules - ours - sys.stdlib_module_names
        if names.isdisjoint(
            each.lower().replace("_", "-") for each in provided.get(module, [module])
        )
    }
    assert missing == set()


def make(folder: Path) -> tuple[int, str]:
    """`make repro` under its lock, with commands that do nothing but are there."""
    shutil.copyfile(PROJECT_ROOT / "Makefile", folder / "Makefile")
    commands = folder / "venv" / "bin"
    commands.mkdir(parents=True)
    (commands / "python").symlink_to(sys.executable)
    for name in ("dvc", "convchoice"):
        (commands / name).symlink_to("/bin/true")
    done = subprocess.run(
        ["make", "repro-locked", "VENV=venv", "STUDY=", "SCALE=", "LAUNCH="], cwd=folder,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["data", "trained", "runs", "configs"])
def test_results_behind_a_link_are_refused_before_anything_runs(tmp_path: Path, name: str) -> None:
    (tmp_path / name).symlink_to(tmp_path)
    status, output = make(tmp_path)
    assert (status, f"error: {name} is a link, and DVC refuses" in output) == (2, True)


@pytest.mark.parametrize(("text", "removed"), [("", True), ("{", True), ('{"a": {}}', False)])
def test_a_lock_that_dvc_left_unreadable_is_removed(
    tmp_path: Path, text: str, removed: bool
) -> None:
    lock = tmp_path / ".dvc" / "tmp" / "rwlock"
    lock.parent.mkdir(parents=True)
    lock.write_text(text, encoding="utf-8")
    status, output = make(tmp_path)
    assert (status, lock.exists(), "removing .dvc/tmp/rwlock" in output) == (
        0, not removed, removed,
    )  # fmt: skip
