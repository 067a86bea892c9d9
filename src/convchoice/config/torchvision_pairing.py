"""Make torchvision importable beside a torch that its compiled operators do not fit.

torchvision's wheel on the common index is built against CUDA torch. Beside a CPU torch its compiled
library does not load, and `import torchvision` stops with "operator torchvision::nms does not
exist", because it registers shapes for two operators that were never declared. Lightning imports
torchvision through torchmetrics and stops with it.

`install` puts one entry at the front of Python's import path. When somebody first imports
torchvision, it tries torchvision's own library; only where that does not load does it declare the
two missing schemas. Until then nothing is imported, so modules that need no torch stay quick.
"""

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)

_libraries: list[Any] = []  # a declared schema lives as long as the object that declared it


def own_operators_load(package_folder: Path) -> bool:
    """Whether torchvision's compiled library fits the torch that is installed."""
    torch = importlib.import_module("torch")
    for library in sorted(package_folder.glob("_C*.so")) + sorted(package_folder.glob("_C*.pyd")):
        try:
            torch.ops.load_library(str(library))
        except OSError:
            continue
        return True
    return False


def declare_missing_operators(package_folder: Path) -> bool:
    """Declare torchvision's two schemas if its own library does not load.

    Returns:
        True if they were declared, False if torchvision's own operators are there.
    """
    if own_operators_load(package_folder):
        return False
    torch = importlib.import_module("torch")
    library = torch.library.Library("torchvision", "DEF")
    for schema in SCHEMAS:
        library.define(schema)
    _libraries.append(library)
    return True


class _BeforeTorchvision(MetaPathFinder):
    """Acts once, on the first import of torchvision, then steps aside."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,  # noqa: ARG002 - the protocol's argument
    ) -> ModuleSpec | None:
        if fullname != "torchvision":
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(fullname, path)
        if spec is not None and spec.origin is not None:
            declare_missing_operators(Path(spec.origin).parent)
        return None


def install() -> None:
    """Prepare the first import of torchvision; does nothing where it was imported already."""
    prepared = any(isinstance(finder, _BeforeTorchvision) for finder in sys.meta_path)
    if not prepared and "torchvision" not in sys.modules:
        sys.meta_path.insert(0, _BeforeTorchvision())
