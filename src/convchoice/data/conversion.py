"""Folders of images, and data sets of torchvision, as verified arrays.

    <root>/<data set>/provenance.json    source, classes, what was converted, SHA-256 of each file
    <root>/<data set>/<name>/*.npy       images uint8 (N, H, W) or (N, C, H, W), labels (N,)

torchvision decodes and resizes. A conversion is kept until a file of the folder changes (its name,
size or time). What enters a fingerprint is the SHA-256 of the arrays, so that a folder which was
copied or touched retrains nothing.
"""

import hashlib
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from filelock import FileLock
from numpy.typing import NDArray

from convchoice.config.datasets import ARRAY_FILES, SPECS, data_folder, data_name
from convchoice.config.schema import LARGEST_SIDE, Config, Contents, DataConfig
from convchoice.config.validation import validated
from convchoice.data.dataset import (
    PROVENANCE,
    Conversion,
    Provenance,
    StoredDataset,
    load,
    sha256_of,
)
from convchoice.data.download import ensure, temporary_folder
from convchoice.data.image_sources import (
    TEST,
    TRAIN,
    VALIDATION,
    Images,
    Source,
    signature_of,
    source_of,
)
from convchoice.errors import ImagesError, UserError, require, storing_in

Pixels = NDArray[np.uint8]
LIMITS = [Path("/sys/fs/cgroup") / name for name in ("memory.max", "memory/memory.limit_in_bytes")]
"""The memory limit of a container, in Linux's two versions of control groups."""
LEFTOVER = ".convert-"
"""Begins the name of the folder of a conversion that is under way."""


def prepare(data: DataConfig, *, verify: bool = True) -> StoredDataset:
    """Make sure that the images of a configuration are stored: download or convert them if not.

    Several processes may call this at once: one converts, the others wait.

    Args:
        data: names the images.
        verify: also check the SHA-256 of a conversion, and convert again if a file is damaged.

    Raises:
        UserError: for images that cannot be used; see `image_sources` and `ensure`.
        StorageError: if the files cannot be written.
    """
    if data.name.name in SPECS:
        return ensure(Path(data.root), data.name, data.fallback)
    root, signature = data_folder(data), signature_of(data)
    if stored := _current(root, data, signature, verify):
        return stored
    with storing_in(root):
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root.parent / f".{root.name}.lock"):
            return _current(root, data, signature, verify) or _convert(root, data, signature)


def with_contents(config: Config) -> Config:
    """A configuration with what its images are, which are converted first if necessary.

    That of a published data set is unchanged.

    Raises:
        ImagesError: for images that cannot be used.
        UserError: for a configuration that does not fit them.
    """
    if config.data.name.name in SPECS:
        return config
    try:
        made = prepare(config.data, verify=False).provenance.conversion
    except UserError as error:
        raise ImagesError(str(error)) from error
    assert made is not None  # noqa: S101 - it was converted
    splits = not made.contents.validation_images and config.data.validation_size != 0
    for name, count in zip(made.class_names, made.images, strict=True):
        require(
            count > 1 or not splits, "data.validation_size", config.data.validation_size,
            f"class {name} has a single training image, and a split by class needs two of each.",
            "Add images, put some into val/, or hold out none: data.validation_size=0.",
        )  # fmt: skip
    return validated(replace(config, data=replace(config.data, contents=made.contents)))


def _current(root: Path, data: DataConfig, signature: str, verify: bool) -> StoredDataset | None:
    """The stored conversion if it is of these files."""
    if not (root / PROVENANCE).is_file():
        return None
    stored = load(root, data.name)
    made = stored.provenance.conversion
    if made is None or made.signature != signature:
        return None
    if verify:
        try:
            stored.verify()
        except UserError:
            return None
    return stored if all(stored.path(name).is_file() for name in ARRAY_FILES) else None


def _convert(root: Path, data: DataConfig, signature: str) -> StoredDataset:
    source = source_of(data)
    count = sum(map(len, source.parts.values()))
    name = data_name(data)
    print(f"converting {count:,} images of {name} to {root}", file=sys.stderr, flush=True)
    pixels, labels, class_names = converted(source, data.size)
    shared = shared_images(pixels)
    for part, found in shared.items():
        if found:
            images = f"{found:,} of {len(pixels[part]):,} images of {part}/"
            which = f"{images} are in a part before it, too: accuracies are too high."
            print(f"caution: {name}: {which}", file=sys.stderr, flush=True)
    given = VALIDATION in source.parts
    contents = Contents(
        classes=len(class_names),
        channels=1 if pixels[TRAIN].ndim == 3 else 3,  # noqa: PLR2004 - (N, H, W)
        side=pixels[TRAIN].shape[-1],
        train_images=len(pixels[TRAIN]),
        validation_images=len(pixels[VALIDATION]) if given else 0,
        test_images=len(pixels[TEST]),
    )
    training = (TRAIN, VALIDATION) if given else (TRAIN,)
    arrays = [
        np.concatenate([found[part] for part in parts]) if len(parts) > 1 else found[parts[0]]
        for parts in (training, (TEST,))
        for found in (pixels, labels)
    ]
    images = np.bincount(labels[TRAIN], minlength=len(class_names)).tolist()
    made = Conversion(
        source=str(data.path) if data.dataset is None else data.dataset,
        signature=signature,
        class_names=class_names,
        images=images,
        contents=contents,
        shared_images=shared,
    )
    with temporary_folder(root, LEFTOVER) as new:
        for file, array in zip(ARRAY_FILES, arrays, strict=True):
            np.save(new / file, array)
        files = {file: sha256_of(new / file) for file in ARRAY_FILES}
        provenance = Provenance(requested=data.name.name, used=name, files=files, conversion=made)
        return StoredDataset.store(root, provenance, new, ARRAY_FILES)


def converted(
    source: Source, size: int | None
) -> tuple[dict[str, Pixels], dict[str, NDArray[Any]], list[str]]:
    """Pixels (N, H, W) or (N, 3, H, W) and labels (N,) of each part, and the classes' names.

    One channel is kept where red, green and blue agree in every pixel of every image.
    """
    resize, side = _resizing(size), size or 0
    count = sum(map(len, source.parts.values()))
    pixels: dict[str, Pixels] = {}
    given: dict[str, list[int]] = {}
    for part, images in source.parts.items():
        side = side or len(_read(images, 0, part, resize)[0])
        check_memory(count, side, memory())
        pixels[part], given[part] = _read_all(images, part, resize, side)
    values = sorted(set(given[TRAIN]))
    for part, found in given.items():
        if set(found) != set(values):
            raise UserError(f"{part}: its classes are not those of {TRAIN}.")
    places = {value: place for place, value in enumerate(values)}
    kind = np.min_scalar_type(len(values) - 1)
    labels = {
        part: np.array([places[value] for value in found], kind) for part, found in given.items()
    }
    if all((each == each[..., :1]).all() for each in pixels.values()):
        channels = {part: np.ascontiguousarray(each[..., 0]) for part, each in pixels.items()}
    else:
        channels = {
            part: np.ascontiguousarray(each.transpose(0, 3, 1, 2)) for part, each in pixels.items()
        }
    return channels, labels, [source.class_names.get(value, str(value)) for value in values]


def shared_images(pixels: Mapping[str, Pixels]) -> dict[str, int]:
    """How many images of `val` are in `train`, and of `test` in `train` or `val`, to the pixel."""
    known: set[bytes] = set()
    shared = {}
    for part in (TRAIN, VALIDATION, TEST):
        found = [hashlib.sha256(image).digest() for image in pixels.get(part, ())]
        shared[part] = sum(each in known for each in found)
        known.update(found)
    del shared[TRAIN]
    return shared


def memory() -> int:
    """Bytes of this machine's memory, or of its container's if that is limited."""
    found: list[int] = [psutil.virtual_memory().total]
    for path in LIMITS:
        with suppress(OSError, ValueError):  # no container of this kind; `max` for no limit
            found.append(int(path.read_text()))
    return min(found)


def check_memory(images: int, side: int, memory: int) -> None:
    """Refuse images that do not fit into memory twice, as a training needs them.

    Raises:
        UserError: naming the sizes in bytes.
    """
    needed = 3 * images * side**2
    if 2 * needed > memory:
        raise UserError(
            f"{images:,} images of {side}×{side} pixels take {needed / 1e9:,.1f} GB, and a training"
            f" holds them twice: more than this machine's memory, {memory / 1e9:,.1f} GB. Choose a"
            " smaller data.size, or fewer images."
        )


def _resizing(size: int | None) -> Callable[[Any], Any]:
    """A function that makes a PIL image size × size pixels; for None it changes nothing."""
    from torchvision.transforms import v2  # noqa: PLC0415 - seconds

    if size is None:
        return lambda image: image
    made: Callable[[Any], Any] = v2.Compose([v2.Resize(size, antialias=True), v2.CenterCrop(size)])
    return made


def _read(
    images: Images, index: int, part: str, resize: Callable[[Any], Any]
) -> tuple[Pixels, int]:
    """The pixels (H, W, 3) of an image, and its label.

    Raises:
        UserError: for an image that is not square or too large, or cannot be read.
    """
    try:
        image, label = images[index]
    except UserError:
        raise
    except Exception as error:  # of a damaged file; Pillow raises many types
        raise UserError(f"{name_of(images, index, part)}: cannot be read: {error}.") from error
    pixels = np.asarray(resize(image.convert("RGB")))
    height, width, _ = pixels.shape
    if height != width or height > LARGEST_SIDE:
        raise UserError(
            f"{name_of(images, index, part)}: is {width}×{height} pixels. Images must be square,"
            f" of at most {LARGEST_SIDE} pixels a side. Give a size to resize to: data.size=64"
        )
    return pixels, int(label)


def name_of(images: Images, index: int, part: str) -> str:
    """An image for messages: its file, or its number."""
    samples = getattr(images, "samples", None)
    return str(samples[index][0]) if samples else f"image {index} of {part}"


def _read_all(
    images: Images, part: str, resize: Callable[[Any], Any], side: int
) -> tuple[Pixels, list[int]]:
    """The pixels (N, side, side, 3) and the labels of a part."""
    kept, labels = np.empty((len(images), side, side, 3), np.uint8), []

    def read(index: int) -> tuple[Pixels, int]:
        return _read(images, index, part, resize)

    with ThreadPoolExecutor() as pool:  # Pillow decodes and resizes without Python's lock
        for index, (pixels, label) in enumerate(pool.map(read, range(len(images)))):
            if len(pixels) != side:
                raise UserError(
                    f"{name_of(images, index, part)}: is {len(pixels)} pixels a side, and the"
                    f" images before are {side}. Give a size to resize all to: data.size={side}"
                )
            kept[index] = pixels
            labels.append(label)
    return kept, labels
