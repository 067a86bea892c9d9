"""Which executor runs the jobs: that of Hydra's launcher, or of `CONVCHOICE_LAUNCH`.

    CONVCHOICE_LAUNCH='slurm hydra.launcher.partition=cpu' dvc repro

The variable holds the name of a file in `conf/launch`, and settings of its launcher as on the
command line of a sweep. It is in no file: where a run is trained does not decide its numbers, so
neither DVC nor a fingerprint may depend on it.
"""

import shlex
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from omegaconf import OmegaConf

from convchoice.config.composition import (
    HYDRA_VERSION_BASE,
    composition_errors,
    options,
    register_schema,
)
from convchoice.config.paths import CONF_DIR
from convchoice.config.schema import Config
from convchoice.errors import ConfigurationError, nearest, require
from convchoice.execution.executors import Executor, JoblibExecutor, LocalExecutor

LAUNCH = "CONVCHOICE_LAUNCH"
SETTINGS = "hydra.launcher."
INSTALL = 'Install it: pip install -c constraints.txt -e ".[launchers]"'
PACKAGES = {
    "basic": "convchoice", "joblib": "joblib", "slurm": "submitit", "submitit_slurm": "submitit",
    "submitit_local": "submitit", "ray": "ray",
}  # fmt: skip
"""The package that each launcher needs."""


def register_configuration() -> None:
    """Register what `conf/` needs, and keep plugins from replacing its launchers.

    hydra-joblib-launcher and hydra-submitit-launcher register schemas under the same names, where
    they are installed; the files in `conf/hydra/launcher` describe executors instead.
    """
    register_schema()
    Plugins.instance()  # loads the plugins
    registered = ConfigStore.instance().repo["hydra"]["launcher"]
    for name in options("hydra/launcher"):
        registered.pop(f"{name}.yaml", None)


def executor_of(hydra: Any, folder: Path) -> Executor:
    """The executor that Hydra's part of a configuration describes.

    Args:
        hydra: the node `hydra` of a composed configuration.
        folder: for the engine's logs; it identifies the jobs in a queue.

    Raises:
        ConfigurationError: for an unknown launcher, or one whose package is not installed.
    """
    launcher = hydra.runtime.choices["hydra/launcher"]
    rule = f"must be one of {', '.join(PACKAGES)}."
    require(launcher in PACKAGES, "hydra/launcher", launcher, rule)
    package = PACKAGES[launcher]
    rule = f"needs the package {package}, which is not installed."
    require(find_spec(package) is not None, "hydra/launcher", launcher, rule, INSTALL)
    values = cast("dict[str, Any]", OmegaConf.to_container(hydra.launcher, resolve=True))
    if launcher == "basic":
        return LocalExecutor(workers=1)
    if launcher == "joblib":
        return JoblibExecutor(values.pop("n_jobs"), values)
    if launcher == "ray":
        from convchoice.execution.ray_executor import RayExecutor  # noqa: PLC0415 - optional

        return RayExecutor(folder / "ray", **values)
    from convchoice.execution.slurm_executor import SubmititExecutor  # noqa: PLC0415 - optional

    cluster = "local" if launcher == "submitit_local" else "slurm"
    return SubmititExecutor(folder / cluster, cluster, values)


def pipeline_executor(text: str, config: Config, folder: Path) -> Executor:
    """The executor that `CONVCHOICE_LAUNCH` describes.

    Args:
        text: the launcher's name and settings.
        config: of the runs; its threads are the cores of a job.
        folder: see `executor_of`.

    Raises:
        ConfigurationError: for an unknown launcher or setting, or one that is not installed.
    """
    try:
        name, *settings = shlex.split(text) or [""]
    except ValueError as error:
        raise ConfigurationError(LAUNCH, text, f"cannot be read: {error}.") from error
    known = options("launch")
    require(name in known, LAUNCH, name, "there is no such launcher.", nearest(name, known))
    rule = f"only settings of the launcher may follow its name: {SETTINGS}KEY=VALUE."
    fix = "What is trained is chosen by params.yaml and conf/."
    for setting in settings:
        require(setting.lstrip("+~").startswith(SETTINGS), LAUNCH, setting, rule, fix)
    register_configuration()
    overrides = [f"launch={name}", *settings, f"trainer.threads={config.trainer.threads}"]
    with (
        initialize_config_dir(str(CONF_DIR), version_base=HYDRA_VERSION_BASE),
        composition_errors(LAUNCH, settings),
    ):
        composed = compose("config", overrides, return_hydra_config=True)
        return executor_of(composed.hydra, folder)
