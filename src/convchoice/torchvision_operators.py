"""Make torchvision importable with a CPU build of torch.

torchvision's wheel on PyPI is built against CUDA torch. With a CPU torch its compiled library does
not load, and `import torchvision` fails with "operator torchvision::nms does not exist", because it
registers shapes for two operators that are not declared. Lightning imports torchvision through
torchmetrics and fails too.

`install` adds an import hook. At the first import of torchvision, the hook declares the two
operators if torchvision's library does not load. Until then nothing heavy is imported.
"""

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

OPERATORS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)

_libraries: list[Any] = []  # a declaration lives as long as its library object


def library_loads(folder: Path) -> bool:
    """Whether the compiled library in torchvision's package folder fits the installed torch."""
    torch = importlib.import_module("torch")
    for library in (*folder.glob("_C*.so"), *folder.glob("_C*.pyd")):
        try:
            torch.ops.load_library(str(library))
        except OSError:
            continue
        return True
    return False


def declare_operators() -> None:
    """Declare the two operators, without an implementation."""
    library = importlib.import_module("torch").library.Library("torchvision", "DEF")
    for schema in OPERATORS:
        library.define(schema)
    _libraries.append(library)


class _TorchvisionHook(MetaPathFinder):
    """Runs once, at the first import of torchvision, and removes itself."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,  # noqa: ARG002 - the protocol's argument
    ) -> ModuleSpec | None:
        if fullname == "torchvision":
            sys.meta_path.remove(self)
            spec = PathFinder.find_spec(fullname, path)
            if spec is not None and spec.origin and not library_loads(Path(spec.origin).parent):
                declare_operators()
        return None


def install() -> None:
    """Add the import hook, unless it is there or torchvision is already imported."""
    installed = any(isinstance(finder, _TorchvisionHook) for finder in sys.meta_path)
    if not installed and "torchvision" not in sys.modules:
        sys.meta_path.insert(0, _TorchvisionHook())
