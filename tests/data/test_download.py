"""Downloads: sources in their order, the fallback, and only the project's own files touched."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from convchoice import download as stage
from convchoice.config.datasets import IDX_FILES, SPECS, TEST_LABELS, TRAIN_IMAGES
from convchoice.config.schema import Dataset, Fallback
from convchoice.data import download
from convchoice.data.dataset import PROVENANCE, load
from convchoice.data.digits import digits_files
from convchoice.data.download import ensure
from convchoice.data.mirrors import Mirror, parse_mirror
from convchoice.errors import StorageError, UserError
from small_data import store_digits
from tiny_datasets import replace_by_tiny

REPOSITORY = Path(__file__).resolve().parents[2]
REAL_MNIST = Path(os.environ.get("MNIST_MIRROR") or REPOSITORY.parent / "shared" / "mnist")
UNREACHABLE = "http://127.0.0.1:9"  # nothing listens on the discard port

needs_mnist = pytest.mark.skipif(
    not all((REAL_MNIST / name).is_file() for name in IDX_FILES),
    reason=f"MNIST's files are not in {REAL_MNIST}; set MNIST_MIRROR to a folder that holds them",
)


@pytest.fixture(autouse=True)
def public(monkeypatch: pytest.MonkeyPatch) -> list[Mirror]:
    """The public mirrors: none, unless a test appends one."""
    found: list[Mirror] = []
    for name in ("mnist", "fashion_mnist", "kmnist", "cifar10"):
        monkeypatch.delenv(SPECS[name].mirror_variable, raising=False)
    monkeypatch.delenv(stage.FALLBACK_VARIABLE, raising=False)
    monkeypatch.setattr("convchoice.data.mirrors.public_mirrors", lambda _spec: found)
    return found


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A folder with the files of a tiny MNIST, which `MNIST_MIRROR` names."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    for name, content in replace_by_tiny("mnist", monkeypatch).items():
        (folder / name).write_bytes(content)
    monkeypatch.setenv("MNIST_MIRROR", str(folder))
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "data" / "raw"


def contents(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir()}


def complete(name: str) -> set[str]:
    return {PROVENANCE, *(f"{name}/{file}" for file in IDX_FILES)}


def test_a_mirror_provides_the_data_set_once(root: Path, tiny: Path) -> None:
    stored = ensure(root, Dataset.mnist, None)
    assert contents(root) == complete("mnist")
    assert (stored.fallback_note, stored.provenance.source) == (None, str(tiny))
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    (tiny / TRAIN_IMAGES).unlink()
    assert ensure(root, Dataset.mnist, None, retry=True) == stored
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before


def test_the_next_mirror_provides_what_is_missing_or_wrong(
    root: Path, tiny: Path, public: list[Mirror], tmp_path: Path
) -> None:
    second = tmp_path / "second"
    tiny.rename(second)
    tiny.mkdir()
    (tiny / TRAIN_IMAGES).write_bytes((second / TRAIN_IMAGES).read_bytes())
    (second / TRAIN_IMAGES).write_bytes(b"wrong")
    public += [parse_mirror(UNREACHABLE, "X"), parse_mirror(str(second), "X")]
    stored = ensure(root, Dataset.mnist, Fallback.digits)
    stored.verify()
    assert stored.provenance.source == f"{tiny} and {second}"
    first, unreachable = stored.provenance.failed_sources
    assert (first.source, unreachable.source) == (str(tiny), UNREACHABLE)
    assert "No such file" in first.reason
    assert "Connection refused" in unreachable.reason


def test_the_fallback_is_announced_without_a_password(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MNIST_MIRROR", "https://user:SECRET@127.0.0.1:9/")
    assert ensure(root, Dataset.mnist, Fallback.digits).name == "digits"
    error = capsys.readouterr().err
    assert "NOT MNIST: no source provided MNIST" in error
    assert "  https://***@127.0.0.1:9/\n    train-images-idx3-ubyte.gz: [Errno 111]" in error
    assert "MNIST_MIRROR=<folder or URL> make download\n" in error
    assert "SECRET" not in error + (root / PROVENANCE).read_text()


def test_a_refusal_names_what_was_tried_and_the_ways_out(root: Path, tiny: Path) -> None:
    (tiny / TEST_LABELS).write_bytes(b"wrong")
    with pytest.raises(UserError) as caught:
        ensure(root, Dataset.mnist, None)
    text = str(caught.value)
    assert f"no source provided MNIST (70,000 handwritten digits). Tried:\n  {tiny}\n" in text
    assert f"{TEST_LABELS}: has wrong content (5 bytes, SHA-256 " in text
    assert "set MNIST_MIRROR to a folder or URL" in text
    assert contents(root) == set()
    with pytest.raises(UserError, match=r"There is no fallback for KMNIST"):
        ensure(root, Dataset.kmnist, Fallback.digits)


def test_a_damaged_file_is_refused_until_it_is_downloaded_again(root: Path, tiny: Path) -> None:
    stored = ensure(root, Dataset.mnist, None)
    path = stored.path(TRAIN_IMAGES)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match=r"damaged .* Fetch it again: .*convchoice download"):
        ensure(root, Dataset.mnist, None)
    ensure(root, Dataset.mnist, None, retry=True).verify()
    path.unlink()
    ensure(root, Dataset.mnist, None).verify()


def test_another_data_set_in_the_folder_is_refused(tmp_path: Path) -> None:
    store_digits(tmp_path / "raw")
    before = contents(tmp_path)
    with pytest.raises(UserError, match=r"holds scikit-learn's digits .* not KMNIST .*data=km"):
        ensure(tmp_path / "raw", Dataset.kmnist, None)
    assert contents(tmp_path) == before


def test_files_of_the_user_are_left_alone(root: Path, tiny: Path) -> None:
    notes = [
        root / "mnist" / "thesis.txt",
        root / "digits" / "notes.txt",
        root / ".mnist.partial/x",
    ]
    for path in notes:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
    store_digits(root)
    ensure(root, Dataset.mnist, Fallback.digits, retry=True)
    mine = {str(path.relative_to(root)) for path in notes}
    assert contents(root) == complete("mnist") | mine
    assert {path.read_text() for path in notes} == {"mine"}


@pytest.mark.parametrize(
    "name", [f"mnist/{TEST_LABELS}", f"digits/{TEST_LABELS}", PROVENANCE, "mnist", "digits"]
)
@pytest.mark.usefixtures("tiny")
def test_a_file_of_the_user_in_the_way_is_refused(root: Path, name: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("mine")
    for retry in (False, True):
        with pytest.raises(
            UserError, match=r"was not written by convchoice.* Move or del"
        ) as caught:
            ensure(root, Dataset.mnist, Fallback.digits, retry=retry)
        assert str(caught.value).startswith(f"{path}: ")
    assert contents(root) == {name}
    assert path.read_text() == "mine"


def test_a_stored_file_that_was_changed_is_not_removed(root: Path, tiny: Path) -> None:
    """A file of the fallback is removed with it only as it was written."""
    store_digits(root)
    changed = root / "digits" / TEST_LABELS
    changed.write_text("mine")
    ensure(root, Dataset.mnist, Fallback.digits, retry=True)
    assert contents(root) == complete("mnist") | {f"digits/{TEST_LABELS}"}
    assert changed.read_text() == "mine"


def test_files_in_place_are_accepted(root: Path, tiny: Path) -> None:
    """Copied by the user, or left by a kill before the provenance was written."""
    (root / "digits").mkdir(parents=True)
    for name, content in digits_files().items():
        (root / "digits" / name).write_bytes(content)
    assert store_digits(root).name == "digits"
    (root / PROVENANCE).unlink()
    (root / "mnist").mkdir()
    for path in tiny.iterdir():
        path.rename(root / "mnist" / path.name)
    stored = ensure(root, Dataset.mnist, Fallback.digits)
    assert (stored.name, stored.provenance.source) == ("mnist", download.ALREADY_STORED)


def test_a_tilde_is_the_home_folder(
    tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert ensure(Path("~/d"), Dataset.mnist, None).root == tmp_path / "d" == load(Path("~/d")).root
    with pytest.raises(UserError, match=r"data\.root = '~nobody-here"):
        ensure(Path("~nobody-here/d"), Dataset.mnist, None)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, tiny: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StorageError, match=r"file/raw: Not a directory"):
        ensure(tmp_path / "file" / "raw", Dataset.mnist, None)


def run(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """The stage in its own process, without a network."""
    proxies = {"http_proxy": UNREACHABLE, "https_proxy": UNREACHABLE}
    command = [sys.executable, "-m", "convchoice.download", *arguments]
    environment = os.environ | proxies | variables
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


@needs_mnist
def test_mnist_replaces_the_fallback(tmp_path: Path) -> None:
    root = tmp_path / "data" / "raw"
    first = run(cwd=tmp_path, MNIST_MIRROR="")
    assert first.returncode == 0, first.stderr
    assert first.stdout.endswith("SHA-256 f58d817bd51d…, in data/raw/digits\n")
    assert "NOT MNIST" in first.stderr
    finished = run(cwd=tmp_path, MNIST_MIRROR=str(REAL_MNIST.resolve()))
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout == (
        "MNIST (70,000 handwritten digits): 60,000 training and 10,000 test images,"
        " SHA-256 1380708c2768…, in data/raw/mnist\n"
    )
    assert contents(root) == complete("mnist")
    images, labels = load(root).train()
    assert images.shape == (60_000, 28, 28)
    assert labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert load(root).test()[1][:5].tolist() == [7, 2, 1, 0, 4]


@needs_mnist
def test_two_processes_at_once_store_one_data_set(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "convchoice.download"]
    environment = os.environ | {"MNIST_MIRROR": str(REAL_MNIST.resolve())}
    both = [
        subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL)
        for _ in range(2)
    ]
    assert [process.wait() for process in both] == [0, 0]
    load(tmp_path / "data" / "raw").verify()
    assert contents(tmp_path / "data" / "raw") == complete("mnist")


def test_the_variable_sets_the_fallback_and_the_option_overrides_it(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(stage.FALLBACK_VARIABLE, "none")
    with pytest.raises(UserError, match="no source provided MNIST"):
        stage.main(["--root", str(root)])
    stage.main(["--root", str(root), "--fallback", "digits"])
    assert load(root).name == "digits"
    monkeypatch.setenv(stage.FALLBACK_VARIABLE, "digits")
    assert [stage.default_fallback(dataset=each) for each in Dataset] == ["digits", *["none"] * 3]


def test_refused_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"--fallback digits: is a fallback for MNIST only, not"):
        stage.main(["--data", "kmnist", "--root", str(tmp_path), "--fallback", "digits"])
    with pytest.raises(UserError, match="each data set needs a folder of its own"):
        stage.main(["--data", "mnist", "kmnist", "--root", str(tmp_path)])
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mnist.yaml").write_text("fallback: null\n", encoding="utf-8")
    assert stage.default_fallback(tmp_path) == "none"
    monkeypatch.setenv(stage.FALLBACK_VARIABLE, "letters")
    with pytest.raises(UserError, match=r"^CONVCHOICE_FALLBACK=letters: must be one of digits, no"):
        stage.default_fallback()
