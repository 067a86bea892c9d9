"""Which launcher has an arm's seeds trained: `CONVCHOICE_LAUNCH`, or `make repro LAUNCH=…`.

    CONVCHOICE_LAUNCH='slurm hydra.launcher.partition=cpu' dvc repro

The name of a preset in `conf/launch`, and settings of it as on the command line of a sweep. It is
said in the environment and in no file: where a run is trained is no part of what it is, so nothing
that DVC or a fingerprint looks at may know of it.
"""

import os
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec

from hydra import initialize_config_dir
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from convchoice.config.composition import (
    HYDRA_VERSION_BASE,
    composition_errors,
    options,
    register_schema,
)
from convchoice.config.validation import CONF_DIR
from convchoice.errors import ConfigurationError, nearest, require
from convchoice.execution.dealing import side_by_side
from convchoice.execution.workers import LAUNCH

SETTINGS = "hydra.launcher."
# What each launcher needs beside the pipeline itself; `basic` needs nothing.
PACKAGES = {"joblib": "hydra_plugins.hydra_joblib_launcher", "slurm": "submitit", "ray": "ray"}
ELSEWHERE = ("slurm", "ray")


@dataclass(frozen=True)
class Launch:
    """A launcher that is there, and what is set of it.

    Attributes:
        name: of a preset in `conf/launch`.
        settings: overrides in Hydra's syntax.
    """

    name: str
    settings: tuple[str, ...] = ()

    @property
    def here(self) -> bool:
        """Whether its jobs run on this machine."""
        return self.name not in ELSEWHERE

    @property
    def text(self) -> str:
        """As it was asked for."""
        return shlex.join([self.name, *self.settings])

    @contextmanager
    def composed(self, *more: str) -> Iterator[tuple[ConfigLoader, DictConfig, list[str]]]:
        """Hydra's part of a multirun under this launcher, for the time of the block.

        Args:
            more: further overrides.

        Yields:
            What composes a job, the multirun's configuration, and the overrides that each job has.

        Raises:
            ConfigurationError: for a setting that the launcher does not have.
        """
        register_schema()
        OmegaConf.register_new_resolver("side_by_side", side_by_side, replace=True)
        overrides = [f"launch={self.name}", *self.settings, *more]
        with initialize_config_dir(str(CONF_DIR), version_base=HYDRA_VERSION_BASE):
            loader = GlobalHydra.instance().config_loader()
            with composition_errors(LAUNCH, self.settings):
                config = loader.load_configuration("config", overrides, run_mode=RunMode.MULTIRUN)
            yield loader, config, list(config.hydra.overrides.task)


def read_launch(text: str) -> Launch:
    """The launcher that a text asks for.

    Args:
        text: its name, and settings of it.

    Raises:
        ConfigurationError: for a name that is not there, a package that is not, or a setting that
            is not the launcher's.
    """
    name, *settings = _words(text) or [""]
    known = options("launch")
    require(
        name in known, LAUNCH, name, "there is no such launcher.",
        nearest(name, known),
    )  # fmt: skip
    for setting in settings:
        require(
            setting.lstrip("+~").startswith(SETTINGS), LAUNCH, setting,
            f"beside the launcher's name stand only settings of it, {SETTINGS}KEY=VALUE.",
            "What is trained is chosen by params.yaml and conf/.",
        )  # fmt: skip
    package = PACKAGES.get(name)
    require(
        package is None or find_spec(package) is not None, LAUNCH, name,
        "its package is not installed.", 'pip install -c constraints.txt -e ".[launchers]"',
    )  # fmt: skip
    launch = Launch(name, tuple(settings))
    with launch.composed():
        return launch


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise ConfigurationError(LAUNCH, text, f"cannot be read: {error}.") from error


def asked_for(environment: Mapping[str, str] = os.environ) -> Launch | None:
    """The launcher that the environment names; None where it names none.

    Raises:
        ConfigurationError: see `read_launch`.
    """
    text = environment.get(LAUNCH, "").strip()
    return read_launch(text) if text else None
