"""The gate: what each exit status means, that luck does not pass it, and how often it errs."""

import json
from pathlib import Path

import numpy as np
import pytest

from convchoice.commands.gate import Decision, main

OLD = [0.815, 0.812, 0.816, 0.811, 0.814, 0.815]
OPTIONS = ["--baseline", "old", "--margin", "0.01", "--metric", "f1"]


def gate(folder: Path, *options: str, **arms: list[float]) -> Decision:
    """The exit status of a comparison of arms, whose seeds count from 0."""
    rows = [f"{arm},{seed},{value}" for arm in arms for seed, value in enumerate(arms[arm])]
    path = folder / "results.csv"
    path.write_text("\n".join(["arm,seed,value", *rows]), encoding="utf-8")
    direction = [] if "--lower-is-better" in options else ["--higher-is-better"]
    with pytest.raises(SystemExit) as caught:
        main([str(path), *OPTIONS, *direction, *options])
    return Decision(caught.value.code)


def shifted(by: float, noise: float = 0.001) -> list[float]:
    """The old values, moved, with a spread of the differences."""
    return [value + by + noise * (-1) ** index for index, value in enumerate(OLD)]


@pytest.mark.parametrize(
    ("new", "decision"),
    [
        (shifted(0.03), Decision.passed),  # better
        (shifted(0.0), Decision.passed),  # equivalent
        (shifted(-0.005), Decision.passed),  # shown to be worse, and by less than the margin
        (shifted(-0.03), Decision.worse),
        (shifted(-0.01), Decision.undecided),  # at the margin
        (shifted(0.0, noise=0.03), Decision.undecided),  # too noisy
        ([0.9], Decision.undecided),  # one lucky seed
        ([0.9, 0.82], Decision.undecided),  # a lucky one of two
        ([0.835, 0.832, 0.836], Decision.undecided),  # equal differences: rounded, or too few
        (OLD, Decision.passed),
    ],
)
def test_exit_status(tmp_path, new, decision):
    assert gate(tmp_path, old=OLD, new=new) is decision
    mirrored = {"old": [-value for value in OLD], "new": [-value for value in new]}
    assert gate(tmp_path, "--lower-is-better", **mirrored) is decision


def test_the_worst_arm_decides(tmp_path, capsys):
    good, bad, open_ = shifted(0.03), shifted(-0.03), shifted(0.0, noise=0.03)
    assert gate(tmp_path, old=OLD, good=good, also=good) is Decision.passed
    assert gate(tmp_path, old=OLD, good=good, open=open_) is Decision.undecided
    capsys.readouterr()
    assert gate(tmp_path, "--json", old=OLD, good=good, open=open_, bad=bad) is Decision.worse
    document = json.loads(capsys.readouterr().out)
    decisions = {arm: each["decision"] for arm, each in document["arms"].items()}
    assert decisions == {"good": "passed", "open": "undecided", "bad": "worse"}
    assert (document["decision"], document["baseline"]) == ("worse", "old")
    assert document["arms"]["open"]["seeds_needed"] > 6
    assert document["arms"]["good"]["seeds_needed"] is None


def test_an_arm_with_a_failed_run_does_not_pass(tmp_path):
    nan = float("nan")
    assert gate(tmp_path, old=[*OLD, 0.81], new=[*shifted(0.03), nan]) is Decision.undecided
    assert gate(tmp_path, old=[*OLD, nan], new=[*shifted(0.03), 0.83]) is Decision.passed
    assert gate(tmp_path, old=OLD, new=shifted(0.03), gone=[nan] * 6) is Decision.undecided


LOOK = ("--looks", "4", "--looks", "5")


@pytest.mark.parametrize(
    ("old", "new", "nan", "options", "reason"),
    [
        ("01234", "01234", "", (), None),
        ("01234", "01234", "1", (), "new: has no value of seed 1"),
        ("01234", "0234", "", (), "new: has no row of seed 1"),
        ("01234", "014", "0", (), "new: has no value of seed 0 and no row of seeds 2, 3"),
        ("0134", "01234", "", (), None),  # the baseline's
        ("0134", "0124", "", (), "new: has no row of seed 3"),
        ("01234", "0123", "", LOOK, None),  # seed 4 belongs to the next look
        ("01234", "0124", "", LOOK, "new: has no row of seed 3"),
    ],
)
def test_a_run_without_value_or_row_is_the_reason(tmp_path, capsys, old, new, nan, options, reason):
    """A crashed run does not pass, whether its value is missing or its row."""
    rows = [f"old,{seed},{OLD[int(seed)]}" for seed in old]
    values = {seed: OLD[int(seed)] + 0.03 + int(seed) / 1000 for seed in new}
    rows += [f"new,{seed},{'NaN' if seed in nan else values[seed]}" for seed in new]
    path = tmp_path / "results.csv"
    path.write_text("\n".join(["arm,seed,value", *rows]), encoding="utf-8")
    for json_option in ([], ["--json"]):
        with pytest.raises(SystemExit) as caught:
            main([str(path), *OPTIONS, "--higher-is-better", *options, *json_option])
        assert caught.value.code == (3 if reason else 0)
    *lines, document = capsys.readouterr().out.splitlines()
    assert json.loads(document)["reason"] == reason
    assert ("passes" in lines[1]) is (reason is None)
    assert (lines[-1] == f"UNDECIDED, exit status 3: {reason}.") is (reason is not None)


def test_one_seed_and_equal_differences_have_no_interval(tmp_path, capsys):
    assert gate(tmp_path, old=OLD[:1], new=[0.9]) is Decision.undecided
    one = "new: UNDECIDED: one seed has no interval; run 6 seeds or more; f1 +0.085 (n = 1)"
    assert one in capsys.readouterr().out
    assert gate(tmp_path, old=OLD[:3], new=OLD[:3]) is Decision.undecided
    assert "3 equal differences have no interval; run 6 seeds or more" in capsys.readouterr().out


def test_number_of_seeds_that_would_decide_does(tmp_path, capsys):
    """Of equal arms with that many seeds, the share that passes is the promised power."""
    source = np.random.default_rng(1)
    first = list(source.normal(0.8, 0.02, 6))
    assert gate(tmp_path, "--json", old=OLD, new=first) is Decision.undecided
    spread = np.std(np.subtract(first, OLD), ddof=1)
    needed = json.loads(capsys.readouterr().out)["arms"]["new"]["seeds_needed"]
    passed = [
        gate(
            tmp_path,
            old=list(source.normal(0.8, spread / 2**0.5, needed)),
            new=list(source.normal(0.8, spread / 2**0.5, needed)),
        )
        for _ in range(40)
    ].count(Decision.passed)
    assert passed >= 23  # 80 % of 40 is 32; below 23 once in a thousand


def test_an_arm_that_is_worse_by_the_margin_rarely_passes(tmp_path):
    source, passed = np.random.default_rng(2), 0
    for _ in range(100):
        old = list(source.normal(0.8, 0.004, 8))
        new = list(source.normal(0.79, 0.004, 8))
        passed += gate(tmp_path, old=old, new=new) is Decision.passed
    assert passed <= 9  # at most 2.5 % of 100; beyond 9 once in a thousand


LOOKS = ("--looks", "4", "--looks", "6", "--looks", "12")


@pytest.mark.parametrize(
    ("seeds", "following", "line"),
    [
        (5, 6, "UNDECIDED: n = 5 is no planned look; next look at 6;"),
        (7, 12, "UNDECIDED: n = 7 is no planned look; next look at 12;"),
        (13, None, "UNDECIDED: n = 13 is no planned look, and none is left;"),
    ],
)
def test_it_decides_at_planned_looks_alone(tmp_path, capsys, seeds, following, line):
    old, new = (np.resize(values, seeds).tolist() for values in (OLD, shifted(0.5)))
    assert gate(tmp_path, *LOOKS, old=old, new=new) is Decision.undecided
    assert line in capsys.readouterr().out
    assert gate(tmp_path, *LOOKS, "--json", old=old, new=new) is Decision.undecided
    document = json.loads(capsys.readouterr().out)
    arm = document["arms"]["new"]
    assert (arm["planned_look"], arm["next_look"], arm["seeds_needed"]) == (
        False, following, following
    )  # fmt: skip
    assert document["cautions"][0].startswith(f"new: n = {seeds} is no planned look")


def test_seeds_needed_at_a_look_are_those_of_the_last_one(tmp_path, capsys):
    def needed(new: list[float], *options: str) -> int:
        assert gate(tmp_path, "--json", *options, old=OLD, new=new) is Decision.undecided
        return json.loads(capsys.readouterr().out)["arms"]["new"]["seeds_needed"]

    looks = ("--looks", "6", "--looks", "12", "--looks", "30")
    noisy = shifted(0.0, noise=0.03)
    assert needed(noisy) <= needed(noisy, *looks) <= 1.05 * needed(noisy)  # 0.049, not 0.00001
    # Enough at the last look's level, and not at this one's: the next look.
    assert needed(shifted(0.0, noise=0.0045), *looks) == 12


def test_a_loop_that_adds_seeds_ends_at_a_planned_look(tmp_path, capsys):
    def status(seeds: int, by: float) -> Decision:
        old, new = (np.resize(values, seeds).tolist() for values in (OLD, shifted(by)))
        return gate(tmp_path, *LOOKS, old=old, new=new)

    found = [status(seeds, -0.004) for seeds in range(2, 7)]
    assert found == [Decision.undecided] * 4 + [Decision.passed]
    assert "; next look at 6;" in capsys.readouterr().out
    assert [status(seeds, -0.03) for seeds in (11, 12)] == [Decision.undecided, Decision.worse]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name a table or an --mlflow EXPERIMENT"),
        ([str(Path(__file__).parent)], "tests is a folder; gate takes tables: CSV,"),
        ([__file__], "test_gate.py is a file of another kind; gate takes tables: CSV,"),
        (["runs/none"], "runs/none is no file or folder that exists; gate takes tables"),
        (["none.csv", *OPTIONS], "none.csv: there is no such file."),
        (["none.csv", "--margin", "1"], "name the arm that the others are compared with"),
    ],
)
def test_bad_input_is_status_2(refused, arguments, message):
    assert callable(refused)
    assert message in refused(main, arguments)
