"""Every key of `params.yaml`: its type, default, legal values and meaning."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Self

from convchoice.config.datasets import SPECS, data_folder
from convchoice.config.field_types import Name, from_mapping, is_inside, legal
from convchoice.config.schema import DataConfig, Dataset
from convchoice.config.yaml_files import read_yaml
from convchoice.errors import UserError, require

USUAL_SCALE = "quick"


@dataclass(frozen=True)
class DataFolder:
    """A data set, and the folder of its files; of one that is converted, what it is made from."""

    name: Dataset = Dataset.mnist
    root: str = "data/raw"
    source: str = "conf/data/mnist.yaml"
    """What DVC watches: a folder of images, else the file of the data set."""
    path: str | None = None
    dataset: str | None = None
    size: int | None = None

    @classmethod
    def of(cls, data: DataConfig) -> Self:
        """That of a configuration."""
        source = f"conf/data/{data.name.name}.yaml"
        if data.name is Dataset.folder:
            source = str(data.path)
        root = str(data_folder(data))
        return cls(data.name, root, source, data.path, data.dataset, data.size)

    @property
    def short(self) -> str:
        """A name for messages."""
        return self.name.name if self.name.name in SPECS else Path(self.root).name

    def data(self) -> DataConfig:
        """A configuration of these images, which are converted."""
        root = str(Path(self.root).parent)
        return DataConfig(self.name, root, self.path, self.dataset, self.size, fallback=None)


@dataclass(frozen=True)
class Parameters:
    """What the pipeline runs: the content of `params.yaml`."""

    scale: str  # an option of conf/scale
    arms: list[Name]  # files in conf/arm, or new arms of the studies
    studies: list[Name]  # files in conf/study
    reports: Annotated[str, legal(is_inside, "must be a folder within the project.")] = "reports"
    """Folder of the reports."""
    data: list[DataFolder] = field(default_factory=lambda: [DataFolder()])  # of the arms
    survive: list[Name] = field(default_factory=list)
    """Those of the studies whose contrasts are repeated over other settings, which takes long."""


def reports_of(scale: str) -> str:
    """The folder of the reports at a scale."""
    return "reports" if scale == USUAL_SCALE else f"reports/{scale}"


def read_parameters(path: Path) -> Parameters:
    """The parameters of the pipeline.

    Raises:
        UserError: if the file is not there or cannot be read, or a value is not legal.
    """
    if not path.exists():
        fix = "Run the command in the project's folder, where it is."
        raise UserError(f"{path}: there is no such file. {fix}")
    parameters = from_mapping(Parameters, read_yaml(path), str(path))
    for key, names in (("arms", parameters.arms), ("studies", parameters.studies)):
        require(bool(names), f"{path}: {key}", names, "must be a list of at least one name.")
        repeated = sorted({name for name in names if names.count(name) > 1})
        require(not repeated, f"{path}: {key}", repeated, "each name may be there once.")
    rule = f"must be among the studies {', '.join(parameters.studies)}."
    chosen = set(parameters.survive) <= set(parameters.studies)
    require(chosen, f"{path}: survive", parameters.survive, rule)
    return parameters
