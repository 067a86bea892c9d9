"""torchvision with a CPU build of torch, in fresh interpreters."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from convchoice import torchvision_operators


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )


def test_lightning_and_torchvision_import_after_the_package() -> None:
    done = python(
        "import sys, convchoice\n"
        "from convchoice import torchvision_operators\n"
        "torchvision_operators.install()\n"
        "hooks = lambda: sum(type(f).__name__ == '_TorchvisionHook' for f in sys.meta_path)\n"
        "assert hooks() == 1\n"
        "import pytorch_lightning, torchvision, torch\n"
        "torchvision_operators.install()\n"
        "assert hooks() == 0\n"
        "import torchvision.transforms.v2 as v2\n"
        "print(v2.functional.rotate(torch.zeros(1, 8, 8), 90).shape)"
    )
    assert done.returncode == 0, done.stderr
    assert "8, 8" in done.stdout


def test_torchvision_fails_without_the_package() -> None:
    spec = importlib.util.find_spec("torchvision")
    assert spec is not None
    assert spec.origin is not None
    if torchvision_operators.library_loads(Path(spec.origin).parent):
        pytest.skip("this torchvision fits this torch")
    assert "operator torchvision::nms does not exist" in python("import torchvision").stderr


def test_nothing_is_declared_if_the_library_loads() -> None:
    done = python(
        "from convchoice import torchvision_operators as operators\n"
        "operators.library_loads = lambda folder: True\n"
        "operators.declare_operators = lambda: print('declared')\n"
        "try:\n    import torchvision\nexcept RuntimeError:\n    pass"
    )
    assert done.stdout == ""
