"""Where images that are converted come from: a folder of them, or a class of torchvision.

Both give a data set of torchvision for each part: pairs of a PIL image and a label.
"""

import hashlib
import json
import os
import re
import socket
import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from filelock import FileLock

from convchoice.config.datasets import data_name
from convchoice.config.schema import DataConfig, Dataset
from convchoice.config.torchvision_datasets import TORCHVISION
from convchoice.data.download import TIMEOUT_SECONDS, reason_of, temporary_folder
from convchoice.errors import UserError

TRAIN, VALIDATION, TEST = "train", "val", "test"
PARTS = (TRAIN, VALIDATION, TEST)
OTHER_NAMES = {
    "training": TRAIN, "validation": VALIDATION, "valid": VALIDATION, "dev": VALIDATION,
    "testing": TEST,
}  # fmt: skip
"""Other names of the parts, which would be left out without a word."""
CONVERSION = 2
"""Version of the conversion: raised with every change that may change a pixel or a label."""
MOST_CLASSES = 10_000
DEEP = ("F", "I", "I;16", "I;16B", "I;16L", "I;16N")
"""Pillow's modes of more than 8 bits a channel: their conversion would cut values off."""


class Images(Protocol):
    """Labelled images, as torchvision's data sets give them."""

    def __len__(self) -> int:
        """Number of images."""

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """A PIL image and its label."""


class Source(NamedTuple):
    """Images to convert: those of each part, and names of labels; others keep their number."""

    parts: Mapping[str, Images]
    class_names: Mapping[int, str]


def source_of(data: DataConfig) -> Source:
    """The images that a configuration names; those of torchvision are downloaded if necessary.

    Raises:
        UserError: for a folder without the parts, without images of a class, or with classes that
            differ between the parts; if a download fails.
    """
    if data.name is Dataset.folder:
        return _folder(Path(data.path or ""))
    return _of_torchvision(data)


def signature_of(data: DataConfig) -> str:
    """What changes when the images, or how they are converted, may have changed.

    `CONVERSION`, and of a folder the name, size and times of every file: no file is opened.

    Raises:
        UserError: for a folder that is not there, or lacks `train/` or `test/`, or holds a link
            that leads to nothing or to a folder above it, or a part under another name.
    """
    digest = hashlib.sha256(f"{CONVERSION} {data.size}".encode())
    if data.name is Dataset.folder:
        for part in _part_folders(Path(data.path or "")):
            for path, seen in _files(part):
                digest.update(json.dumps([path, *seen]).encode())
    return digest.hexdigest()


def _files(folder: Path) -> Iterator[tuple[str, tuple[int, int, int]]]:
    """Every file below a folder with its size, and the times of its content and of its inode."""
    fix = f"data.path = {folder.parent}: remove this link, or let it lead to"
    for parent, folders, files in os.walk(folder, followlinks=True):
        folders.sort()
        for each in map(Path(parent).joinpath, folders):
            if each.is_symlink() and Path(parent).resolve().is_relative_to(each.resolve()):
                raise UserError(f"{each}: leads to a folder above it. {fix} another folder.")
        for name in sorted(files):
            path = os.path.join(parent, name)  # noqa: PTH118 - ten times as fast for 100,000 files
            try:
                found = os.stat(path)  # noqa: PTH116
            except OSError as error:  # a broken link, or two folders with links to each other
                raise UserError(f"{path}: {error.strerror}. {fix} a file that exists.") from error
            yield os.path.relpath(path, folder), (
                found.st_size, found.st_mtime_ns, found.st_ctime_ns
            )  # fmt: skip


def _part_folders(path: Path) -> list[Path]:
    layout = "It must hold train/<class>/… and test/<class>/…, and may hold val/<class>/…"
    if not path.is_dir():
        raise UserError(f"data.path = {path}: there is no such folder. {layout}")
    for each in sorted(path.iterdir()):
        name = each.name.lower()
        part = OTHER_NAMES.get(name, name)
        if part in PARTS and each.name not in PARTS and each.is_dir():
            rule = f"{each.name}/ would not be used: the name of this part is {part}/."
            raise UserError(f"data.path = {path}: {rule} Rename the folder, or move it elsewhere.")
    for part in (TRAIN, TEST):
        if not (path / part).is_dir():
            raise UserError(f"data.path = {path}: there is no folder {part}/ in it. {layout}")
    return [path / part for part in PARTS if (path / part).is_dir()]


def _folder(path: Path) -> Source:
    # Importing torchvision takes seconds, and a folder that was converted before does not need it.
    from torchvision.datasets import ImageFolder  # noqa: PLC0415
    from torchvision.datasets.folder import IMG_EXTENSIONS  # noqa: PLC0415

    names = {
        part: sorted(each.name for each in part.iterdir() if each.is_dir())
        for part in _part_folders(path)
    }
    train = names[path / TRAIN]
    if not 2 <= len(train) <= MOST_CLASSES:  # noqa: PLR2004 - nothing to tell apart
        rule = f"there must be 2 to {MOST_CLASSES:,} folders, one a class, not {len(train):,}."
        raise UserError(f"{path / TRAIN}: {rule}")
    for folder, found in names.items():
        different = set(train) ^ set(found)
        if different:
            listed = ", ".join(
                f"{name} only in {TRAIN if name in train else folder.name}/"
                for name in sorted(different)[:5]
            )
            raise UserError(f"{folder}: its classes are not those of {TRAIN}/: {listed}.")
    parts = {
        folder.name: ImageFolder(str(folder), loader=_opened, allow_empty=True) for folder in names
    }
    for name, images in parts.items():
        present = set(images.targets)
        for label, class_name in enumerate(images.classes):
            if label not in present:
                extensions = ", ".join(IMG_EXTENSIONS)
                empty = path / name / class_name
                raise UserError(f"{empty}: a class without an image ({extensions}).")
    _name_left_out(path, {file for images in parts.values() for file, _ in images.samples})
    return Source(parts, dict(enumerate(train)))


def _name_left_out(path: Path, taken: Collection[str]) -> None:
    """Print how many files are no images of a class, by the ends of their names."""
    files = (part / name for part in _part_folders(path) for name, _ in _files(part))
    seen = (each for each in files if str(each) not in taken and not each.name.startswith("."))
    left = Counter(each.suffix.lower() or "no ending" for each in seen)
    if left:
        listed = ", ".join(f"{number:,} {end}" for end, number in left.most_common(10))
        what = f"files that are no images of a class are left out: {listed}"
        print(f"caution: {path}: {what}.", file=sys.stderr, flush=True)


def _opened(path: str) -> Any:
    """An image of a folder in RGB, as torchvision's own loader gives it.

    Raises:
        UserError: naming a file that cannot be read, or has more than 8 bits a channel.
    """
    from PIL import Image  # noqa: PLC0415 - with torchvision

    try:
        with Image.open(path) as image:
            found = re.search(r"\w+;16[BLN]", str(image.tile))  # 16 bits of the file, 8 of Pillow
            if image.mode not in DEEP and not found:
                return image.convert("RGB")
            mode = found[0] if found else image.mode
    except Exception as error:  # Pillow raises many types for a damaged file
        reason = str(error).replace(f" {path!r}", "").rstrip(".")
        fix = "Replace or remove it."
        raise UserError(f"{path}: cannot be read as an image: {reason}. {fix}") from error
    raise UserError(
        f"{path}: has more than 8 bits a channel (mode {mode}), which a conversion would cut off."
        " Save it with 8 bits."
    )


def _of_torchvision(data: DataConfig) -> Source:
    from torchvision import datasets  # noqa: PLC0415 - seconds

    known = TORCHVISION[data_name(data)]
    made = getattr(datasets, known.class_name)
    wanted = {TRAIN: known.train, VALIDATION: known.validation, TEST: known.test}

    def read(folder: Path) -> dict[str, Images]:
        return {
            part: made(str(folder), download=True, **arguments)  # keeps what is there
            for part, arguments in wanted.items()
            if arguments is not None
        }

    folder = Path(data.path or Path(data.root) / "downloads" / known.class_name)
    fix = "Delete what is damaged there, and try again" if folder.exists() else "Try again"
    seconds = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT_SECONDS)  # torchvision would wait for ever
    try:
        with FileLock(Path(data.root) / ".downloads.lock"):  # conversions to several sizes share it
            if not folder.exists():
                _make_complete(folder, read)
            parts = read(folder)
    except Exception as error:  # of the network, of a server, of an archive
        reason = f"{type(error).__name__}: {reason_of(error)}".rstrip(".")
        raise UserError(
            f"data.dataset = {data.dataset}: torchvision could not download it into {folder}, or"
            f" read it there: {reason}. {fix}, or put its files there, as"
            f" torchvision.datasets.{known.class_name} expects them."
        ) from error
    finally:
        socket.setdefaulttimeout(seconds)
    names = getattr(parts[TRAIN], "classes", ())  # Imagenette's are tuples of synonyms
    first = (each[0] if isinstance(each, tuple) else each for each in names)
    return Source(parts, dict(enumerate(map(str, first))))


def _make_complete(folder: Path, download: Callable[[Path], object]) -> None:
    """Download into another folder, and rename it: for torchvision half an archive may be all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with temporary_folder(folder.parent, f".{folder.name}-incomplete-") as temporary:
        new = temporary / folder.name
        new.mkdir()
        download(new)
        new.rename(folder)
