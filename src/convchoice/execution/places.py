"""Where a single run is made, on the command line or in a sweep, and where it is left.

A run that the pipeline trains too is trained where the pipeline does it, so that the two take turns
there and neither does again what the other did.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from convchoice.config.arm import read_arm
from convchoice.config.identity import numeric_identity
from convchoice.config.schema import Config
from convchoice.errors import UserError
from convchoice.runs.run_folder import run_path

WORK_FOLDER = ".trained"
# The pipeline's folders, as `dvc.yaml` names them.
RUNS, TRAINED, COMPOSED = "runs", "trained", "configs"


@dataclass(frozen=True)
class TrainingPlace:
    """Where a run lies between its training and its measuring.

    Attributes:
        root: folder of the arms' folders.
        config: as it is trained there: the pipeline's own, where the run is one of the pipeline's.
        pipelines: whether it is, so that the folder stays.
    """

    root: Path
    config: Config
    pipelines: bool

    @property
    def folder(self) -> Path:
        """The run's."""
        return run_path(self.root, str(self.config.arm), self.config.seed)


def folder_of(config: Config) -> Path:
    """Where a run is left."""
    return run_path(Path(config.run_root), str(config.arm), config.seed)


def training_place(config: Config) -> TrainingPlace:
    """Where a run is trained."""
    root = Path(config.run_root)
    own = pipelines_run(config)
    if (
        own is not None
        and own.seed in range(own.seeds)
        and numeric_identity(own) == numeric_identity(config)
    ):
        return TrainingPlace(root.parent / TRAINED, own, pipelines=True)
    return TrainingPlace(root / WORK_FOLDER, config, pipelines=False)


def pipelines_run(config: Config) -> Config | None:
    """What the pipeline leaves under the name of this arm, with this run's seed.

    None where the run goes elsewhere, or the pipeline has no arm of that name.
    """
    root = Path(config.run_root)
    composed = root.parent / COMPOSED / f"{config.arm}.yaml"
    if root.name != RUNS or not composed.is_file():
        return None
    try:
        return replace(read_arm(composed).config, seed=config.seed)
    except UserError:  # a composed file of another time: the pipeline's to say
        return None
