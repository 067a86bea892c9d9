"""Small copies of the project, in which tests run DVC."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from convchoice import PROJECT_ROOT
from made_up_runs import study_values

SMALL_SCALE = {
    "seeds": 2, "epochs": 1, "train_size": 150, "recipe_seeds": 1, "recipe_epochs": 1,
}  # fmt: skip
SMALL_MODEL = {"filters": [4, 4, 4], "hidden_units": 8}


class ProjectCopy:
    """A copy of the project's files, without results.

    It has no git repository, no mirror answers, and scikit-learn's digits replace MNIST.

    Args:
        root: new folder of the copy.
        studies: arms of each study that is written for the test, by its name; baseline `max`.
        shipped: further studies, of `conf/study`.
        scale: values of the scale `quick` that replace those of `SMALL_SCALE`.
    """

    def __init__(
        self,
        root: Path,
        studies: Mapping[str, Sequence[str]],
        shipped: Sequence[str] = (),
        **scale: object,
    ) -> None:
        self.root = root
        # The files that git tracks or would track.
        options = ["-z", "--cached", "--others", "--exclude-standard"]
        listing = ["git", "-C", str(PROJECT_ROOT), "ls-files", *options]
        listed = subprocess.run(listing, capture_output=True, text=True, check=True).stdout
        without = ("dvc.lock", ".dvc/config.local", "reports/", "tests/", "docs/")
        for name in filter(None, listed.split("\0")):
            if (PROJECT_ROOT / name).is_file() and not name.startswith(without):
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(PROJECT_ROOT / name, root / name)
        (root / ".dvc/config.local").write_text("[core]\n    no_scm = True\n")
        self.edit("conf/scale/quick.yaml", SMALL_SCALE | scale)
        self.edit("conf/model/lecture.yaml", SMALL_MODEL)
        for name, arms in studies.items():
            study = yaml.safe_dump(study_values(name=name, arms=list(arms)))
            (root / f"conf/study/{name}.yaml").write_text(study)
        self.choose(*studies, *shipped)

    def edit(self, name: str, changes: Mapping[str, object]) -> None:
        """Change values of a YAML file."""
        path = self.root / name
        values = yaml.safe_load(path.read_text())
        path.write_text(yaml.safe_dump(values | changes))

    def append(self, name: str, text: str) -> None:
        """Append text to a file."""
        with (self.root / name).open("a") as file:
            file.write(text)

    @property
    def environment(self) -> dict[str, str]:
        """Environment of a command in the copy."""
        return {
            "PYTHONPATH": str(self.root / "src"),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HTTPS_PROXY": "http://127.0.0.1:9",  # no server listens there
            "MNIST_MIRROR": "",
            "MLFLOW_TRACKING_URI": "",
            "CONVCHOICE_FALLBACK": "digits",
        }

    def run(self, *module: str) -> str:
        """Run a Python module; returns stdout and stderr."""
        done = subprocess.run(
            [sys.executable, "-m", *module], cwd=self.root, env=os.environ | self.environment,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout + done.stderr

    def choose(self, *studies: str) -> None:
        """Choose studies with `convchoice choose`."""
        self.run("convchoice", "choose", "--study", ",".join(studies), "--scale", "quick")

    def repro(self) -> list[str]:
        """`dvc repro`; returns the stages that ran."""
        return re.findall(r"Running stage '([^']+)'", self.run("dvc", "repro"))
