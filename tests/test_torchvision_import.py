"""torchvision with a CPU build of torch, in a fresh interpreter."""

import subprocess
import sys


def test_lightning_and_torchvision_import_after_the_package():
    code = (
        "import sys, convchoice\n"
        "hooks = lambda: sum(type(f).__name__ == '_TorchvisionHook' for f in sys.meta_path)\n"
        "assert hooks() == 1\n"
        "import pytorch_lightning, torchvision, torch\n"
        "assert hooks() == 0\n"
        "import torchvision.transforms.v2 as v2\n"
        "print(v2.functional.rotate(torch.zeros(1, 8, 8), 90).shape)"
    )
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "8, 8" in done.stdout
