"""Which launcher is asked for: read, and refused before anything is done."""

from pathlib import Path

import pytest

from convchoice.choose import main as choose
from convchoice.config.composition import options
from convchoice.config.validation import CONF_DIR
from convchoice.errors import ConfigurationError
from convchoice.execution import launch
from convchoice.execution.launch import Launch, asked_for, read_launch
from convchoice.execution.workers import LAUNCH


def test_a_name_and_settings_of_it_are_read() -> None:
    chosen = asked_for({LAUNCH: "  ray hydra.launcher.num_gpus=1 'hydra.launcher.address=a b' "})
    assert chosen == Launch("ray", ("hydra.launcher.num_gpus=1", "hydra.launcher.address=a b"))
    assert read_launch(chosen.text) == chosen
    with chosen.composed("hydra.sweep.dir=somewhere") as (_, config, common):
        assert config.hydra.launcher.num_gpus == 1
        assert config.hydra.launcher.address == "a b"
        assert common == ["launch=ray"]  # a job gets the rest of Hydra's own settings by itself


def test_without_the_variable_the_arm_is_trained_here() -> None:
    assert asked_for({}) is None
    assert asked_for({LAUNCH: " "}) is None


def test_every_preset_is_known_for_here_or_elsewhere_and_for_what_it_needs() -> None:
    presets = options("launch")
    assert set(presets) == {"basic", *launch.PACKAGES}
    assert [name for name in presets if not Launch(name).here] == ["ray", "slurm"]


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("slrum", r"'slrum': there is no such launcher\. Did you mean slurm\? Legal: basic, jobl"),
        ("", "there is no such launcher"),
        ("basic seed=3", "beside the launcher's name stand only settings of it"),
        ("slurm hydra.launcher.partitoin=cpu", "hydra.launcher.partitoin.*not in struct"),
        ("slurm 'partition", "cannot be read: No closing quotation"),
    ],
)
def test_what_is_no_launcher_or_no_setting_of_it_is_refused(text: str, refusal: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{LAUNCH}.*{refusal}"):
        read_launch(text)


def test_a_launcher_whose_package_is_missing_is_refused_with_the_mend(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(launch.PACKAGES, "slurm", "not_installed_anywhere")
    with pytest.raises(ConfigurationError, match=r"not installed.*pip install .*\[launchers\]"):
        read_launch("slurm")


def test_choosing_looks_at_the_launcher_and_writes_it_nowhere(tmp_path: Path) -> None:
    params = tmp_path / "params.yaml"
    before = (CONF_DIR.parent / "params.yaml").read_bytes()
    params.write_bytes(before)
    choose(["--launch", "basic", "--params", str(params)])
    with pytest.raises(ConfigurationError, match="no such launcher"):
        choose(["--launch", "dask", "--study", "pooling", "--params", str(params)])
    assert params.read_bytes() == before
