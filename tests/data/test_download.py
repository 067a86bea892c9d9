"""Downloads: mirrors in their order, the fallback, and only the project's own files touched."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from convchoice.commands import download as stage
from convchoice.config.datasets import CIFAR10, FASHION_MNIST, IDX_FILES, KMNIST, MNIST
from convchoice.config.schema import Dataset, Fallback
from convchoice.data import download
from convchoice.data.dataset import PROVENANCE, load
from convchoice.data.download import ensure, mirror_url
from convchoice.data.fallback_digits import digits_files
from convchoice.errors import UserError
from small_data import replace_by_tiny, store_digits

REPOSITORY = Path(__file__).resolve().parents[2]
REAL_MNIST = Path(os.environ.get("MNIST_MIRROR") or REPOSITORY.parent / "shared" / "mnist")
UNREACHABLE = "http://127.0.0.1:9/"  # nothing listens on the discard port
TRAIN_IMAGES, TEST_LABELS = IDX_FILES[0], IDX_FILES[3]

needs_mnist = pytest.mark.skipif(
    not all((REAL_MNIST / name).is_file() for name in IDX_FILES),
    reason=f"MNIST's files are not in {REAL_MNIST}; set MNIST_MIRROR to a folder that holds them",
)


@pytest.fixture(autouse=True)
def mirrors(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """The mirrors' URLs: of MNIST's variable alone, unless a test appends one."""
    for spec in (MNIST, FASHION_MNIST, KMNIST, CIFAR10):
        monkeypatch.delenv(spec.mirror_variable, raising=False)
    monkeypatch.delenv(stage.FALLBACK_VARIABLE, raising=False)
    found: list[str] = []
    monkeypatch.setattr(download, "mirrors", lambda _spec: iter(found))
    return found


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mirrors: list[str]) -> Path:
    """The only mirror: a folder with the files of a tiny MNIST."""
    folder = tmp_path / "mirror"
    replace_by_tiny("mnist", monkeypatch, folder)
    mirrors.append(mirror_url(str(folder), "X"))
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "data" / "raw"


def contents(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir()}


def complete(name: str) -> set[str]:
    return {PROVENANCE, *(f"{name}/{file}" for file in IDX_FILES)}


def test_a_mirror_provides_the_data_set_once(root, tiny):
    stored = ensure(root, Dataset.mnist, None)
    assert contents(root) == complete("mnist")
    assert stored.fallback_note is None
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    (tiny / TRAIN_IMAGES).unlink()
    assert ensure(root, Dataset.mnist, None, retry=True) == stored
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before


def test_the_next_mirror_provides_what_is_missing(root, tiny, mirrors, capsys):
    second = tiny.parent / "second"
    tiny.rename(second)
    tiny.mkdir()
    (second / TRAIN_IMAGES).rename(tiny / TRAIN_IMAGES)
    mirrors += [UNREACHABLE, mirror_url(str(second), "X")]
    ensure(root, Dataset.mnist, Fallback.digits).verify()
    error = capsys.readouterr().err
    fetched = [line for line in error.splitlines() if line.startswith("fetching ")]
    tried = [(TRAIN_IMAGES, 0), (IDX_FILES[1], 0), (IDX_FILES[1], 1)]
    tried += [(name, 2) for name in IDX_FILES[1:]]
    assert fetched == [f"fetching {name} from {mirrors[number]}" for name, number in tried]
    assert error.index("No such file") < error.index("Connection refused")


def test_a_refusal_and_the_fallback_name_what_was_tried_and_the_ways_out(root, tiny, capsys):
    (tiny / TEST_LABELS).write_bytes(b"wrong")
    with pytest.raises(UserError) as caught:
        ensure(root, Dataset.mnist, None)
    text = str(caught.value)
    assert "no source provided MNIST (70,000 handwritten digits). Tried:\n  file:///" in text
    assert f"{TEST_LABELS}: wrong content (5 bytes)\n" in text
    assert "Set MNIST_MIRROR to a folder or URL" in text
    assert "--fallback digits" in text
    assert contents(root) == set()
    with pytest.raises(UserError, match=r"provided KMNIST[^@]*Set KMNIST_MIRROR") as caught:
        ensure(root, Dataset.kmnist, Fallback.digits)
    assert "digits" not in str(caught.value)
    capsys.readouterr()
    assert ensure(root, Dataset.mnist, Fallback.digits).spec.name == "digits"
    error = capsys.readouterr().err
    assert "NOT MNIST: no source provided MNIST" in error
    assert f"    {TEST_LABELS}: wrong content (5 bytes)\n" in error
    assert "MNIST_MIRROR=<folder or URL> make download\n" in error


def test_a_damaged_file_is_refused_until_it_is_downloaded_again(root, tiny):
    stored = ensure(root, Dataset.mnist, None)
    path = stored.path(TRAIN_IMAGES)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match=r"damaged .* Fetch it again: .*convchoice download"):
        ensure(root, Dataset.mnist, None)
    ensure(root, Dataset.mnist, None, retry=True).verify()
    path.unlink()
    ensure(root, Dataset.mnist, None).verify()


def test_what_a_killed_download_left_is_removed(root, tiny):
    (root / ".download-abc").mkdir(parents=True)
    (root / ".download-abc" / TRAIN_IMAGES).write_bytes(b"half")
    ensure(root, Dataset.mnist, None)
    assert contents(root) == complete("mnist")


def test_another_data_set_in_the_folder_is_refused(root):
    store_digits(root)
    before = contents(root)
    with pytest.raises(UserError, match=r"holds scikit-learn's digits .* not KMNIST .*data=km"):
        ensure(root, Dataset.kmnist, None)
    assert contents(root) == before


def test_files_of_the_user_are_left_alone(root, tiny):
    mine = {"mnist/thesis.txt", f"digits/{TEST_LABELS}", ".mnist.partial/x"}
    for name in mine:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("mine")
    ensure(root, Dataset.mnist, Fallback.digits, retry=True)
    assert contents(root) == complete("mnist") | mine
    assert {(root / name).read_text() for name in mine} == {"mine"}


@pytest.mark.parametrize(
    ("name", "has_mirror"),
    [
        (f"mnist/{TEST_LABELS}", True), ("mnist", True), (PROVENANCE, True),
        (f"digits/{TEST_LABELS}", False), ("digits", False),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("tiny")
def test_a_file_of_the_user_in_the_way_is_refused(root, name, has_mirror, mirrors):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("mine")
    if not has_mirror:
        mirrors.clear()
    message = r"was not written by convchoice.* Move or del"
    for retry in (False, True):
        with pytest.raises(UserError, match=message) as caught:
            ensure(root, Dataset.mnist, Fallback.digits, retry=retry)
        assert str(caught.value).startswith(f"{path}: ")
    assert contents(root) == {name}
    assert path.read_text() == "mine"


def test_files_in_place_are_accepted(root, tiny, mirrors):
    """Copied by the user, or left by a kill before the provenance was written."""
    mirrors.clear()
    (root / "digits").mkdir(parents=True)
    for name, content in digits_files().items():
        (root / "digits" / name).write_bytes(content)
    assert ensure(root, Dataset.mnist, Fallback.digits).is_fallback
    (root / PROVENANCE).unlink()
    tiny.rename(root / "mnist")
    assert not ensure(root, Dataset.mnist, None).is_fallback


def command(folder: Path, mirror: str) -> subprocess.Popen[str]:
    """The stage in its own process, without a network."""
    proxies = {"http_proxy": UNREACHABLE, "https_proxy": UNREACHABLE}
    environment = os.environ | proxies | {"MNIST_MIRROR": mirror}
    arguments, pipe = [sys.executable, "-m", "convchoice", "download"], subprocess.PIPE
    return subprocess.Popen(
        arguments, cwd=folder, env=environment, stdout=pipe, stderr=pipe, text=True
    )


@needs_mnist
def test_mnist_replaces_the_fallback(tmp_path):
    root = tmp_path / "data" / "raw"
    printed, error = command(tmp_path, mirror="").communicate()
    assert printed.endswith("SHA-256 f58d817bd51d…, in data/raw/digits\n"), error
    assert "NOT MNIST" in error
    both = [command(tmp_path, str(REAL_MNIST.resolve())) for _ in range(2)]  # one waits
    for process in both:
        printed, error = process.communicate()
        assert printed == (
            "MNIST (70,000 handwritten digits): 60,000 training and 10,000 test images,"
            " SHA-256 1380708c2768…, in data/raw/mnist\n"
        ), error
    assert contents(root) == complete("mnist") | complete("digits")
    images, labels = load(root).train()
    assert images.shape == (60_000, 28, 28)
    assert labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert load(root).test()[1][:5].tolist() == [7, 2, 1, 0, 4]


def test_the_variable_sets_the_fallback_and_the_option_overrides_it(root, monkeypatch):
    monkeypatch.setenv(stage.FALLBACK_VARIABLE, "none")
    with pytest.raises(UserError, match="no source provided MNIST"):
        stage.main(["--root", str(root)])
    stage.main(["--root", str(root), "--fallback", "digits"])
    assert load(root).is_fallback
    monkeypatch.delenv(stage.FALLBACK_VARIABLE)
    stage.main(["--root", str(root)])  # conf/data/mnist.yaml allows the fallback
    with pytest.raises(UserError, match="each data set needs a folder of its own"):
        stage.main(["--data", "mnist", "kmnist", "--root", str(root)])
    params = root.parent / "params.yaml"
    params.write_text(f"scale: quick\narms: [max]\nstudies: [a]\ndata: [{{root: {root}}}]\n")
    stage.main(["--params", str(params), "--root", str(root)])
    with pytest.raises(UserError, match=r"--root = 'x': must be a folder of `data` in .*Legal: /"):
        stage.main(["--params", str(params), "--root", "x"])
    monkeypatch.setenv(stage.FALLBACK_VARIABLE, "letters")
    with pytest.raises(UserError, match=r"^CONVCHOICE_FALLBACK = 'letters': must be one of digits"):
        stage.main([])
