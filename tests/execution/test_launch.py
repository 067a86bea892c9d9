"""The launcher that the environment names, and the executor that its configuration describes."""

from pathlib import Path
from typing import Any

import pytest

from convchoice import CONF_DIR
from convchoice.choose import main as choose
from convchoice.config.composition import options
from convchoice.config.schema import Config, TrainerConfig
from convchoice.errors import ConfigurationError
from convchoice.execution import launch
from convchoice.execution.executors import LocalExecutor
from convchoice.execution.launch import LAUNCH, pipeline_executor


def test_every_launcher_gives_an_executor_whose_jobs_have_the_threads_of_a_run(
    tmp_path: Path,
) -> None:
    pytest.importorskip("submitit")
    ray = pytest.importorskip("ray")
    config = Config(trainer=TrainerConfig(threads=3))
    found: dict[str, Any] = {
        name: pipeline_executor(name, config, tmp_path) for name in options("launch")
    }
    assert found["basic"] == LocalExecutor(workers=1)
    assert found["joblib"].n_jobs is None
    assert found["slurm"].settings["cpus_per_task"] == 3
    assert found["ray"].num_cpus == 3
    assert not ray.is_initialized()
    assert set(launch.PACKAGES) == {"basic", *options("hydra/launcher")}
    settings = "  joblib hydra.launcher.n_jobs=3 'hydra.launcher.verbose=1' "
    chosen: Any = pipeline_executor(settings, config, tmp_path)
    assert (chosen.n_jobs, chosen.options["verbose"]) == (3, 1)


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("slrum", r"'slrum': there is no such launcher\. Did you mean slurm\? Legal: basic, jobl"),
        ("", "there is no such launcher"),
        ("basic seed=3", "only settings of the launcher may follow its name"),
        ("slurm hydra.launcher.partitoin=cpu", "hydra.launcher.partitoin.*no such key"),
        ("slurm 'partition", "cannot be read: No closing quotation"),
    ],
)
def test_an_unknown_launcher_or_setting_is_refused(text: str, refusal: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{LAUNCH}.*{refusal}"):
        pipeline_executor(text, Config(), Path())


def test_a_launcher_that_is_not_installed_is_refused_with_the_extra_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(launch.PACKAGES, "slurm", "not_installed_anywhere")
    with pytest.raises(ConfigurationError, match=r"not installed.*pip install .*\[launchers\]"):
        pipeline_executor("slurm", Config(), Path())


def test_choosing_checks_the_launcher_and_writes_it_nowhere(tmp_path: Path) -> None:
    params = tmp_path / "params.yaml"
    before = (CONF_DIR.parent / "params.yaml").read_bytes()
    params.write_bytes(before)
    choose(["--launch", "basic", "--params", str(params)])
    with pytest.raises(ConfigurationError, match="no such launcher"):
        choose(["--launch", "dask", "--study", "pooling", "--params", str(params)])
    assert params.read_bytes() == before
