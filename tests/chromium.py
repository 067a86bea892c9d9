"""Pages in headless Chromium, where there is one: what they came to and complained of."""

import shutil
import subprocess
from pathlib import Path

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--allow-file-access-from-files", "--virtual-time-budget=3000", "--dump-dom",
)  # fmt: skip


def open_in_chromium(path: Path, profile: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    """Open a page and write out what it came to (stdout) and its console's lines (stderr).

    Args:
        path: of the page.
        profile: an empty folder for the browser's own files.
        flags: more of Chromium's options.
    """
    return subprocess.run(
        [
            str(CHROMIUM),
            *FLAGS,
            *flags,
            "--enable-logging=stderr",
            f"--user-data-dir={profile}",
            path.as_uri(),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
