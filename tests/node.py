"""The page's scripts in Node, where there is one."""

import json
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from convchoice import PROJECT_ROOT
from convchoice.reporting.rendering import minified_script

TEMPLATES = PROJECT_ROOT / "src" / "convchoice" / "reporting" / "templates"
NODE = shutil.which("node")


def computed(scripts: Iterable[str], expression: str, folder: Path, **constants: Any) -> Any:
    """The value of a JavaScript expression over scripts of the page, as they are in it.

    Args:
        scripts: names in `templates`, in the order of the page.
        expression: its value must be JSON.
        folder: for the program.
        constants: values that the expression uses.
    """
    if NODE is None:
        pytest.skip("there is no node on this machine")
    files = (TEMPLATES / f"{name}.js" for name in scripts)
    lines = [minified_script(file.read_text(encoding="utf-8")) for file in files]
    lines += [f"const {name} = {json.dumps(value)};" for name, value in constants.items()]
    program = folder / "program.js"
    program.write_text("\n".join([*lines, f"console.log(JSON.stringify({expression}));"]), "utf-8")
    done = subprocess.run([NODE, str(program)], capture_output=True, check=True, timeout=300)
    return json.loads(done.stdout)
