"""Folders of images and torchvision's data sets as arrays: torchvision is the oracle."""

import gzip
import os
import re
import shutil
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image
from torchvision import datasets
from torchvision.datasets import FakeData, ImageFolder
from torchvision.transforms import v2

from convchoice.config.datasets import data_folder, data_name, spec_of
from convchoice.config.schema import Config, DataConfig, Dataset
from convchoice.config.torchvision_datasets import TORCHVISION
from convchoice.config.validation import config_from_mapping
from convchoice.data import conversion, image_sources
from convchoice.data.conversion import check_memory, converted, prepare, with_contents
from convchoice.data.dataset import load
from convchoice.data.image_sources import Source
from convchoice.data.split import split
from convchoice.errors import ConfigurationError, UserError
from own_images import CLASSES, write_images
from small_data import arrays, replace_by_tiny

PARTS = {"train": 12, "test": 4}


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def folder(**values: Any) -> DataConfig:
    """A configuration of the folder `images`."""
    return DataConfig(Dataset.folder, "data/folder", fallback=None, **{"path": "images"} | values)


def of_torchvision(images: ImageFolder) -> np.ndarray:
    return np.stack([np.asarray(image) for image, _ in images])


@pytest.mark.parametrize(
    ("sides", "size"), [([(28, 28)], None), ([(32, 32), (48, 40), (20, 64)], 24), ([(9, 9)], 16)]
)
def test_pixels_and_labels_are_those_of_torchvision(sides, size):
    write_images(Path("images"), PARTS, sides=sides)
    stored = prepare(folder(size=size))
    steps = [] if size is None else [v2.Resize(size, antialias=True), v2.CenterCrop(size)]
    transform = v2.Compose([v2.Identity(), *steps])
    for part, (pixels, labels) in (("train", stored.train()), ("test", stored.test())):
        expected = ImageFolder(f"images/{part}", transform)
        assert np.array_equal(pixels.transpose(0, 2, 3, 1), of_torchvision(expected))
        assert labels.tolist() == expected.targets
        assert (pixels.dtype, labels.dtype) == (np.uint8, np.uint8)
        assert pixels.flags.c_contiguous
    side = size or 28
    title = f"images (48 images of 3 classes, {side}×{side} pixels)"
    assert (stored.spec.title, stored.spec.class_names) == (title, CLASSES)
    assert stored.spec.image_shape == (3, side, side)
    assert (stored.is_fallback, stored.fallback_note) == (False, None)


@pytest.mark.parametrize("mode", ["L", "1", "LA", "RGBA", "P"])
def test_grey_images_have_one_channel_and_others_three(mode):
    write_images(Path("images"), PARTS, mode=mode)
    pixels, _ = prepare(folder()).train()
    first = np.asarray(Image.open("images/train/cat/0.png").convert("RGB"))
    if mode in {"L", "1", "LA"}:
        assert pixels.shape == (36, 28, 28)
        assert np.array_equal(pixels[0], first[..., 0])
    else:
        assert pixels.shape == (36, 3, 28, 28)
        assert np.array_equal(pixels[0].transpose(1, 2, 0), first)
    one = Image.open("images/test/owl/0.png").convert("RGB")
    one.putpixel((3, 3), (1, 2, 3))
    one.save("images/test/owl/0.png")  # one pixel of colour, in the test images
    assert prepare(folder()).train()[0].shape == (36, 3, 28, 28)


def test_a_conversion_is_kept_until_an_image_changes(capsys):
    write_images(Path("images"), PARTS)
    first = prepare(folder())
    assert "converting 48 images of images to data/folder/images-" in capsys.readouterr().err
    assert prepare(folder()) == first
    assert capsys.readouterr().err == ""
    assert prepare(folder(size=24)).digest != first.digest
    image = Path("images/train/dog/0.png")
    os.utime(image)  # touched: converted again, to the same arrays
    assert prepare(folder()).digest == first.digest
    shutil.copy("images/train/dog/2.png", image)
    changed = prepare(folder())
    assert changed.digest != first.digest
    image.unlink()
    assert prepare(folder()).spec.train_size == 35
    # With the folder gone, what was converted is still there for its runs.
    shutil.rmtree("images")
    assert load(data_folder(folder()), Dataset.folder).train()[0].shape == (35, 3, 28, 28)
    with pytest.raises(UserError, match=r"path = images: there is no such folder\. It must hold"):
        prepare(folder())


def test_images_that_are_in_two_parts_are_counted(capsys):
    write_images(Path("images"), {"train": 12, "val": 2, "test": 4})
    for source, copy in (("train", "test"), ("val", "test"), ("train", "val")):
        shutil.copy(f"images/{source}/dog/0.png", f"images/{copy}/owl/{source}.png")
    assert prepare(folder()).provenance.conversion.shared_images == {"val": 1, "test": 2}
    printed = capsys.readouterr().err
    assert "caution: images: 2 of 14 images of test/ are in a part before it, too: acc" in printed
    assert "caution: images: 1 of 7 images of val/ are in" in printed


def test_a_new_name_of_a_class_changes_the_digest():
    write_images(Path("images"), PARTS)
    first = prepare(folder())
    for part in PARTS:
        Path(f"images/{part}/dog").rename(f"images/{part}/doge")
    renamed = prepare(folder())
    assert renamed.provenance.files == first.provenance.files
    assert renamed.spec.class_names == ("cat", "doge", "owl")
    assert renamed.digest != first.digest


def test_another_version_of_the_conversion_converts_again(monkeypatch):
    write_images(Path("images"), PARTS)
    first = prepare(folder())
    monkeypatch.setattr(image_sources, "CONVERSION", image_sources.CONVERSION + 1)
    again = prepare(folder())
    assert again.provenance != first.provenance
    assert again.digest == first.digest


def test_a_damaged_file_is_refused_and_converted_again():
    write_images(Path("images"), PARTS)
    stored = prepare(folder())
    path = stored.path("train_images.npy")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(
        UserError, match=r"train_images.npy: its SHA-256 is .*Delete data/folder/im"
    ):
        stored.train()
    stored.test()
    assert prepare(folder(), verify=False) == stored  # found by what reads it
    prepare(folder()).train()
    path.unlink()
    prepare(folder(), verify=False).train()


def test_two_folders_of_one_name_and_two_sizes_are_kept_apart():
    found = {
        data_folder(folder(path=path, size=size))
        for path in ("a/images", "b/images")
        for size in (None, 16)
    }
    assert len(found) == 4
    for path in ("pets", "./pets", "pets/", "birds/../pets"):
        values = {"name": "folder", "path": path, "fallback": None}
        assert config_from_mapping({"data": values}).data.path == "pets"
    assert data_name(folder(path="my/mnist")) == "mnist.2"  # not taken for MNIST
    assert data_name(folder(path="my old pets")) == "my_old_pets"
    assert all(re.fullmatch(r"data/folder/images(-16)?-[0-9a-f]{8}", str(each)) for each in found)


def save(name: str, *size: int) -> None:
    Image.new("RGB", size).save(f"images/{name}")


def remove(*names: str) -> None:
    for name in names:
        shutil.rmtree(f"images/{name}")


def without_images(name: str) -> None:
    remove(name)
    Path(f"images/{name}").mkdir()
    Path(f"images/{name}/notes.txt").write_text("none yet")


def save_deep(name: str) -> None:
    Image.fromarray(np.full((28, 28), 60_000, np.uint16)).save(f"images/{name}")


def save_deep_colours(name: str) -> None:
    """A PNG of 16 bits a channel, which Pillow cannot write."""
    header = struct.pack(">IIBBBBB", 28, 28, 16, 2, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n"
    pixels = zlib.compress(28 * bytes(1 + 28 * 6))
    for chunk in (b"IHDR" + header, b"IDAT" + pixels, b"IEND"):
        content += struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    Path(f"images/{name}").write_bytes(content)


def link(name: str, target: str) -> None:
    Path(f"images/{name}").symlink_to(target)


CAT, DOG, OWL = (f"train/{name}/0.png" for name in CLASSES)
UNUSABLE: list[tuple[Callable[[], object], str]] = [
    (
        lambda: remove("test"),
        r"path = images: there is no folder test/ in it\. It must hold train/<c",
    ),
    *(
        (
            lambda name=name: Path(f"images/{name}").mkdir(),  # type: ignore[misc]
            rf"path = images: {name}/ would not be used: the name of this part is {part}/\.",
        )
        for name, part in (("validation", "val"), ("Valid", "val"), ("Train", "train"))
    ),
    (
        lambda: without_images("train"),
        r"images/train: there must be 2 to 10,000 folders, .*not 0\.",
    ),
    (
        lambda: remove("train/cat", "train/dog", "test/cat", "test/dog"),
        r"images/train: there must be 2 to 10,000 folders, one a class, not 1\.",
    ),
    (
        lambda: Path("images/test/owl").rename("images/test/bat"),
        r"test: its classes are not .*: bat only in test/, owl only in train/\.",
    ),
    (
        lambda: without_images("test/dog"),
        r"images/test/dog: a class without an image \(\.jpg, \.jpeg, \.png",
    ),
    (
        lambda: Path(f"images/{DOG}").write_text("not an image"),
        r"images/train/dog/0\.png: cannot be read as an image: cannot identify image file\. Repl",
    ),
    (
        lambda: os.truncate("images/test/owl/0.png", 200),
        r"images/test/owl/0\.png: cannot be read as an image: ",
    ),
    (lambda: save_deep(OWL), r"owl/0\.png: has more than 8 bits a channel .*Save it with 8 bits"),
    (lambda: save_deep_colours(OWL), r"owl/0\.png: has more than 8 bits a channel \(mode RGB;16B"),
    (
        lambda: link("train/cat/gone.png", "nowhere"),
        r"train/cat/gone\.png: No such file or directory\. data\.path = images: remove this link",
    ),
    (
        lambda: link("test/cat/again", ".."),
        r"test/cat/again: leads to a folder above it\. data\.path = images: remove this link",
    ),
    (
        lambda: (link("test/cat/dog", "../dog"), link("test/dog/cat", "../cat")),
        r"dog/cat.*: Too many levels of symbolic links\. data\.path = images: remove this link",
    ),
    (lambda: save(DOG, 30, 30), r"dog/0\.png: is 30 pixels a side, .* before are 28\. .*size=28"),
    (lambda: save(CAT, 30, 20), r"cat/0\.png: is 30×20 pixels\. Images must be square.*size=64"),
    (lambda: save(CAT, 300, 300), r"cat/0\.png: is 300×300 pixels\. .* at most 256 .*size=64"),
]


@pytest.mark.parametrize(("change", "message"), UNUSABLE)
def test_a_folder_that_cannot_be_used_is_refused_and_nothing_is_stored(change, message):
    write_images(Path("images"), PARTS)
    change()
    with pytest.raises(UserError, match=message):
        prepare(folder())
    root = data_folder(folder())
    assert not root.exists() or list(root.iterdir()) == []
    if "size=" in message:
        assert prepare(folder(size=20)).spec.image_shape == (3, 20, 20)


def test_files_that_are_no_images_of_a_class_are_counted(capsys):
    write_images(Path("images"), PARTS)
    prepare(folder())
    assert "left out" not in capsys.readouterr().err
    for name in ("train/cat/1.gif", "train/cat/2.GIF", "test/dog/LICENSE", "train/cat/.hidden"):
        Path("images", name).write_text("")
    shutil.copy("images/train/cat/0.png", "images/train/0.png")
    prepare(folder())
    said = "caution: images: files that are no images of a class are left out: 2 .gif, 1 .png, "
    assert said + "1 no ending.\n" in capsys.readouterr().err


def test_more_images_than_memory_holds_are_refused():
    check_memory(1_000, 32, 2 * 3 * 1_000 * 32**2)
    with pytest.raises(UserError, match=r"1,000 images of 32×32 pixels take 0\.0 GB, .*data\.size"):
        check_memory(1_000, 32, 2 * 3 * 1_000 * 32**2 - 1)


def test_a_container_may_have_less_memory(tmp_path, monkeypatch):
    whole = psutil.virtual_memory().total
    monkeypatch.setattr(conversion, "LIMITS", [tmp_path / "absent", tmp_path / "limit"])
    for text, expected in (("max\n", whole), ("12345\n", 12_345), (f"{2**63}", whole)):
        (tmp_path / "limit").write_text(text)
        assert conversion.memory() == expected


def test_what_a_killed_conversion_left_is_removed():
    write_images(Path("images"), PARTS)
    left = data_folder(folder()) / ".convert-abc"
    left.mkdir(parents=True)
    (left / "train_images.npy").write_bytes(b"half")
    root = prepare(folder()).root
    assert sorted(each.name for each in root.iterdir()) == ["images", "provenance.json"]


def test_contents_are_filled_in_and_the_rules_use_them():
    write_images(Path("images"), PARTS)
    config = with_contents(Config(data=folder()))
    spec = spec_of(config.data)
    assert (spec.name, spec.classes, spec.image_shape) == ("images", 3, (3, 28, 28))
    assert (spec.train_size, spec.test_size, spec.validation_size) == (36, 12, 3)
    assert with_contents(Config()) == Config()
    for values, message in (
        ({"train_size": 2}, "data.train_size = 2: must be at least 3"),
        (
            {"validation_size": 34},
            "data.validation_size = 34: a stratified choice needs 3 to 33",
        ),
        ({"canvas": 28}, "data.canvas = 28: must be larger than the 28 pixels of images's images"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            with_contents(Config(data=folder(**values)))
    with pytest.raises(ConfigurationError, match=r"data\.contents = None: is filled in when"):
        spec_of(folder())


def test_a_class_with_one_image_cannot_be_split():
    write_images(Path("images"), {"train": 1, "test": 1})
    with pytest.raises(ConfigurationError, match="class cat has a single training image, and a sp"):
        with_contents(Config(data=folder()))
    with_contents(Config(data=folder(validation_size=0)))
    write_images(Path("images"), {"val": 1})
    with_contents(Config(data=folder()))


def test_images_of_val_are_the_validation_images_and_no_others():
    write_images(Path("images"), {"train": 12, "val": 2, "test": 4})
    stored = prepare(folder())
    spec = stored.spec
    assert (spec.train_size, spec.own_validation, spec.validation_size) == (42, 6, 6)
    pixels, labels = stored.train()
    expected = of_torchvision(ImageFolder("images/val"))
    assert np.array_equal(pixels[-6:].transpose(0, 2, 3, 1), expected)
    parts = split(labels, folder(), spec.validation_size, spec.own_validation)
    assert parts.training.tolist() == list(range(36))
    assert parts.validation.tolist() == list(range(36, 42))
    parts = split(labels, folder(train_size=9), 6, spec.own_validation)
    assert np.bincount(labels[parts.training]).tolist() == [3, 3, 3]
    assert parts.training.max() < 36
    parts = split(labels, folder(validation_size=0), 0, spec.own_validation)
    assert (len(parts.training), len(parts.validation)) == (36, 0)
    with pytest.raises(ConfigurationError, match="images has validation images of its own"):
        with_contents(Config(data=folder(validation_size=5)))


def test_labels_are_numbered_from_0_and_named():
    images = list(FakeData(400, (3, 8, 8), 300, target_transform=lambda label: label + 7))
    present = sorted({label for _, label in images})
    names = {label: f"class {label}" for label in range(307)}
    pixels, labels, named = converted(Source({"train": images, "test": images}, names), None)
    assert named == [f"class {label}" for label in present]
    for place in (0, 17, 399):
        image, label = images[place]
        assert np.array_equal(pixels["test"][place].transpose(1, 2, 0), np.asarray(image))
        assert named[labels["test"][place]] == f"class {label}"


@pytest.mark.parametrize("classes", [256, 257])
def test_labels_of_more_than_256_classes_have_16_bits(classes):
    images = [(Image.new("L", (4, 4)), label) for label in range(classes)]
    source = Source({"train": images, "test": images}, {n: str(n) for n in range(classes)})
    _, labels, _ = converted(source, None)
    assert labels["train"].dtype == (np.uint8 if classes == 256 else np.uint16)
    assert labels["test"].tolist() == list(range(classes))


def test_classes_of_the_parts_must_agree():
    parts = {"train": [(Image.new("L", (4, 4)), 0)], "test": [(Image.new("L", (4, 4)), 1)]}
    with pytest.raises(UserError, match="test: its classes are not those of train"):
        converted(Source(parts, {}), None)


def test_every_name_is_a_class_of_torchvision():
    for known in TORCHVISION.values():
        assert hasattr(datasets, known.class_name)


def test_a_data_set_of_torchvision(tmp_path, monkeypatch):
    """A tiny EMNIST in the files that torchvision expects; nothing is downloaded."""
    raw = tmp_path / "downloads" / "EMNIST" / "raw"
    raw.mkdir(parents=True)
    replace_by_tiny("mnist", monkeypatch, raw)
    for packed in raw.iterdir():
        name = f"emnist-mnist-{packed.stem.replace('t10k', 'test')}"
        (raw / name).write_bytes(gzip.decompress(packed.read_bytes()))
    data = DataConfig(
        Dataset.torchvision,
        "data/torchvision",
        path="downloads",
        dataset="EMNIST-mnist",
        fallback=None,
    )
    stored = prepare(data)
    images, labels = arrays("mnist")
    assert np.array_equal(stored.train()[0], images[:100, 0])
    assert np.array_equal(stored.test()[1], labels[100:])
    assert stored.spec.title == "EMNIST-mnist (120 images of 10 classes, 28×28 pixels)"
    assert stored.spec.class_names[:2] == ("0", "1")
    assert re.fullmatch(r"data/torchvision/EMNIST-mnist-[0-9a-f]{8}", str(data_folder(data)))
    assert data_folder(replace(data, path="other")) != data_folder(data)
    assert data_folder(replace(data, path=None)) == Path("data/torchvision/EMNIST-mnist")
