"""Which process a run that is RUNNING belongs to, and whether that process is still there.

A process that is killed outright cannot say so; the next one on the same machine finds its runs by
the owner's tag and says it for it.
"""

import os
import platform
import uuid
from functools import cache
from pathlib import Path

import psutil

BOOT = Path("/proc/sys/kernel/random/boot_id")
NAMESPACE = Path("/proc/self/ns/pid")
START_TOLERANCE_SECONDS = 1.0


def machine() -> str:
    """This machine's name among those that share a store; many a host is called `localhost`."""
    return f"{platform.node() or 'unnamed'}-{uuid.getnode():012x}".replace(" ", "-")


@cache
def _boot() -> str:
    return BOOT.read_text(encoding="ascii").strip() if BOOT.is_file() else "unknown"


@cache
def _namespace() -> str:
    # Two containers of one machine may use the same process number for two processes.
    return str(os.stat(NAMESPACE).st_ino) if NAMESPACE.exists() else "none"  # noqa: PTH116 - a link


def this_process() -> str:
    """The tag's value: machine, boot, process namespace, process number and when it started."""
    started = psutil.Process().create_time()
    return f"{machine()} {_boot()} {_namespace()} {os.getpid()} {started:.2f}"


def gone(owner: str) -> bool:
    """Whether an owner on this machine is certainly no longer there."""
    try:
        where, boot, namespace, number, started = owner.split(" ")
        if where != machine():
            return False
        if boot != _boot():
            return True
        if namespace != _namespace():
            return False
        there = float(psutil.Process(int(number)).create_time())
    except psutil.NoSuchProcess:
        return True
    except (ValueError, psutil.Error):
        return False
    return abs(there - float(started)) > START_TOLERANCE_SECONDS
