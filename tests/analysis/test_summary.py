"""The terminal table at the widths people have, and the wording of numbers."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from convchoice.analysis import text as wording
from convchoice.analysis.verdict import Verdict
from convchoice.summary import main, print_study, print_summary
from making import DIGITS, LECTURE, Compared, study_values

ERRORS = {"max": [10, 11, 12, 11, 10, 12], "average": [14, 17, 15, 14, 15, 18]}


def printed(comparison: dict[str, object], monkeypatch: pytest.MonkeyPatch, columns: int) -> str:
    monkeypatch.setenv("COLUMNS", str(columns))
    out = io.StringIO()
    print_study(comparison, out)
    return out.getvalue()


@pytest.mark.parametrize("columns", [80, 100, 200])
def test_the_table_fits_and_nothing_is_cut(
    compared: Compared, monkeypatch: pytest.MonkeyPatch, columns: int
):
    study = study_values(
        arms=["average", "max_4x4", "average_4x4"], against={"average_4x4": "max_4x4"}
    )
    errors = {**ERRORS, "max_4x4": [11] * 6, "average_4x4": [21, 24, 22, 21, 22, 25]}
    text = printed(compared(errors, study), monkeypatch, columns)
    assert max(map(len, text.splitlines())) <= columns
    assert "…" not in text
    for word in ("average_4x4", "vs max_4x4", "[98.81, 98.99]", "worse", "93.3k", "2.79M", "8.2"):
        assert word in text
    assert "\x1b" not in text  # no colours where there is no terminal


def test_a_difference_has_its_sign_interval_and_verdict(
    compared: Compared, monkeypatch: pytest.MonkeyPatch
):
    text = printed(compared(ERRORS), monkeypatch, 100)
    # Errors differ by 4, 6, 3, 3, 5 and 6 of 1,000: mean 4.5, s = 1.378, t(0.975; 5) = 2.571.
    assert "−0.45" in text
    assert "[−0.59, −0.31]" in text
    assert "The claim holds: max is better than average." in text
    assert "Margin ±0.10 pp." in text


def test_one_pair_of_runs_is_said_to_be_no_more(
    compared: Compared, monkeypatch: pytest.MonkeyPatch
):
    text = printed(compared({"max": [0], "average": [40]}), monkeypatch, 200)
    told = "average against max, seed 0: 0 images are right in average alone, 40 in max alone;"
    assert told in text
    assert "McNemar's exact p < 0.001, of these two networks alone." in text
    assert "McNemar" not in printed(compared(ERRORS), monkeypatch, 200)


def test_cautions_are_printed_once(compared: Compared, monkeypatch: pytest.MonkeyPatch):
    options = {arm: {"dataset": DIGITS} for arm in ("max", "average")}
    text = printed(compared({"max": [3], "average": [4]}, options=options), monkeypatch, 400)
    assert text.count("No source of MNIST answered") == 1
    assert text.count("can never reject at 0.05") == 1
    assert "Small scale: 1 epoch over 1,297 training images, 1 seed an arm." in text


def test_markup_in_names_is_printed_as_it_is(compared: Compared, monkeypatch: pytest.MonkeyPatch):
    study = study_values(question="[red]Is :smile: it?[/red]")
    assert "[red]Is :smile: it?[/red]" in printed(compared(ERRORS, study), monkeypatch, 80)


def test_a_printed_table_is_set_beside_ours(compared: Compared, monkeypatch: pytest.MonkeyPatch):
    options = {"lecture": {"epochs": 5, "validation": False}}
    text = printed(compared({"lecture": [5, 7, 8, 9, 10]}, LECTURE, options), monkeypatch, 400)
    assert "3 are below it, 0 equal and 2 above (ours span 99.00 to" in text
    assert "verdict" not in text
    assert "3 / 0 / 2" in text


def test_one_epoch_says_what_compares(compared: Compared, monkeypatch: pytest.MonkeyPatch):
    options = {"lecture": {"validation": False}}
    text = printed(compared({"lecture": [20, 21]}, LECTURE, options), monkeypatch, 400)
    assert "After epoch 1 the printed training accuracy is 94.36 % and ours 95.59 %" in text
    assert "are not comparable" in text


def test_the_paths_of_the_report_are_said_where_it_is(compared: Compared, tmp_path: Path):
    out = io.StringIO()
    print_summary([compared(ERRORS)], tmp_path, out)
    assert "The report" not in out.getvalue()
    (tmp_path / "index.html").touch()
    print_summary([], tmp_path, out)
    assert str(tmp_path / "index.html") in out.getvalue().replace("\n", "")


def test_the_command_prints_every_study(
    compared: Compared, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    for name in ("one", "two"):
        folder = tmp_path / "reports" / name
        folder.mkdir(parents=True)
        comparison = compared(ERRORS, study_values(name=name))
        (folder / "comparison.json").write_text(json.dumps(comparison), encoding="utf-8")
    main([str(tmp_path / "reports")])
    out = capsys.readouterr().out
    assert out.index("one  ") < out.index("two  ")


def test_a_folder_without_results_says_what_to_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit, match="2"):
        main([str(tmp_path)])
    assert "make repro" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (wording.signed(-0.1234, 2), "−0.12"),
        (wording.signed(0.1234, 2), "+0.12"),
        (wording.signed(-0.001, 2), "0.00"),
        (wording.percent(0.99215), "99.22"),
        (wording.interval(None, 2), "–"),
        (wording.interval([-0.1, 0.25], 2, with_signs=True), "[−0.10, +0.25]"),
        (wording.whole(93322), "93,322"),
        (wording.short(2_794_240), "2.79M"),
        (wording.short(12), "12"),
        (wording.short(None), "–"),
        (wording.memory(1_572_864), "1.5 MiB"),
        (wording.memory(3 * 2**30), "3 GiB"),
        (wording.duration(8.26), "8.3 s"),
        (wording.duration(59.97), "1 min 00 s"),
        (wording.duration(250), "4 min 10 s"),
        (wording.duration(7_500), "2 h 05 min"),
        (wording.p_value(0.0004), "< 0.001"),
        (wording.p_value(0.0321), "0.032"),
        (wording.ratio(1.0), "same"),
        (wording.ratio(0.25), "×0.25"),
        (wording.seeds([7, 0, 1, 2, 4]), "0–2, 4, 7"),
    ],
)
def test_numbers_as_a_person_reads_them(said: str, text: str):
    assert said == text


def contrasts(*verdicts: tuple[str, str, str]) -> dict[str, Any]:
    listed = [{"arm": arm, "partner": partner, "verdict": word} for arm, partner, word in verdicts]
    return {"claim": None, "printed": None, "contrasts": listed}


def test_many_contrasts_are_said_in_one_sentence_what_was_shown_first() -> None:
    against_one = contrasts(
        ("a", "max", "inconclusive"), ("b", "max", "worse"), ("c", "max", "better"),
        ("d", "max", "worse"), ("e", "max", "inconclusive"),
    )  # fmt: skip
    assert wording.answer(against_one) == (
        "Of 5 arms against max, c is better, b and d are worse and 2 are inconclusive."
    )
    against_two = contrasts(
        ("a", "max", "worse"), ("b", "gap", "worse"), ("c", "gap", "worse"), ("d", "max", "better"),
    )  # fmt: skip
    assert wording.answer(against_two) == (
        "Of 4 contrasts, d (against max) is better"
        " and a (against max), b and c (against gap) are worse."
    )


def test_every_verdict_has_its_place_in_the_sentence() -> None:
    assert set(wording.VERDICT_WORDS) == {verdict.value for verdict in Verdict}
