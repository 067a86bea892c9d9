"""Whose a run is, and whether that process is still there: real processes."""

import subprocess
import sys

import pytest

from convchoice.tracking import owner


def owner_of_a_child() -> tuple[str, "subprocess.Popen[str]"]:
    code = "from convchoice.tracking.owner import this_process; print(this_process()); input()"
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    return child.stdout.readline().strip(), child


def test_a_process_is_gone_when_it_is_gone() -> None:
    assert not owner.gone(owner.this_process())
    tag, child = owner_of_a_child()
    assert not owner.gone(tag)
    child.kill()
    child.communicate()
    assert owner.gone(tag)


@pytest.mark.parametrize(
    ("place", "value", "gone"),
    [
        (0, "another-machine", False),  # nobody can tell from here
        (1, "an-earlier-boot", True),
        (2, "another-container", False),
        (3, "not-a-number", False),
        (4, "1.00", True),  # its number was given to another process since
    ],
)
def test_only_what_is_certain_is_said(place: int, value: str, gone: bool) -> None:
    parts = owner.this_process().split(" ")
    parts[place] = value
    assert owner.gone(" ".join(parts)) == gone


def test_a_tag_that_is_no_owner_is_left_alone() -> None:
    assert not owner.gone("")
    assert not owner.gone("somebody")
