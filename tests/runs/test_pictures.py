"""Pictures of wrong answers: which are kept, how many, and what is refused."""

from pathlib import Path

import numpy as np
import pytest

from convchoice.errors import RunFolderError
from convchoice.runs import pictures
from convchoice.runs.checksums import write_checksums
from convchoice.runs.pictures import kept_pictures, narrowly_wrong
from convchoice.runs.run import read_run
from convchoice.runs.run_folder import PICTURES
from making import MNIST, made_up_images, make_run


def test_the_most_narrowly_wrong_are_kept_by_hand():
    labels = np.array([0, 1, 0, 1], dtype=np.uint8)
    logits = np.array([[0, 3], [0, 1], [2, 3], [4, 2]], dtype=np.float32)
    # Wrong by 3, right, wrong by 1, wrong by 2.
    assert narrowly_wrong(logits, labels, 5).tolist() == [0, 2, 3]
    assert narrowly_wrong(logits, labels, 2).tolist() == [2, 3]
    assert narrowly_wrong(logits, labels, 1).tolist() == [2]


def test_pixels_are_bounded_and_the_images_own(monkeypatch: pytest.MonkeyPatch):
    labels = np.zeros(20, dtype=np.uint8)
    logits = np.zeros((20, 2), dtype=np.float32)
    logits[:, 1] = np.arange(20) - 9.5
    images = made_up_images(20, (3, 4, 5))
    monkeypatch.setattr(pictures, "KEPT_BYTES", 200)
    kept = kept_pictures(logits, labels, images)
    assert kept.indices.tolist() == [10, 11, 12]  # 60 bytes each
    assert np.array_equal(kept.pixels, images[10:13])
    assert kept.by_index().keys() == {10, 11, 12}


def test_a_run_that_is_always_right_keeps_nothing_and_can_be_read(tmp_path: Path):
    kept = read_run(make_run(tmp_path, "max", 0, errors=0, picture_shape=(4, 4))).pictures()
    assert kept is not None
    assert kept.pixels.shape == (0, 4, 4)


def test_a_run_folder_gives_back_what_it_was_given(tmp_path: Path):
    run = read_run(make_run(tmp_path, "max", 0, errors=7, picture_shape=(28, 28)))
    kept = run.pictures()
    assert kept is not None
    logits, labels = run.predictions()
    assert kept.indices.tolist() == np.flatnonzero(logits.argmax(1) != labels).tolist()
    images = made_up_images(MNIST["test_images"], (28, 28))
    assert np.array_equal(kept.pixels, images[kept.indices])
    assert read_run(make_run(tmp_path, "old", 0)).pictures() is None


@pytest.mark.parametrize("damage", ["text", "float", "pickle", "lengths"])
def test_damaged_pictures_are_refused(tmp_path: Path, damage: str):
    path = make_run(tmp_path, "max", 0, picture_shape=(4, 4)) / PICTURES
    indices, pixels = np.arange(2), np.zeros((2, 4, 4), dtype=np.uint8)
    if damage == "text":
        path.write_text("no arrays", encoding="utf-8")
    elif damage == "float":
        np.savez(path, indices=indices, pixels=pixels.astype(float))
    elif damage == "pickle":
        np.savez(path, indices=np.array([{}, {}]), pixels=pixels)
    else:
        np.savez(path, indices=indices, pixels=pixels[:1])
    write_checksums(path.parent)
    with pytest.raises(RunFolderError, match=r"pictures\.npz: cannot be read as pictures"):
        read_run(path.parent).pictures()
