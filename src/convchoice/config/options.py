"""What the folder `conf/` offers by name: the options of its groups, and its studies."""

from collections.abc import Sequence
from pathlib import Path

from convchoice import CONF_DIR
from convchoice.config.torchvision_datasets import TORCHVISION
from convchoice.errors import nearest, require


def options(group: str, conf: Path = CONF_DIR) -> list[str]:
    """The options of a group of `conf/`, in alphabetical order."""
    return sorted(path.stem for path in (conf / group).glob("*.yaml"))


def nearest_option(group: str, option: str, known: Sequence[str]) -> str:
    """What to write instead of an option that a group of `conf/` does not have."""
    classes = [each for each in TORCHVISION if each.lower() == option.lower()]
    if group == "data" and classes:
        return f"Use data=torchvision data.dataset={classes[0]}."
    return nearest(option, known)


def check_option(group: str, option: str, conf: Path = CONF_DIR) -> None:
    """Raise `ConfigurationError` unless a group of `conf/` has an option."""
    known, rule = options(group, conf), "there is no such option."
    require(option in known, group, option, rule, nearest_option(group, option, known))


def study_file(name: str, conf: Path = CONF_DIR) -> Path:
    """The file of a study, which is named as in `conf/study`, or by its path.

    Raises:
        ConfigurationError: for an unknown name.
    """
    path, known = Path(name), options("study", conf)
    if path.suffix in {".yaml", ".yml"}:
        return path
    fix = f"{nearest(name, known)} A study of your own: STUDY=path/to/it.yaml"
    require(name in known, "STUDY", name, "there is no such study.", fix)
    return conf / "study" / f"{name}.yaml"
