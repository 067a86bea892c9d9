"""convchoice: which choices in a convolutional network matter, how certainly, at what cost.

Importing the package also makes torchvision importable with a CPU build of torch. torchvision's
wheel on PyPI is built against CUDA torch. With a CPU torch its compiled library does not load, and
`import torchvision` fails with "operator torchvision::nms does not exist", because it registers
shapes for two operators that are not declared. Lightning imports torchvision through torchmetrics
and fails too. So an import hook declares the two operators at the first import of torchvision, if
its library does not load. Until then nothing heavy is imported.
"""

import importlib
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

__version__ = "0.1.0"

SOURCE = Path(__file__).resolve().parents[2]
IN_CLONE = (SOURCE / "pyproject.toml").is_file()
PROJECT_ROOT = SOURCE if IN_CLONE else Path.cwd()
"""The clone with this code. Installed from a wheel, the code is in none: the working folder."""
_OWN = PROJECT_ROOT / "conf"
CONF_DIR = _OWN if (_OWN / "study").is_dir() else Path(__file__).resolve().with_name("conf")
"""The configuration files: the project's, else those in the wheel."""

ALLOW_CODE = "CONVCHOICE_ALLOW_CODE"
"""The environment variable that `--allow-code` sets."""

_SIGNATURE = "{}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_libraries: list[Any] = []  # a declaration lives as long as its library object


def _declare_operators(folder: Path) -> None:
    """Declare the two operators if the compiled library in torchvision's folder does not load."""
    torch = importlib.import_module("torch")
    for compiled in (*folder.glob("_C*.so"), *folder.glob("_C*.pyd")):
        with suppress(OSError):
            torch.ops.load_library(str(compiled))
            return
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(_SIGNATURE.format(name))
    _libraries.append(library)


class _TorchvisionHook(MetaPathFinder):
    """Runs once, at the first import of torchvision, and removes itself."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname == "torchvision":
            sys.meta_path.remove(self)
            spec = PathFinder.find_spec(fullname, path)
            if spec is not None and spec.origin:
                _declare_operators(Path(spec.origin).parent)
        return None


sys.meta_path.insert(0, _TorchvisionHook())

__all__ = ["Study", "compare", "run", "table"]


def __getattr__(name: str) -> Any:
    """The functions of `convchoice.api`, which is imported at their first use."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("convchoice.api"), name)
