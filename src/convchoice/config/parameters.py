"""What the pipeline runs: the content of `params.yaml`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from convchoice.config.legal_values import Name, is_folder, legal
from convchoice.config.mapping import from_mapping
from convchoice.config.schema import Dataset
from convchoice.config.yaml_files import read_yaml
from convchoice.errors import require


def _is_inside(path: str) -> bool:
    return is_folder(path) and not Path(path).is_absolute() and ".." not in path


@dataclass(frozen=True)
class DataFolder:
    """A data set, and the folder of its files."""

    name: Dataset = Dataset.mnist
    root: str = "data/raw"


@dataclass(frozen=True)
class Parameters:
    """The content of `params.yaml`."""

    scale: str
    """An option of `conf/scale`."""
    arms: list[Name]
    """Files in `conf/arm`, or new arms of the studies."""
    studies: list[Name]
    """Files in `conf/study`."""
    reports: Annotated[str, legal(_is_inside, "must be a folder within the project.")] = "reports"
    """Folder of the reports."""
    data: list[DataFolder] = field(default_factory=lambda: [DataFolder()])
    """The data sets of the arms."""


def read_parameters(path: Path) -> Parameters:
    """The parameters of the pipeline.

    Raises:
        UserError: if the file cannot be read, or a value is not legal.
    """
    parameters = from_mapping(Parameters, read_yaml(path), str(path))
    for key, names in (("arms", parameters.arms), ("studies", parameters.studies)):
        require(bool(names), f"{path}: {key}", names, "must be a list of at least one name.")
        repeated = sorted({name for name in names if names.count(name) > 1})
        require(not repeated, f"{path}: {key}", repeated, "each name may be there once.")
    return parameters
