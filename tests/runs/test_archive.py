"""Compact copies of run folders, and archives in parts."""

import errno
import gzip
import re
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from convchoice.errors import RunFolderError, UserError
from convchoice.runs import archive
from convchoice.runs.archive import ARCHIVE, copy_compact, extract_archive, write_archive
from convchoice.runs.run import read_run
from convchoice.runs.run_folder import PREDICTIONS, WEIGHTS
from made_up_runs import altered, make_run


@pytest.mark.parametrize(("weights", "kept"), [(True, True), (False, False)])
def test_a_compact_copy_is_a_run_without_logits(tmp_path, weights, kept):
    source = make_run(tmp_path / "runs", "max", 3, 7)
    with altered(source) as folder:
        save_file({"weight": np.arange(4, dtype=np.float32)}, folder / WEIGHTS)
    target = tmp_path / "copy" / "max" / "seed-3"
    copy_compact(source, target, weights=weights)
    run, copy = read_run(source), read_run(target)
    assert (copy.metrics, copy.history, copy.environment) == (
        run.metrics,
        run.history,
        run.environment,
    )
    for ours, theirs in zip(copy.classes(), run.classes(), strict=True):
        assert np.array_equal(ours, theirs)
    assert ("weight" in load_file(target / WEIGHTS)) is kept
    assert (target / PREDICTIONS).stat().st_size < (source / PREDICTIONS).stat().st_size
    with pytest.raises(
        RunFolderError, match=r"predictions\.npz: is of a compact run folder, without logits"
    ):
        copy.predictions()
    copy_compact(target, tmp_path / "second" / "max" / "seed-3", weights=weights)
    second = read_run(tmp_path / "second" / "max" / "seed-3")
    assert np.array_equal(second.classes()[0], run.classes()[0])


def test_an_archive_has_parts_of_limited_size_and_leaves_out_what_is_too_much(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(archive, "PART_BYTES", 1000)
    monkeypatch.setattr(archive, "MOST_PARTS", 3)
    random = np.random.default_rng(0)
    for name, size in (("reports", 1500), ("runs", 800), ("unfinished", 5000)):
        (tmp_path / "in" / name).mkdir(parents=True)
        (tmp_path / "in" / name / "file").write_bytes(random.bytes(size))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / f"{ARCHIVE}.7").touch()  # of an earlier, larger one
    parts = write_archive(tmp_path / "in", tmp_path / "out", ("runs", "unfinished"))
    assert "unfinished takes too much room" in capsys.readouterr().out
    assert sorted((tmp_path / "out").iterdir()) == parts
    assert [part.stat().st_size for part in parts[:2]] == [1000, 1000]
    extract_archive(tmp_path / "out", tmp_path / "again")
    for name in ("reports", "runs"):
        content = (tmp_path / "in" / name / "file").read_bytes()
        assert (tmp_path / "again" / name / "file").read_bytes() == content
    assert not (tmp_path / "again" / "unfinished").exists()
    monkeypatch.setattr(archive, "MOST_PARTS", 1)
    with pytest.raises(UserError, match="more than 1,000"):
        write_archive(tmp_path / "in", tmp_path / "out", ("runs", "unfinished"))


@pytest.fixture
def three_parts(tmp_path, monkeypatch):
    """An archive of three parts, of one file of random bytes."""
    monkeypatch.setattr(archive, "PART_BYTES", 1000)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "file").write_bytes(np.random.default_rng(0).bytes(2500))
    return write_archive(tmp_path / "in", tmp_path / "out")


def test_a_flipped_bit_anywhere_is_refused_and_nothing_is_written(tmp_path, three_parts):
    whole = b"".join(part.read_bytes() for part in three_parts)
    header = 10  # and the file's name; a time, without a checksum
    content = gzip.decompress(whole)
    for at in np.random.default_rng(1).integers(8 * header, 8 * len(whole), 200):
        damaged = bytearray(whole)
        damaged[at // 8] ^= 1 << at % 8
        with suppress(Exception):
            if gzip.decompress(damaged) == content:
                continue  # one of up to seven bits that fill the last byte
        for number, part in enumerate(three_parts):
            part.write_bytes(damaged[1000 * number : 1000 * (number + 1)])
        with pytest.raises(UserError, match=re.escape(f"{tmp_path / 'out'}: cannot be read")):
            extract_archive(tmp_path / "out", tmp_path / "again")
        assert not (tmp_path / "again").exists()


@pytest.mark.parametrize("call", ["write_bytes", "replace", "unlink"])
def test_writing_that_is_cut_off_leaves_the_old_archive_or_the_new_one(
    tmp_path, three_parts, monkeypatch, call
):
    """A full disk while parts are written, a kill before the first rename or the last removal."""
    new = b"new" * 500
    before = (tmp_path / "in" / "file").read_bytes()
    (tmp_path / "in" / "file").write_bytes(new)

    def cut_off(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "")

    with monkeypatch.context() as patch:
        patch.setattr(Path, call, cut_off)
        with pytest.raises(UserError):
            write_archive(tmp_path / "in", tmp_path / "out")
    extract_archive(tmp_path / "out", tmp_path / "again")
    found = (tmp_path / "again" / "file").read_bytes()
    assert found == (new if call == "unlink" else before)


@pytest.mark.parametrize("damage", ["none", "missing", "short"])
def test_a_damaged_archive_is_refused(tmp_path, three_parts, damage):
    parts = three_parts
    if damage == "missing":
        parts[1].unlink()
    elif damage == "short":
        parts[-1].write_bytes(parts[-1].read_bytes()[:-100])
    else:
        for part in parts:
            part.unlink()
    with pytest.raises(UserError, match="Copy all parts again"):
        extract_archive(tmp_path / "out", tmp_path / "again")
