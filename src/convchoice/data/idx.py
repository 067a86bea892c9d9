"""The IDX format in which MNIST's files come: gzipped, a header, then unsigned bytes.

The header is two zero bytes, a type code (0x08, unsigned byte), the number of dimensions, and each
dimension's size as a big-endian 32-bit number (http://yann.lecun.com/exdb/mnist). Knows nothing of
data sets: what a file should hold is in `datasets`.
"""

import gzip
import io
import math
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convchoice.errors import UserError

UNSIGNED_BYTE = 0x08
LEGAL_DIMENSIONS = (1, 3)
PREFIX_BYTES = 4
BYTES_PER_SIZE = 4


def decode_idx(content: bytes, origin: str) -> NDArray[np.uint8]:
    """The array in a gzipped IDX file's bytes.

    Args:
        content: the whole file, as it lies on disk.
        origin: the file's name, for the messages.

    Returns:
        Images (N, height, width) or labels (N,), uint8; the array is the caller's to change.

    Raises:
        UserError: if the content is not gzip, has a wrong magic number or type code, has neither
            one nor three dimensions, or is longer or shorter than its header says.
    """
    try:
        plain = gzip.decompress(content)
    except EOFError:
        raise UserError(f"{origin}: is a truncated gzip file; fetch it again.") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise UserError(f"{origin}: is not a gzip file ({error}).") from None
    shape = _shape(plain, origin)
    offset = PREFIX_BYTES + BYTES_PER_SIZE * len(shape)
    expected, found = math.prod(shape), len(plain) - offset
    if found != expected:
        sizes = " × ".join(f"{size:,}" for size in shape)
        fault = "truncated" if found < expected else "followed by extra bytes"
        raise UserError(
            f"{origin}: is {fault}: its header announces {sizes} = {expected:,} bytes,"
            f" and {found:,} follow it."
        )
    return np.frombuffer(plain, dtype=np.uint8, offset=offset).reshape(shape).copy()


def _shape(plain: bytes, origin: str) -> tuple[int, ...]:
    """The sizes that the header of an unzipped IDX file announces."""
    if len(plain) < PREFIX_BYTES:
        raise UserError(f"{origin}: is truncated: {len(plain)} bytes hold no IDX header.")
    magic, type_code, dimensions = struct.unpack_from(">HBB", plain)
    if magic != 0:
        raise UserError(
            f"{origin}: has the wrong magic number 0x{plain[:PREFIX_BYTES].hex()}: an IDX file"
            " begins with two zero bytes (0x00000803 for images, 0x00000801 for labels)."
        )
    if type_code != UNSIGNED_BYTE:
        raise UserError(
            f"{origin}: has type code 0x{type_code:02x}: only unsigned bytes (0x08) are read here."
        )
    if dimensions not in LEGAL_DIMENSIONS:
        raise UserError(
            f"{origin}: has {dimensions} dimensions: images have 3 (N, height, width), labels 1."
        )
    if len(plain) < PREFIX_BYTES + BYTES_PER_SIZE * dimensions:
        raise UserError(f"{origin}: is truncated within its header of {dimensions} dimensions.")
    return struct.unpack_from(f">{dimensions}I", plain, PREFIX_BYTES)


def encode_idx(array: NDArray[np.uint8]) -> bytes:
    """A gzipped IDX file's bytes, the same for the same array whenever they are made.

    Args:
        array: images (N, height, width) or labels (N,), uint8.

    Raises:
        ValueError: for another type or another number of dimensions.
    """
    if array.dtype != np.uint8 or array.ndim not in LEGAL_DIMENSIONS:
        raise ValueError(
            f"IDX files here hold uint8 of 1 or 3 dimensions, not {array.dtype} of {array.ndim}."
        )
    header = struct.pack(f">HBB{array.ndim}I", 0, UNSIGNED_BYTE, array.ndim, *array.shape)
    buffer = io.BytesIO()
    # GzipFile, not gzip.compress: the latter's header differs between versions of Python.
    with gzip.GzipFile(filename="", mode="wb", fileobj=buffer, compresslevel=9, mtime=0) as file:
        file.write(header + array.tobytes())
    return buffer.getvalue()


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Images (N, height, width) or labels (N,) of a gzipped IDX file, uint8.

    Raises:
        UserError: if the file cannot be read, or for the reasons of `decode_idx`.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}.") from error
    return decode_idx(content, str(path))


def write_idx(path: Path, array: NDArray[np.uint8]) -> None:
    """Write images (N, height, width) or labels (N,) as `encode_idx` gives them.

    Raises:
        ValueError: for another type or another number of dimensions.
    """
    path.write_bytes(encode_idx(array))
