"""CIFAR-10's binary form: records by hand, and each way an archive can be wrong or wicked."""

import io
import tarfile
from collections.abc import Callable

import numpy as np
import pytest

from convchoice.data.cifar_binary import FOLDER, decode_records, members_of
from convchoice.errors import UserError

NAMES = ("data_batch_1.bin", "test_batch.bin")


def packed(*members: tuple[str, bytes], change: Callable[[tarfile.TarInfo], None] | None = None):
    """A gzipped tar file; `change` is done to the last member's header."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for number, (name, content) in enumerate(members, start=1):
            header = tarfile.TarInfo(name)
            header.size = len(content)
            if change is not None and number == len(members):
                change(header)
            tar.addfile(header, io.BytesIO(content[: header.size]))
    return buffer.getvalue()


def good(*more: tuple[str, bytes], **options: object) -> bytes:
    files = [(f"{FOLDER}/{name}", name.encode()) for name in NAMES]
    return packed(*files, *more, **options)  # type: ignore[arg-type]


def test_a_record_is_a_label_then_red_green_and_blue_row_by_row() -> None:
    first = bytes([7, *range(12)])
    second = bytes([2, *range(100, 112)])
    images, labels = decode_records(first + second, (3, 2, 2), "here")
    assert labels.tolist() == [7, 2]
    assert images.shape == (2, 3, 2, 2)
    assert images[0].tolist() == [[[0, 1], [2, 3]], [[4, 5], [6, 7]], [[8, 9], [10, 11]]]
    assert images[1, 2, 0].tolist() == [108, 109]
    images[0, 0, 0, 0] = 9  # the caller's to change
    assert images.dtype == labels.dtype == np.uint8


@pytest.mark.parametrize("size", [0, 1, 3072, 3074])
def test_a_file_that_is_not_whole_records_is_refused(size: int) -> None:
    with pytest.raises(UserError, match=r"here: has .* no whole number of records of 3,073 bytes"):
        decode_records(bytes(size), (3, 32, 32), "here")


def test_the_named_files_come_out_and_nothing_else() -> None:
    archive = good((f"{FOLDER}/readme.html", b"<html>"), ("elsewhere/test_batch.bin", b"other"))
    assert members_of(archive, NAMES, "a") == {name: name.encode() for name in NAMES}
    dotted = packed(*[(f"./{FOLDER}/{name}", name.encode()) for name in NAMES])
    assert members_of(dotted, NAMES, "a") == {name: name.encode() for name in NAMES}


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../up", f"{FOLDER}/../../up", "C:\\Windows\\x", f"{FOLDER}/.."]
)
def test_an_archive_that_leads_out_of_itself_is_refused_whole(name: str) -> None:
    with pytest.raises(UserError, match=r"a: its member .* leads out of the archive"):
        members_of(good((name, b"x")), NAMES, "a")


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_are_refused(kind: bytes) -> None:
    def change(header: tarfile.TarInfo) -> None:
        header.type, header.linkname, header.size = kind, "/etc/passwd", 0

    with pytest.raises(UserError, match="is neither a file nor a folder"):
        members_of(good((f"{FOLDER}/link", b""), change=change), NAMES, "a")


def test_what_is_missing_or_there_twice_is_named() -> None:
    alone = packed((f"{FOLDER}/{NAMES[0]}", b"x"))
    with pytest.raises(UserError, match=r"a: lacks test_batch\.bin in its folder cifar-10-bat"):
        members_of(alone, NAMES, "a")
    with pytest.raises(UserError, match="twice"):
        members_of(good((f"{FOLDER}/{NAMES[0]}", b"another")), NAMES, "a")


@pytest.mark.parametrize(
    "archive",
    [b"", b"no archive", good()[:-30], good()[:60], packed((f"{FOLDER}/x", bytes(9999)))[:-9]],
    ids=["empty", "no archive", "cut in the middle", "cut in the head", "cut at the end"],
)
def test_a_damaged_archive_is_refused(archive: bytes) -> None:
    with pytest.raises(UserError, match="a: "):
        members_of(archive, NAMES, "a")
