"""Stored data sets: every file is checked when it is read, and only `test` reads test images."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convchoice.config.datasets import CLASSES, SPECS, TEST_IMAGES, TRAIN_LABELS
from convchoice.config.schema import Dataset, Fallback
from convchoice.data import download
from convchoice.data.dataset import PROVENANCE, combined_digest, load, sha256_of
from convchoice.errors import UserError
from tiny_datasets import arrays, replace_by_tiny


@pytest.fixture
def root(data_root: Path, tmp_path: Path) -> Path:
    """A copy of the stored digits, to be damaged."""
    return Path(shutil.copytree(data_root, tmp_path / "raw"))


def edit_provenance(root: Path, **values: Any) -> None:
    path = root / PROVENANCE
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_every_configurable_data_set_has_a_specification() -> None:
    assert set(SPECS) == set(Dataset.__members__) | set(Fallback.__members__)
    for name, spec in SPECS.items():
        assert spec.name == name
        assert len(set(spec.class_names)) == CLASSES
        assert all(spec.files.values()) == (name != "digits")


@pytest.mark.parametrize("name", ["fashion_mnist", "kmnist", "cifar10"])
def test_arrays_of_every_format(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for file, content in replace_by_tiny(name, monkeypatch).items():
        (tmp_path / file).write_bytes(content)
    monkeypatch.setenv(f"{name.upper()}_MIRROR", str(tmp_path))
    stored = download.ensure(tmp_path / "raw", Dataset[name], None)
    images, labels = arrays(name)
    images = images if name == "cifar10" else images[:, 0]
    for found, expected in ((stored.train(), slice(0, 100)), (stored.test(), slice(100, 120))):
        for array, whole in zip(found, (images, labels), strict=True):
            assert array.dtype == np.uint8
            assert array.flags.c_contiguous
            assert np.array_equal(array, whole[expected])


def test_loading_reads_the_provenance_only(root: Path) -> None:
    shutil.rmtree(root / "digits")
    stored = load(root)
    assert stored.name == "digits"
    assert stored.title == "scikit-learn's digits (1,797 handwritten digits)"
    assert stored.digest == combined_digest(stored.provenance.files.values())
    assert stored.fallback_note == (
        "No source of MNIST answered: these numbers are of scikit-learn's digits (1,797"
        " handwritten digits), not of MNIST. To try MNIST again: MNIST_MIRROR=<folder or URL> make"
        " download, then make repro."
    )


def test_training_does_not_read_test_files(root: Path) -> None:
    for path in (root / "digits").glob("t10k*"):
        path.unlink()
    images, labels = load(root).train()
    assert (images.shape, labels.shape) == ((1_297, 28, 28), (1_297,))


def test_a_changed_byte_is_found_at_every_reading(root: Path) -> None:
    stored = load(root)
    stored.test()
    path = root / "digits" / TEST_IMAGES
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)
    stored.train()
    for read in (stored.test, stored.verify):
        with pytest.raises(UserError) as caught:
            read()
        assert str(caught.value).startswith(
            f"{path}: is damaged or was changed: its SHA-256 is {sha256_of(path)},"
        )
        assert f"Fetch it again: convchoice download --root {root}" in str(caught.value)


def test_a_missing_file_is_named_with_the_command(root: Path) -> None:
    path = root / "digits" / TRAIN_LABELS
    path.unlink()
    with pytest.raises(UserError) as caught:
        load(root).train()
    command = f"convchoice download --root {root}"
    assert str(caught.value) == f"{path}: is missing. Fetch it again: {command}"
    with pytest.raises(UserError, match=r"holds no data set .* Fetch one: .* --data kmnist --root"):
        load(root / "empty", Dataset.kmnist)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"failed_sources": 3}', "\x00", "[" * 100_000, '{"used": "letters"}'],
)
def test_a_provenance_of_another_program_is_refused(root: Path, text: str) -> None:
    (root / PROVENANCE).write_text(text)
    message = r"json: was not written by convchoice, or is damaged \(.*Move or delete it, then run"
    with pytest.raises(UserError, match=message) as caught:
        load(root)
    assert len(str(caught.value)) < 1000


def test_a_changed_provenance_is_refused(root: Path, data_root: Path) -> None:
    for values in ({"digest": "0" * 64}, {"used": "kmnist"}, {"files": {"é": "é"}}):
        shutil.copy(data_root / PROVENANCE, root)
        edit_provenance(root, **values)
        with pytest.raises(UserError, match=r"provenance\.json: was changed"):
            load(root)
    shutil.copy(data_root / PROVENANCE, root)
    files = load_files(root) | {"../thesis.txt": "0" * 64}
    edit_provenance(root, files=files, digest=combined_digest(files.values()))
    with pytest.raises(UserError, match=r"'../thesis.txt' is not a file name"):
        load(root)


def load_files(root: Path) -> dict[str, str]:
    return dict(json.loads((root / PROVENANCE).read_text())["files"])


def test_other_files_are_not_accepted_as_mnist(root: Path) -> None:
    """Even with a consistent provenance: the SHA-256s of MNIST are known."""
    (root / "digits").rename(root / "mnist")
    edit_provenance(root, used="mnist", digest=combined_digest(load_files(root).values()))
    with pytest.raises(UserError, match=r"was changed: it is not the provenance of MNIST"):
        load(root)


def test_checking_a_stored_data_set_imports_neither_torch_nor_scikit_learn(root: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from convchoice.config.schema import *\n"
        "from convchoice.data.download import ensure\n"
        f"ensure(Path({str(root)!r}), Dataset.mnist, Fallback.digits)\n"
        "print([name for name in ('torch', 'torchvision', 'sklearn') if name in sys.modules])"
    )
    command = [sys.executable, "-c", program]
    finished = subprocess.run(command, capture_output=True, text=True, check=True)
    assert finished.stdout.strip() == "[]"
