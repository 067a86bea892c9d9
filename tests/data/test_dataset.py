"""Stored data sets: every file is checked when it is read, and only `test` reads test images."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convchoice.config.datasets import CLASSES, IDX_FILES, SPECS
from convchoice.config.schema import Dataset, Fallback
from convchoice.data import download
from convchoice.data.dataset import PROVENANCE, load
from convchoice.errors import UserError
from tiny_datasets import arrays, replace_by_tiny


@pytest.fixture
def root(data_root: Path, tmp_path: Path) -> Path:
    """A copy of the stored digits, to be damaged."""
    return Path(shutil.copytree(data_root, tmp_path / "raw"))


def test_every_configurable_data_set_has_a_specification() -> None:
    assert set(SPECS) == set(Dataset.__members__) | set(Fallback.__members__)
    for name, spec in SPECS.items():
        assert spec.name == name
        assert len(set(spec.class_names)) == CLASSES
        assert all(spec.files.values()) == (name != "digits")


@pytest.mark.parametrize("name", ["fashion_mnist", "kmnist", "cifar10"])
def test_arrays_of_every_format(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace_by_tiny(name, monkeypatch, tmp_path)
    stored = download.ensure(tmp_path / "raw", Dataset[name], None)
    images, labels = arrays(name)
    images = images if name == "cifar10" else images[:, 0]
    for found, expected in ((stored.train(), slice(0, 100)), (stored.test(), slice(100, 120))):
        for array, whole in zip(found, (images, labels), strict=True):
            assert array.dtype == np.uint8
            assert array.flags.c_contiguous
            assert array.flags.writeable
            assert np.array_equal(array, whole[expected])


def test_a_data_set_stored_by_an_earlier_version(root: Path, data_root: Path) -> None:
    now = load(data_root)
    more = {"title": "", "source": "a", "digest": "", "failed_sources": [{}], "retry": "make"}
    (root / PROVENANCE).write_text(json.dumps(more | now.provenance.model_dump()))
    assert load(root).digest == now.digest
    before = (root / PROVENANCE).read_bytes()
    download.ensure(root, Dataset.mnist, Fallback.digits)
    assert (root / PROVENANCE).read_bytes() == before


def test_loading_reads_the_provenance_only(root: Path) -> None:
    shutil.rmtree(root / "digits")
    stored = load(root)
    assert stored.spec is SPECS["digits"]
    assert stored.fallback_note == (
        "No source of MNIST answered: these numbers are of scikit-learn's digits (1,797"
        " handwritten digits), not of MNIST. To try MNIST again: MNIST_MIRROR=<folder or URL> make"
        " download, then make repro."
    )


def test_a_changed_byte_is_found_at_every_reading(root: Path) -> None:
    stored = load(root)
    stored.test()
    path = root / "digits" / IDX_FILES[2]
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)
    images, labels = stored.train()  # reads no file of the test set
    assert (images.shape, labels.shape) == ((1_297, 28, 28), (1_297,))
    for read in (stored.test, stored.verify):
        with pytest.raises(UserError, match="it is damaged or was changed") as caught:
            read()
        assert str(caught.value).startswith(f"{path}: its SHA-256 is ")
        assert str(caught.value).endswith(
            f"Fetch it again: convchoice download --data mnist --root {root}"
        )


def test_a_missing_file_is_named_with_the_command(root: Path) -> None:
    path = root / "digits" / IDX_FILES[1]
    path.unlink()
    with pytest.raises(UserError) as caught:
        load(root).train()
    command = f"convchoice download --data mnist --root {root}"
    assert str(caught.value) == f"{path}: No such file or directory. Fetch it again: {command}"
    with pytest.raises(UserError, match=r"holds no data set. Fetch one: .* --data kmnist --root"):
        load(root / "empty", Dataset.kmnist)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"failed_sources": 3}', "\x00", "[" * 100_000, '{"used": "letters"}'],
)
def test_a_provenance_of_another_program_is_refused(root: Path, text: str) -> None:
    (root / PROVENANCE).write_text(text)
    message = r"json: was not written by convchoice, or was changed \(.*Move or delete it, then run"
    with pytest.raises(UserError, match=message) as caught:
        load(root)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"used": "kmnist"}, "it names no known data set"),
        ({"requested": "letters"}, "it names no known data set"),
        ({"requested": "kmnist"}, "it names no known data set"),
        ({"used": "mnist"}, "its files are not those of MNIST"),
        (
            {"files": {"../thesis.txt": "0" * 64}},
            "its files are not those of scikit-learn's digits",
        ),
    ],
)
def test_a_changed_provenance_is_refused(root: Path, values: dict[str, Any], reason: str) -> None:
    path = root / PROVENANCE
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
    with pytest.raises(UserError, match=rf"provenance\.json: .*{reason}"):
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
