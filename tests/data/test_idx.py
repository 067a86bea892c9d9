"""The IDX format: round trips, fixed bytes, and each way a file can be wrong."""

import gzip
import re
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as numpy_strategies
from numpy.typing import NDArray

from convchoice.data.idx import decode_idx, encode_idx, read_idx, write_idx
from convchoice.errors import UserError

shapes = st.one_of(
    st.tuples(st.integers(0, 50)),
    st.tuples(st.integers(0, 5), st.integers(1, 9), st.integers(1, 9)),
)


def packed(magic: int, type_code: int, sizes: tuple[int, ...], data: bytes) -> bytes:
    header = struct.pack(f">HBB{len(sizes)}I", magic, type_code, len(sizes), *sizes)
    return gzip.compress(header + data)


@settings(max_examples=50, deadline=None)
@given(array=numpy_strategies.arrays(np.uint8, shapes))
def test_what_is_written_is_read_again(array: NDArray[np.uint8]) -> None:
    again = decode_idx(encode_idx(array), "array")
    assert again.dtype == np.uint8
    assert again.shape == array.shape
    np.testing.assert_array_equal(again, array)


def test_the_layout_is_that_of_the_format() -> None:
    plain = gzip.decompress(encode_idx(np.array([[[1, 2, 3]], [[4, 5, 6]]], dtype=np.uint8)))
    assert plain == bytes.fromhex("00000803 00000002 00000001 00000003 010203040506")
    assert gzip.decompress(encode_idx(np.array([7], dtype=np.uint8))) == bytes.fromhex(
        "00000801 00000001 07"
    )


def test_the_gzip_header_holds_neither_time_nor_name() -> None:
    header = encode_idx(np.zeros(3, dtype=np.uint8))[:10]
    assert header == bytes.fromhex("1f8b 08 00 00000000 02 ff")


def test_files_round_trip_and_arrays_can_be_changed(tmp_path: Path) -> None:
    path = tmp_path / "labels.gz"
    write_idx(path, np.array([3, 1], dtype=np.uint8))
    labels = read_idx(path)
    labels[0] = 9
    assert labels.tolist() == [9, 1]
    assert read_idx(path).tolist() == [3, 1]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<html>", "x.gz: is not a gzip file (Not a gzipped file (b'<h'))."),
        (b"", "x.gz: is truncated: 0 bytes hold no IDX header."),
        (
            packed(0x1234, 8, (1,), b"a"),
            "x.gz: has the wrong magic number 0x12340801: an IDX file begins with two zero bytes",
        ),
        (
            packed(0, 0x0D, (1,), b"abcd"),
            "x.gz: has type code 0x0d: only unsigned bytes (0x08) are read here.",
        ),
        (
            packed(0, 8, (1, 1), b"a"),
            "x.gz: has 2 dimensions: images have 3 (N, height, width), labels 1.",
        ),
        (
            gzip.compress(bytes.fromhex("00000803 00000001")),
            "x.gz: is truncated within its header of 3 dimensions.",
        ),
        (
            packed(0, 8, (2, 2, 2), b"abcdefg"),
            "x.gz: is truncated: its header announces 2 × 2 × 2 = 8 bytes, and 7 follow it.",
        ),
        (
            packed(0, 8, (2,), b"abc"),
            "x.gz: is followed by extra bytes: its header announces 2 = 2 bytes, and 3 follow it.",
        ),
        (
            encode_idx(np.arange(200, dtype=np.uint8))[:-20],
            "x.gz: is a truncated gzip file; fetch it again.",
        ),
    ],
    ids=[
        "page",
        "empty",
        "magic",
        "type",
        "dimensions",
        "header",
        "short",
        "long",
        "half",
    ],
)
def test_a_wrong_file_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(UserError, match=f"^{re.escape(message)}"):
        decode_idx(content, "x.gz")


def test_damaged_compression_is_refused() -> None:
    content = bytearray(encode_idx(np.arange(200, dtype=np.uint8)))
    content[10] ^= 0xFF
    with pytest.raises(UserError, match=r"^x\.gz: is not a gzip file \("):
        decode_idx(bytes(content), "x.gz")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nothing\.gz: cannot be read: No such file or directory"):
        read_idx(tmp_path / "nothing.gz")


@pytest.mark.parametrize(
    "array", [np.zeros(3, dtype=np.int64), np.zeros((2, 2), dtype=np.uint8)], ids=["type", "2-d"]
)
def test_only_bytes_of_one_or_three_dimensions_are_written(array: NDArray[np.uint8]) -> None:
    with pytest.raises(ValueError, match="uint8 of 1 or 3 dimensions, not"):
        encode_idx(array)
