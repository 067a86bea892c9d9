"""Locks between processes."""

import signal

import psutil

from convchoice.runs.locks import lock_runs
from stages import Stage

LOCKING = """
import sys, time
from pathlib import Path
from convchoice.runs.locks import lock_runs
with lock_runs(Path(sys.argv[1]), sys.argv[2:]):
    print("locked", flush=True)
    time.sleep(float(sys.stdin.readline() or 600))
"""


def test_a_lock_ends_with_the_process_that_holds_it(tmp_path):
    first = Stage("-c", LOCKING, str(tmp_path), "max/seed-0", "max/seed-1", folder=tmp_path)
    first.wait_for("locked")
    second = Stage("-c", LOCKING, str(tmp_path), "max/seed-1", folder=tmp_path)
    second.wait_for(f"waiting for another process that is working on {tmp_path}/max/seed-1")
    assert "locked" not in second.output
    with lock_runs(tmp_path, ["max/seed-2", "average/seed-1"]):
        pass  # another run need not wait
    first.send(signal.SIGKILL, group=False)
    second.wait_for("locked")


def test_a_second_command_in_a_folder_waits_for_the_first(tmp_path):
    """As `make repro` runs it; a signal and the exit status are passed on."""
    wait = ["-c", "import time; print('first', flush=True); time.sleep(600)"]
    locks = ["-m", "convchoice.runs.locks"]
    first = Stage(*locks, "python", *wait, folder=tmp_path)
    first.wait_for("first")
    second = Stage(*locks, "python", "-c", "print('second'); exit(3)", folder=tmp_path)
    second.wait_for("waiting for another python")
    first.send(signal.SIGTERM, group=False)
    assert first.end() == 128 + signal.SIGTERM
    second.wait_for("second")
    assert second.end() == 3


def test_sigterm_ends_what_a_command_has_started_too(tmp_path):
    """As DVC its stage, which it would leave running."""
    wait = "import os, time; print(f'stage {os.getpid()}.', flush=True); time.sleep(600)"
    start = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {wait!r}])"
    command = Stage("-m", "convchoice.runs.locks", "python", "-c", start, folder=tmp_path)
    command.wait_for("stage ")
    command.wait_for(".")
    stage = psutil.Process(int(command.output.split()[-1].rstrip(".")))
    command.send(signal.SIGTERM, group=False)
    assert command.end() == 128 + signal.SIGTERM
    stage.wait(60)
    assert not stage.is_running()
