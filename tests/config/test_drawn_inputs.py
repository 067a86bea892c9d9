"""Random inputs are accepted, or refused with one short error: no traceback."""

import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from convchoice.config.arm_keys import ARM_KEYS, GROUPS, read_arm_file
from convchoice.config.study import study_from_mapping
from convchoice.config.validation import arm_from_mapping, arm_text, read_arm
from convchoice.errors import UserError
from convchoice.networks.suggestions import fitting_plan
from drawing_settings import JUNK, drawn_configuration
from made_up_runs import study_values

VALUE = "a-value-of-the-environment"


def refusal(take: Callable[[Any], object], values: object) -> str | None:
    try:
        take(values)
    except UserError as error:
        return str(error)
    return None


def tried(draws: int, draw: Callable[[random.Random], Any], take: Callable[[Any], object]) -> None:
    """Draw inputs; some must be accepted, and some refused with a legible message."""
    drawn = [draw(random.Random(number)) for number in range(draws)]
    refusals = [(values, refusal(take, values)) for values in drawn]
    for values, text in refusals:
        if text is not None:
            assert re.match(r"[^:]+.*: .+", text), (values, text)
            assert len(text) < 4_000
            assert VALUE not in text
    assert 0 < sum(text is not None for _, text in refusals) < draws


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", VALUE)


FEW = [400, pytest.param(10_000, marks=pytest.mark.soak)]


@pytest.mark.parametrize("draws", FEW)
def test_configurations(draws: int, tmp_path: Path) -> None:
    """Legal ones come back the same from the file that `compose` writes."""

    def take(values: dict[str, Any]) -> None:
        arm = arm_from_mapping(values, "drawn.yaml")
        fitting_plan(arm)
        path = tmp_path / "arm.yaml"
        path.write_text(arm_text(arm), encoding="utf-8")
        assert arm_text(read_arm(path)) == arm_text(arm)

    tried(draws, drawn_configuration, take)


ARM = b"# @package _global_\ndefaults:\n  - override /downsample: max\n\narm: mine\nseeds: 3\n"
HOSTILE = (
    b"", b"\x00", b": ", b"[", b"*a", b"&a ", b"!!int ", b"!!timestamp ", b"\n", b"2001-99-9",
    b"\x1b[2J", b"${oc.env:TOKEN}", b"9" * 5_000, b"{" * 500, b"- ", b"'", b"<<: ", b"\xff",
)  # fmt: skip


def damaged_arm(chance: random.Random) -> bytes:
    """An arm's file with a few random changes."""
    changed = bytearray(ARM)
    for _ in range(chance.randrange(3)):
        place = chance.randrange(len(changed))
        changed[place : place + chance.randrange(4)] = chance.choice(HOSTILE)
    return bytes(changed)


@pytest.mark.parametrize("draws", FEW)
def test_files_of_arms(draws: int, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"

    def take(text: bytes) -> None:
        path.write_bytes(text)
        read_arm_file(path)

    tried(draws, damaged_arm, take)


def drawn_override(chance: random.Random) -> str:
    places = ("tracking.uri", "data.root", "run_root", "hydra.run.dir", "+x", "~conv", "conv@x")
    key = chance.choice((*ARM_KEYS, *GROUPS, *places))
    texts = ("3", "same", "average", "[4,4]", "${oc.env:TOKEN}", "${hydra:job}", "1,2", "'a", "{a:")
    return f"{key}={chance.choice((*texts, chance.choice(JUNK)))}"


@pytest.mark.parametrize("draws", FEW)
def test_new_arms_never_set_a_folder_a_server_or_a_secret(draws: int) -> None:
    def take(override: str) -> None:
        study_from_mapping(study_values(new_arms={"average": [override]}), "drawn.yaml")
        key = override.partition("=")[0]
        assert key in ARM_KEYS or key in GROUPS
        assert "TOKEN" not in override

    tried(draws, drawn_override, take)
