"""torchvision beside a torch that it does not fit, in fresh interpreters."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from convchoice.config import torchvision_pairing


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )


def own_operators_fit() -> bool:
    spec = importlib.util.find_spec("torchvision")
    assert spec is not None
    assert spec.origin is not None
    return torchvision_pairing.own_operators_load(Path(spec.origin).parent)


def test_lightning_and_torchvision_import_after_the_package() -> None:
    done = python(
        "import convchoice, pytorch_lightning, torchvision\n"
        "import torchvision.transforms.v2 as v2, torch\n"
        "print(v2.functional.rotate(torch.zeros(1, 8, 8), 90).shape)"
    )
    assert done.returncode == 0, done.stderr
    assert "8, 8" in done.stdout


def test_the_clash_is_there_without_the_package() -> None:
    if own_operators_fit():
        pytest.skip("this torchvision fits this torch: there is no clash to show")
    done = python("import torchvision")
    assert "operator torchvision::nms does not exist" in done.stderr


def test_nothing_is_declared_where_the_pair_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchvision_pairing, "own_operators_load", lambda folder: True)
    declared = list(torchvision_pairing._libraries)
    assert torchvision_pairing.declare_missing_operators(Path()) is False
    assert torchvision_pairing._libraries == declared


def test_installing_twice_or_late_adds_nothing() -> None:
    done = python(
        "import sys, convchoice\n"
        "from convchoice import torchvision_pairing as pairing\n"
        "def finders():\n"
        "    return sum(type(f).__name__ == '_BeforeTorchvision' for f in sys.meta_path)\n"
        "pairing.install(); assert finders() == 1\n"
        "import torchvision; assert finders() == 0\n"
        "pairing.install(); assert finders() == 0"
    )
    assert done.returncode == 0, done.stderr
