"""Events through files: nothing is lost, doubled or made up, whatever was killed in its midst."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convchoice.execution.event_files import EventReader, EventWriter, heard, told
from convchoice.runs.events import Advanced, Ended, EpochEnded, Event, Started

numbers = st.floats(allow_nan=False)
names = st.text(min_size=1)
events = st.one_of(
    st.builds(Started, names, st.integers(0), st.integers(1), st.integers(0)),
    st.builds(
        Advanced, names, st.integers(0), st.integers(1), st.integers(1), numbers, numbers, numbers
    ),
    st.builds(
        EpochEnded, names, st.integers(0), st.dictionaries(names, numbers), st.integers(1), numbers
    ),
    st.builds(Ended, names, st.integers(0), st.text(), st.text(), st.booleans(), st.booleans()),
)


@given(events)
def test_a_line_gives_back_its_event_to_the_last_bit(event: Event) -> None:
    assert "\n" not in told(event)
    assert heard(told(event)) == event


def test_a_loss_that_is_no_number_travels() -> None:
    back = heard(told(EpochEnded("max", 0, {"train/loss": math.nan}, 1, math.inf)))
    assert isinstance(back, EpochEnded)
    assert math.isnan(back.row["train/loss"])
    assert back.seconds_left == math.inf


@pytest.mark.parametrize("line", ["", "{", '{"event": "Ended"}', '{"event": "Unknown"}', "3", "[]"])
def test_what_is_no_event_is_passed_over(line: str) -> None:
    assert heard(line) is None


def test_each_event_is_read_once_and_a_half_written_one_when_it_is_whole(tmp_path: Path) -> None:
    first, second = EventWriter(tmp_path / "0.jsonl"), EventWriter(tmp_path / "1.jsonl")
    reader = EventReader(tmp_path)
    assert list(reader.news()) == []
    begun = [Started("max", seed, 2, 0) for seed in (0, 1)]
    first.hear(begun[0])
    second.hear(begun[1])
    assert list(reader.news()) == begun
    line = told(Ended("max", 0))
    with first.path.open("a", encoding="utf-8") as file:
        file.write(line[:9])
        file.flush()
        assert list(reader.news()) == []
        file.write(f"{line[9:]}\n")
    assert list(reader.news()) == [Ended("max", 0)]
    assert list(reader.news()) == []


def test_a_job_that_was_killed_in_the_midst_of_a_line_goes_on_in_the_next(tmp_path: Path) -> None:
    writer, reader = EventWriter(tmp_path / "0.jsonl"), EventReader(tmp_path)
    writer.path.write_text(told(Ended("max", 0, "a failure that"))[:40], encoding="utf-8")
    assert list(reader.news()) == []
    writer.begin()
    writer.hear(Started("max", 0, 2, 1))
    assert list(reader.news()) == [Started("max", 0, 2, 1)]
