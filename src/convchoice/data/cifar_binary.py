"""CIFAR-10's binary version: an archive of six files of records, a label and an image each.

A record is a byte for the label and C·H·W bytes for the pixels, channel after channel (red, green,
blue), row after row (https://www.cs.toronto.edu/~kriz/cifar.html). The Python version of the same
data is a pickle, which could execute anything when it is loaded; here bytes stay bytes. Nothing is
unpacked to a place that the archive names: members are read into memory, by the names that are
expected, and an archive with a link, a device or a path that leads out of it is refused whole.
"""

import io
import math
import tarfile
import zlib
from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from convchoice.errors import UserError

FOLDER = "cifar-10-batches-bin"
"""Folder in the archive in which the files lie."""
LABEL_BYTES = 1


def members_of(archive: bytes, names: Sequence[str], origin: str) -> dict[str, bytes]:
    """The contents of the named files of an archive.

    Args:
        archive: a gzipped tar file.
        names: of files in the archive's `FOLDER`.
        origin: the archive's name, for the messages.

    Returns:
        Bytes by name, in the order of `names`.

    Raises:
        UserError: if this is no such archive, a member is no plain file or folder or leads out of
            the archive, or a named file is missing or stands twice.
    """
    wanted = {f"{FOLDER}/{name}": name for name in names}
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
            for member in tar:
                _check_member(member, origin)
                name = wanted.get(member.name.removeprefix("./"))
                if name is None or member.isdir():
                    continue
                if name in found:
                    raise UserError(f"{origin}: holds {member.name} twice.")
                file = tar.extractfile(member)
                found[name] = b"" if file is None else file.read()
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise UserError(f"{origin}: is not a whole gzipped tar archive ({error}).") from None
    missing = [name for name in names if name not in found]
    if missing:
        raise UserError(f"{origin}: lacks {', '.join(missing)} in its folder {FOLDER}.")
    return {name: found[name] for name in names}


def _check_member(member: tarfile.TarInfo, origin: str) -> None:
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or "\\" in member.name:
        raise UserError(f"{origin}: its member {member.name!r} leads out of the archive.")
    if not (member.isfile() or member.isdir()):
        raise UserError(f"{origin}: its member {member.name!r} is neither a file nor a folder.")


def decode_records(
    content: bytes, image_shape: tuple[int, int, int], origin: str
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Images (N, C, H, W) and labels (N,) of a file of records, uint8.

    Args:
        content: the whole file.
        image_shape: (C, H, W).
        origin: the file's name, for the messages.

    Raises:
        UserError: if the file does not consist of whole records.
    """
    record = LABEL_BYTES + math.prod(image_shape)
    if not content or len(content) % record:
        raise UserError(
            f"{origin}: has {len(content):,} bytes, which is no whole number of records of"
            f" {record:,} bytes (a label and {'×'.join(map(str, image_shape))} pixels)."
        )
    records = np.frombuffer(content, dtype=np.uint8).reshape(-1, record)
    images = records[:, LABEL_BYTES:].reshape(-1, *image_shape)
    return images.copy(), records[:, 0].copy()
