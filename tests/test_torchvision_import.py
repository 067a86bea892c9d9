"""torchvision with a CPU build of torch, in fresh interpreters."""

import subprocess
import sys
from importlib.metadata import version


def python(code: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_lightning_and_torchvision_import_after_the_package() -> None:
    done = python(
        "import sys, convchoice\n"
        "hooks = lambda: sum(type(f).__name__ == '_TorchvisionHook' for f in sys.meta_path)\n"
        "assert hooks() == 1\n"
        "import pytorch_lightning, torchvision, torch\n"
        "assert hooks() == 0\n"
        "import torchvision.transforms.v2 as v2\n"
        "print(v2.functional.rotate(torch.zeros(1, 8, 8), 90).shape)"
    )
    assert done.returncode == 0, done.stderr
    assert "8, 8" in done.stdout


def test_the_operators_are_declared_only_if_the_library_does_not_load() -> None:
    """Without them, torchvision fails; with a CPU build of torch, its library does not load."""
    code = (
        "import convchoice, torch\n"
        "real = torch.ops.load_library\n"
        "def seems_to_load(path):\n    torch.ops.load_library = real\n"
        "torch.ops.load_library = seems_to_load\n"
        "try:\n    import torchvision\nexcept RuntimeError as error:\n    print(error)"
    )
    printed = python(code).stdout
    fails = version("torch").endswith("+cpu") and not version("torchvision").endswith("+cpu")
    assert ("operator torchvision::nms does not exist" in printed) == fails
