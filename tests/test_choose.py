"""`choose`: a study by name, all of them, or one from elsewhere; nothing foreign is replaced."""

import shutil
from pathlib import Path

import pytest

from convchoice import CONF_DIR, PROJECT_ROOT
from convchoice.commands.choose import chosen, study_files
from convchoice.commands.choose import main as choose
from convchoice.commands.compose import chosen_studies, composed_arms
from convchoice.config.options import options
from convchoice.config.parameters import DataFolder, read_parameters
from convchoice.config.schema import Dataset
from convchoice.config.study import read_study
from convchoice.config.validation import arm_text
from convchoice.errors import UserError

OWN = """\
name: bigger_kernel
question: Do 5×5 kernels work better than 3×3 ones?
source: a colleague
baseline: max
arms: [five, five_average]
new_arms:
  five: [arm=max, conv.kernel_size=5, conv.padding=same]
  five_average: [downsample=average, conv.kernel_size=5, conv.padding=same]
against:
  five_average: five
"""


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    """A copy of the configuration that a test may add to."""
    return Path(shutil.copytree(CONF_DIR, tmp_path / "conf"))


@pytest.fixture
def params(tmp_path: Path) -> Path:
    return Path(shutil.copyfile(PROJECT_ROOT / "params.yaml", tmp_path / "params.yaml"))


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A study from elsewhere."""
    path = tmp_path / "bigger_kernel.yaml"
    path.write_text(OWN)
    return path


def edit(path: Path, *replacements: tuple[str, str]) -> None:
    text = path.read_text()
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)


def test_studies_by_name_choose_their_arms_each_once(params):
    choose(["--study", "strides_vs_pooling,pooling", "--params", str(params)])
    written = read_parameters(params)
    assert written.studies == ["strides_vs_pooling", "pooling"]
    first, second = (
        read_study(CONF_DIR / "study" / f"{name}.yaml").all_arms() for name in written.studies
    )
    assert written.arms == first + [arm for arm in second if arm not in first]
    assert (written.scale, written.reports) == ("quick", "reports")
    assert [path.stem for path in study_files("all", CONF_DIR)] == options("study")


def test_a_scale_has_its_own_reports_and_the_committed_file_is_what_choose_writes(params):
    before = read_parameters(params)
    choose(["--scale", "full", "--params", str(params)])
    after = read_parameters(params)
    assert (after.scale, after.reports) == ("full", "reports/full")
    assert (after.arms, after.studies) == (before.arms, before.studies)
    studies = ",".join(before.studies)
    choose(["--scale", "quick", "--study", studies, "--params", str(params)])
    assert params.read_bytes() == (PROJECT_ROOT / "params.yaml").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--study", "poolin"], r"STUDY = 'poolin': there is no such study\. Did you mean pooling"),
        (["--scale", "ful"], r"scale = 'ful': there is no such option\. Did you mean full"),
        (["--scale", "../etc"], r"scale = '\.\./etc'"),
        (["--study", "nowhere.yaml"], "nowhere.yaml: there is no such file"),
        (
            ["--params", "elsewhere.yaml"],
            r"elsewhere\.yaml: there is no .* the project's",
        ),
        (["--launch", "dask", "--study", "pooling"], "no such launcher"),
    ],
)
def test_after_a_mistake_the_file_is_unchanged(params, arguments, message):
    before = params.read_bytes()
    with pytest.raises(UserError, match=message):
        choose(["--params", str(params), *arguments])
    assert params.read_bytes() == before


def test_a_launcher_is_checked_and_a_foreign_parameters_file_is_unchanged(params):
    edit(params, ("# What the pipeline runs.", "# Mine."))
    before = params.read_bytes()
    choose(["--launch", "basic", "--params", str(params)])
    with pytest.raises(UserError, match="was not written by convchoice"):
        choose(["--study", "pooling", "--params", str(params)])
    assert params.read_bytes() == before


def test_a_study_from_elsewhere_is_one_file(own, conf, params):
    edit(own, ("five_average", "'1e-3'"))  # a name that looks like a number
    parameters = chosen(str(own), None, params, conf)
    assert parameters.studies == ["bigger_kernel"]
    assert parameters.arms == ["max", "five", "1e-3"]
    arms = composed_arms(parameters, chosen_studies(parameters, conf), conf)
    assert [arm.arm for arm in arms] == parameters.arms
    assert [arm.downsample.operator.name for arm in arms] == ["max", "max", "average"]
    assert [arm.conv.padding.name for arm in arms] == ["valid", "same", "same"]
    assert {arm.seeds for arm in arms} == {6}
    assert "arm: '1e-3'\n" in arm_text(arms[2])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("five_average", "average", r"conf/arm/average\.yaml has this name"),
        ("conv.kernel_size=5", "conv.kernal_size=5", r"new_arms\.five.*kernal_size"),
        ("bigger_kernel", "pooling", r"pooling\.yaml is another study of that name"),
    ],
)
def test_an_illegal_study_is_named_and_nothing_is_copied(own, conf, params, old, new, message):
    edit(own, (old, new))
    if old == "bigger_kernel":
        own = own.rename(own.with_name("pooling.yaml"))
    before = (conf / "study" / "pooling.yaml").read_bytes()
    with pytest.raises(UserError, match=message):
        chosen(str(own), None, params, conf)
    assert "bigger_kernel" not in options("study", conf)
    assert (conf / "study" / "pooling.yaml").read_bytes() == before


def test_the_data_sets_of_the_arms_are_chosen_with_them(own, conf, params):
    edit(
        own,
        ("baseline: max", "baseline: fashion"),
        ("[arm=max, ", "[data=fashion_mnist, "),
        ("[downsample=average, ", "[data=fashion_mnist, downsample=average, "),
        ("new_arms:\n", "new_arms:\n  fashion: [data=fashion_mnist]\n"),
    )
    parameters = chosen(str(own), None, params, conf)
    folder = ("data/fashion_mnist", "conf/data/fashion_mnist.yaml")
    assert parameters.data == [DataFolder(Dataset.fashion_mnist, *folder)]


def test_the_study_of_precisions_composes(conf, params):
    parameters = chosen(str(PROJECT_ROOT / "bench" / "precision.yaml"), "full", params, conf)
    arms = composed_arms(parameters, chosen_studies(parameters, conf), conf)
    assert [arm.trainer.precision for arm in arms] == ["32-true", "tf32", "bf16-mixed"]
    assert [arm.seeds for arm in arms] == [30, 30, 30]
    [study] = chosen_studies(parameters, conf)
    assert study.margin == 0.05
