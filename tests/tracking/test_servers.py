"""Every server that is started by a command of the documentation listens on this machine alone."""

import re

from convchoice import PROJECT_ROOT

SERVING = re.compile(r"mlflow (?:ui|server|models serve)|http\.server|ray start|\bdvc studio\b")
WRITTEN = [
    PROJECT_ROOT / "Makefile",
    *PROJECT_ROOT.glob("*.md"),
    *(PROJECT_ROOT / "docs").rglob("*.md"),
    *(PROJECT_ROOT / "src").rglob("*.py"),
    *(PROJECT_ROOT / "conf").rglob("*.yaml"),
]


def test_every_server_that_is_written_down_listens_on_loopback():
    lines = [
        (path.name, line)
        for path in WRITTEN
        for line in path.read_text().replace("\\\n", " ").splitlines()
        if SERVING.search(line)
    ]
    assert "mlflow.md" in {name for name, _ in lines}
    for name, line in lines:
        assert "127.0.0.1" in line, f"{name}: {line}"
