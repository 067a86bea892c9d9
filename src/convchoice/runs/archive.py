"""Run folders and results on their way from another machine: few files, of limited size.

An archive is a compressed tar in numbered parts. A compact copy of a run folder has everything that
a comparison reads: of the logits the predicted classes alone, and only small weights, if any. It is
a complete run folder, with checksums of its own. Never imports torch.
"""

import io
import shutil
import tarfile
import zlib
from collections.abc import Iterable
from pathlib import Path

from safetensors.numpy import save_file

from convchoice.errors import UserError, storing_in
from convchoice.runs.evaluation_files import write_classes
from convchoice.runs.output_files import replace_files
from convchoice.runs.run import read_run
from convchoice.runs.run_folder import CONTENT, WEIGHTS, write_checksums

ARCHIVE = "full.tar.gz"
MOST_PARTS = 4
PART_BYTES = 15 * 2**20
KEPT_WEIGHTS = 1_000_000
"""Bytes of the largest weights that are kept: those of networks that a page can show."""


def copy_compact(source: Path, target: Path, *, weights: bool) -> None:
    """Copy an evaluated run folder without logits, and without weights or with small ones.

    Raises:
        RunFolderError: if a file is changed or damaged.
    """
    run = read_run(source)
    with storing_in(target):
        target.mkdir(parents=True)
        kept = weights and (source / WEIGHTS).stat().st_size <= KEPT_WEIGHTS
        for name in CONTENT:
            if (kept or name != WEIGHTS) and run.verified(name).is_file():
                shutil.copyfile(source / name, target / name)
        if not kept:
            save_file({}, target / WEIGHTS)
        write_classes(target, *run.classes())
        write_checksums(target)


def write_archive(folder: Path, output: Path, without: Iterable[str] = ()) -> list[Path]:
    """Write the files of a folder as numbered parts, in the place of those of an earlier archive.

    Args:
        folder: whose files are packed.
        output: where.
        without: folders in it that are left out, the last ones first, if the parts are too many.

    Returns:
        The parts.

    Raises:
        UserError: if the parts are too many nevertheless.
    """
    left_out = list(without)
    skipped: list[str] = []
    while True:
        content = _compressed(folder, skipped)
        parts = [content[at : at + PART_BYTES] for at in range(0, len(content), PART_BYTES)]
        if len(parts) <= MOST_PARTS:
            break
        if not left_out:
            most = MOST_PARTS * PART_BYTES
            raise UserError(f"{folder}: takes {len(content):,} bytes, more than {most:,}.")
        skipped.append(left_out.pop())
        print(f"{output}: {skipped[-1]} takes too much room and is left out", flush=True)
    names = [f"{ARCHIVE}.{number}" for number in range(len(parts))]
    replace_files(output, dict(zip(names, parts, strict=True)))
    paths = [output / name for name in names]
    with storing_in(output):  # last: a surplus part of an earlier archive does no harm
        for old in set(output.glob(f"{ARCHIVE}.*")) - set(paths):
            old.unlink()
    return paths


def _compressed(folder: Path, skipped: Iterable[str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=6) as archive:
        for path in sorted(folder.iterdir()):
            if path.name not in skipped:
                archive.add(path, path.name)
    return buffer.getvalue()


def _decompressed(content: bytes) -> bytes:
    """The tar in a gzip file, whose checksum at its end is verified; what follows does not count.

    Raises:
        zlib.error: if it is damaged.
        EOFError: if its end is missing.
    """
    stream = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    found = stream.decompress(content)
    if not stream.eof:
        raise EOFError
    return found


def extract_archive(parts: Path, folder: Path) -> None:
    """Extract the parts of an archive in a folder into another.

    Raises:
        UserError: if there is none, or a part is missing or damaged; nothing is written then.
    """
    number = len(list(parts.glob(f"{ARCHIVE}.*")))
    try:
        content = [(parts / f"{ARCHIVE}.{part}").read_bytes() for part in range(number)]
        files = _decompressed(b"".join(content))
        with tarfile.open(fileobj=io.BytesIO(files), mode="r:") as archive:
            archive.extractall(folder, filter="data")
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise UserError(
            f"{parts}: cannot be read as the parts {ARCHIVE}.0, {ARCHIVE}.1, … of an archive"
            f" ({type(error).__name__}). Copy all parts again."
        ) from error
