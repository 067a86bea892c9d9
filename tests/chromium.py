"""Pages in headless Chromium, where there is one."""

import html
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--allow-file-access-from-files", "--virtual-time-budget=3000", "--dump-dom",
    "--enable-logging=stderr",
)  # fmt: skip
browser = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine"),
]
# A headless window is never narrower than 500 pixels, so the page is in a frame as wide as a phone.
OUTER = """<!DOCTYPE html><meta charset="utf-8"><iframe id="frame" src="PAGE"
style="width:WIDTHpx;height:900px;border:0"></iframe><script>
const frame = document.getElementById("frame");
const write = found => {
  document.body.innerHTML = "<pre></pre>";
  document.body.firstChild.textContent = JSON.stringify(found);
};
SCRIPT</script>"""


def open_in_chromium(address: str, profile: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    """Open a page; its final elements are in stdout and its console's lines in stderr.

    Args:
        address: of the page.
        profile: an empty folder for the browser's own files.
        flags: more of Chromium's options.
    """
    command = [str(CHROMIUM), *FLAGS, *flags, f"--user-data-dir={profile}", address]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)


def written_by(script: str, page: Path, width: int, folder: Path, *flags: str) -> dict[str, Any]:
    """What a script passes to `write` about a page in a frame; the console must stay empty.

    Args:
        script: reads the page in `frame`; WIDTH is replaced.
        page: to open.
        width: of the frame, pixels.
        folder: for the browser's own files.
        flags: more of Chromium's options.
    """
    outer = page.with_name(f"outer-{width}.html")
    text = OUTER.replace("PAGE", page.name).replace("SCRIPT", script)
    outer.write_text(text.replace("WIDTH", str(width)))
    done = open_in_chromium(outer.as_uri(), folder / f"profile-{width}", *flags)
    assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []
    written: dict[str, Any] = json.loads(
        html.unescape(done.stdout.partition("<pre>")[2].partition("</pre>")[0])
    )
    return written
