"""Whatever is drawn is taken or refused: never a fault, never a hang, never a silent guess."""

import random
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import yaml

from convchoice.compose import check_different, chosen_studies, composed_arms, read_parameters
from convchoice.config.arm import Arm, arm_from_mapping, read_arm
from convchoice.config.composition import compose_arm
from convchoice.config.study import read_study, study_from_mapping
from convchoice.config.validation import CONF_DIR, config_from_mapping
from convchoice.errors import ConfigurationError, UserError
from convchoice.networks.conv_arithmetic import GeometryError
from drawing_settings import JUNK, drawn_configuration, drawn_study
from making import study_values

SECONDS = 20
"""Of this process's own work, not of the clock: far more than any refusal takes."""


@contextmanager
def no_hang(what: object) -> Iterator[None]:
    def over(_signal: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"hangs: {what!r}")

    before = signal.signal(signal.SIGVTALRM, over)
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def refusal(act: Callable[[], object], what: object) -> str | None:
    """The text of the refusal, or None where it is taken; anything else fails the test."""
    refused: UserError | None = None
    with no_hang(what):
        try:
            act()
        except UserError as error:
            refused = error
    if isinstance(refused, ConfigurationError) and not isinstance(refused, GeometryError):
        field, separator, rule = str(refused).partition(" = ")
        said = field.strip() and "?" not in field and separator and re.search(r": .+", rule)
        assert said, f"{what!r}: names no field, value and rule: {refused}"
    elif refused is not None:  # a layer with its sizes, or a file
        assert re.match(r"[^:]+: .+", str(refused)), f"{what!r}: {refused}"
    return None if refused is None else str(refused)


def tried(draws: int, draw: Callable[[random.Random], Any], take: Callable[[Any], object]) -> str:
    """Draw so many, and count what became of them; some must be taken and some refused."""
    refused = 0
    for number in range(draws):
        values = draw(random.Random(number))
        refused += refusal(lambda values=values: take(values), values) is not None
    assert 0 < refused < draws
    return f"{draws} drawn: {draws - refused} taken, {refused} refused, none a fault, none hung"


@pytest.mark.parametrize(
    "draws", [400, pytest.param(10_000, marks=pytest.mark.soak)], ids=["few", "many"]
)
def test_a_drawn_configuration_is_taken_or_refused(draws: int, tmp_path: Path) -> None:
    """Taken ones come back the same from the file that `compose` writes."""

    def take(values: dict[str, Any]) -> None:
        arm = arm_from_mapping(values, "drawn.yaml")
        path = tmp_path / "arm.yaml"
        path.write_text(arm.to_yaml(), encoding="utf-8")
        assert read_arm(path).to_yaml() == arm.to_yaml()
        assert len(arm.runs()) == arm.config.seeds

    print("configurations:", tried(draws, drawn_configuration, take))


@pytest.mark.parametrize(
    "draws", [200, pytest.param(5_000, marks=pytest.mark.soak)], ids=["few", "many"]
)
def test_a_drawn_study_is_taken_or_refused(draws: int) -> None:
    def take(values: dict[str, Any]) -> None:
        study_from_mapping(values, "drawn.yaml")

    print("studies:", tried(draws, drawn_study, take))


def drawn_text(chance: random.Random) -> bytes:
    """A parameters file, changed in a few places at random."""
    text = bytearray(b"scale: quick\nstudies: [pooling]\narms: [max, average]\nreports: reports\n")
    for _ in range(chance.randrange(3)):
        place = chance.randrange(len(text))
        change = chance.choice(
            (b"", b"\x00", b": ", b"[", b"*a", b"&a ", b"!!", b"\n", b"2001-99-9")
        )
        text[place : place + chance.randrange(4)] = change
    return bytes(text)


@pytest.mark.parametrize(
    "draws", [300, pytest.param(5_000, marks=pytest.mark.soak)], ids=["few", "many"]
)
def test_a_damaged_parameters_file_is_taken_or_refused(draws: int, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"

    def take(text: bytes) -> None:
        path.write_bytes(text)
        read_parameters(path)

    print("parameter files:", tried(draws, drawn_text, take))


@pytest.mark.soak
def test_drawn_overrides_are_taken_or_refused() -> None:
    """Hydra's own syntax, as a study's `new_arms` and the command line take it."""
    keys = (
        "conv.kernel_size", "conv.padding", "downsample", "optimizer.learning_rate", "seed",
        "model.filters", "arm", "run_root", "kernal", "data.train_size", "+x", "~conv",
    )  # fmt: skip

    def draw(chance: random.Random) -> list[str]:
        wild = chance.choice(JUNK)
        tame = chance.choice(("3", "same", "average", "0.1", "[4,4]", "max", "x", "100", "1,2"))
        return [f"{chance.choice(keys)}={chance.choice((wild, tame, tame))}" for _ in range(2)]

    def take(overrides: list[str]) -> None:
        compose_arm("max", "quick", overrides)

    print("overrides:", tried(500, draw, take))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"seeds": 10**12}, r"seeds = 1000000000000: must be at most 10,000"),
        ({"data": {"batch_size": 10**30}}, r"data\.batch_size = 1.*: must be at most 1,000,000"),
        ({"trainer": {"threads": 10**6}}, r"trainer\.threads = 1000000: must be at most 1,024"),
        ({"trainer": {"max_epochs": 2.5}}, r"trainer\.max_epochs = 2\.5: "),
        ({"trainer": {"deterministic": 2}}, r"trainer\.deterministic = 2: must be true or false"),
        ({"model": {"filters": [2.5]}}, r"model\.filters\[0\] = 2\.5: "),
        ({"arm": "mine", "model": {"filters": "${arm}"}}, r"model\.filters = .*: must be a list"),
        ({"model": {"": [3]}}, r"model\.'' = '': is not a legal name"),
        ({"model": {"filters": [4, 10**12]}}, r"model\.filters = .*may have 100,000"),
        ({"conv": 3}, r"configuration: conv = 3: must be a mapping of keys: kernel_size, padding"),
        ({"run_root": ""}, r"run_root = '': must be the path of a folder"),
        ({"data": {"root": "a\0b"}}, r"data\.root = 'a\\x00b': must be the path of a folder"),
        ({"tracking": {"experiment": " "}}, r"tracking\.experiment = ' ': must be a name"),
        (
            {"tracking": {"uri": "http://user:secret@host"}},
            r"tracking\.uri = 'http://\*\*\*@host': .* MLFLOW_TRACKING_URI",
        ),
        ({"data": {"train_size": 5}}, r"data\.train_size = 5: must be at least 10: one image of"),
        ({"data": {"validation_size": 60_000}}, r"validation_size = 60000: a stratified choice"),
        (
            {"optimizer": {"name": "sgd", "epsilon": 1e-3}},
            r"optimizer\.epsilon = 0\.001: has an effect with rmsprop and adam only",
        ),
    ],
)
def test_what_nobody_means_is_refused_by_name(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        config_from_mapping(values)


@pytest.mark.parametrize("override", ["downsample=[4,4]", "~conv=[4,4]"])
def test_a_number_in_the_place_of_a_choice_is_refused(override: str) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot be composed: .* is chosen by its name"):
        compose_arm("max", "quick", [override])


def test_a_text_in_the_place_of_a_mapping_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"against = .*: must be a mapping"):
        study_from_mapping(study_values(against="${name}"), "drawn.yaml")


def nested_in_itself() -> dict[str, Any]:
    values: list[Any] = []
    values.append(values)
    return {"model": {"filters": values}}


def test_what_is_nested_in_itself_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"filters\[0\] = .*: must be a whole number"):
        config_from_mapping(nested_in_itself())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"curves": ["shift", "shift"]}, r"curves = .*each may stand once"),
        ({"controls": ["average", "average"]}, r"controls = .*each may stand once"),
        ({"printed": {"test/nll": [float("nan")]}}, r"printed\.test/nll = \[nan\]: must be finite"),
    ],
)
def test_a_study_that_says_a_thing_twice_or_no_number_is_refused(
    change: dict[str, Any], message: str
) -> None:
    legal = drawn_study(random.Random(0)) | {"name": "mine", "baseline": "max"}
    legal = {key: legal[key] for key in ("question", "claim", "source", "name", "baseline")}
    with pytest.raises(ConfigurationError, match=message):
        study_from_mapping(legal | {"arms": ["average"]} | change, "mine.yaml")


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    """The project's configuration files, to which a test may add."""
    target = tmp_path / "conf"
    target.mkdir()
    for path in CONF_DIR.iterdir():
        if path.name != "study":
            (target / path.name).symlink_to(path)
    (target / "study").mkdir()
    return target


def written_study(conf: Path, **changes: Any) -> None:
    values = {
        "name": "mine", "question": "?", "claim": "!", "source": "me", "baseline": "max",
        "arms": ["mine_too"], "new_arms": {"mine_too": ["arm=average"]},
    }  # fmt: skip
    text = yaml.safe_dump(values | changes)
    (conf / "study" / "mine.yaml").write_text(text, encoding="utf-8")


def composed(conf: Path) -> list[Arm]:
    params = conf / "params.yaml"
    params.write_text("scale: quick\nstudies: [mine]\narms: [max, mine_too]\n", encoding="utf-8")
    parameters = read_parameters(params)
    return composed_arms(parameters, chosen_studies(parameters, conf), conf)


def test_two_arms_that_are_the_same_are_refused_before_anything_is_trained(conf: Path) -> None:
    written_study(conf)
    assert len(composed(conf)) == 2
    for same in ([], ["arm=max"], ["arm=max", "seeds=2", "conv.padding=0"]):
        written_study(conf, new_arms={"mine_too": same or ["arm=max"]})
        with pytest.raises(ConfigurationError, match=r"arms = 'mine_too': is the same as max: th"):
            composed(conf)


def test_a_metric_that_no_run_has_is_refused_before_anything_is_trained(conf: Path) -> None:
    for metric in ("test/beauty", "accuracy", "cost/macs"):
        written_study(conf, metric=metric)
        with pytest.raises(ConfigurationError, match=f"metric = '{metric}': is no metric of a run"):
            composed(conf)


@pytest.mark.parametrize(
    "scale",
    ["quick", *(pytest.param(scale, marks=pytest.mark.soak) for scale in ("reduced", "full"))],
)
def test_no_shipped_study_has_two_arms_that_are_the_same(scale: str) -> None:
    arms: dict[str, Arm] = {}
    for path in sorted((CONF_DIR / "study").glob("*.yaml")):
        study = read_study(path)
        for name in study.all_arms():
            if name not in arms:
                arms[name] = compose_arm(name, scale)
        check_different(study, arms)
