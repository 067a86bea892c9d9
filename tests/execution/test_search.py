"""A search on validation images: its space, its budget, and the study that it writes."""

import csv
from pathlib import Path

import optuna
import pytest
import yaml
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial

from convchoice.commands import tune
from convchoice.config.study import read_study
from convchoice.errors import UserError
from convchoice.execution.search import Search, SearchSpace, overrides_of, read_space
from own_images import write_images
from small_runs import OVERRIDES

RATE = "optimizer.learning_rate=tag(log,interval(1e-4,1e-1))"
SMALL = [*OVERRIDES, "trainer.max_epochs=1"]


def test_a_command_line_gives_the_search_space():
    space = read_space(
        ["arm=max,average", "seed=range(2)", RATE, "data.batch_size=32,64", "scale=quick"]
    )
    assert space.arms == ("max", "average")
    assert space.seeds == (0, 1)
    assert space.fixed == ("scale=quick",)
    rate = space.searched["optimizer.learning_rate"]
    assert (rate.low, rate.high, rate.log) == (1e-4, 1e-1, True)  # type: ignore[attr-defined]
    assert space.searched["data.batch_size"].choices == (32, 64)  # type: ignore[attr-defined]
    assert read_space(["arm=max", "model.hidden_units=interval(8,64)"]).seeds == (1000,)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([RATE], "arm = None: name the arms to tune"),
        (["arm=maxx", RATE], "arm = 'maxx': there is no such option. Did you mean max"),
        (["arm=max", "scale=quick"], "nothing is searched"),
        (["arm=max", "seed=a", RATE], "must be whole numbers"),
        (["arm=max", "data.train_size=10,20"], "cannot be tuned"),
        (["arm=max", "optimizer=adam,sgd"], "is a group of keys"),
        (["arm=max", "optimizer.rho=interval(1,0)"], "cannot be searched: `low <= high`"),
        (["arm=max", "optimizer.rho=tag(log,interval(0,1))"], "cannot be searched: `low > 0`"),
        (["arm=max", "nonsense"], "command line"),
        (["arm=glob(z*)", RATE], "arm = 'glob(z*)': there is no such value."),
        (["arm=max", "optimizer.rho=glob(*)"], "'glob(*)': there is no such value."),
        (["arm=max", "seed=range(1000000000000)", RATE], "': must be at most 100,000 values."),
        (["arm=max", "optimizer.rho=range(0,1,1e-15)"], "': must be at most 100,000 values."),
        (["arm=max", "optimizer.learning_rate=interval(0.1,0.2)"], "must lie within the search s"),
        (["arm=lecture", RATE], "holds out no validation images"),
        (
            ["arm=max", "conv.kernel_size=3,9"],
            "arm max with conv.kernel_size=9: block3.convolution: a 9×9",
        ),
        (["arm=max", "optimizer.rat=1,2"], "optimizer.rat: there is no such key to search."),
        (
            ["arm=max", "optimizer.learningrate=1,2"],
            "search. Did you mean optimizer.learning_rate?",
        ),
    ],
)
def test_what_cannot_be_searched_is_refused_before_anything_is_trained(
    tmp_path, arguments, message
):
    with pytest.raises(UserError) as caught:
        Search(read_space(arguments), 2, "val/accuracy", tmp_path / "tuning").check()
    assert message in str(caught.value)
    assert not (tmp_path / "tuning").exists()


def test_the_number_of_validation_images_that_is_proposed_is_legal(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_images(Path("images"), {"train": 12, "test": 1}, sides=[(28, 28)])
    fixed = ["data=folder", "data.path=images", "data.validation_size=0"]
    for number in ("3", "null"):
        search = Search(read_space(["arm=max", *fixed, RATE]), 2, "val/accuracy", Path("tuning"))
        with pytest.raises(UserError, match=f"for the search: data.validation_size={number}$"):
            search.check()
        again = read_space(["arm=max", *fixed[:2], f"data.validation_size={number}", RATE])
        Search(again, 2, "val/accuracy", Path("tuning")).check()
        write_images(Path("images"), {"val": 1}, sides=[(28, 28)])


def test_every_arm_has_the_same_budget_and_the_test_set_stays_closed(tmp_path, data_root, capsys):
    output = tmp_path / "tuned.yaml"
    command = ["arm=max,average", RATE, *SMALL, f"data.root={data_root}", "--trials", "2"]
    command += ["--output", str(output), "--runs", str(tmp_path / "tuning")]
    tune.main([*command, "--metric", "val/loss"])
    with (tmp_path / "tuned.trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["arm"], row["trial"]) for row in rows] == [
        (arm, trial) for arm in ("max", "average") for trial in ("0", "1")
    ]
    rates = [float(row["optimizer.learning_rate"]) for row in rows]
    assert rates[0] == rates[2] == 0.001  # the recipe's own
    assert rates[1] == rates[3]  # one sampler seed, so the arms' first guesses are the same
    for arm in ("max", "average"):
        files = {path.name for path in (tmp_path / "tuning").glob(f"{arm}-trial-*/seed-1000/*")}
        assert "weights.safetensors" in files
        assert "predictions.npz" not in files
    first = capsys.readouterr().out
    assert "average, trial 1 (2 of 2): " in first
    written = output.read_text()
    assert "# Budget: 2 trials for each arm, its recipe the first; seeds 1000." in written
    assert "# A study of 1,001 seeds or more has seeds of the search among" in written
    read_study(output)
    tune.main([*command, "--metric", "val/loss"])  # the same trials again, none trained twice
    assert output.read_text() == written
    assert "epoch" not in capsys.readouterr().out


def searched(root: Path, **means: list[float | None]) -> Search:
    """A search that has ended, with these means of its trials."""
    rate = "optimizer.learning_rate"
    range_ = FloatDistribution(1e-9, 1)
    search = Search(SearchSpace(tuple(means), (0,), {rate: range_}, ()), 3, "val/accuracy", root)
    for arm, found in means.items():
        search.studies[arm] = optuna.create_study(direction="maximize")
        for number, mean in enumerate(found):
            state = TrialState.PRUNED if mean is None else TrialState.COMPLETE
            settings = {rate: 10.0**-number}
            trial = create_trial(
                params=settings, distributions={rate: range_}, value=mean, state=state
            )
            search.studies[arm].add_trial(trial)
    return search


def test_the_best_trial_of_each_arm_stands_beside_its_recipe_in_a_study(tmp_path, monkeypatch):
    """The earliest of equals, and never a failed one."""
    monkeypatch.setattr(tune, "_comment", lambda search, command: [tune.FIRST_LINE])
    search = searched(tmp_path, max=[0.9, 0.95, 0.95], average=[0.9, None, 0.99], l2=[0.9, 0.8])
    study = yaml.safe_load(tune.study_text(search, "tuned", "command"))
    assert study["baseline"] == "max"
    assert study["arms"] == ["max_tuned", "average", "average_tuned", "l2"]
    assert study["new_arms"] == {
        "max_tuned": ["arm=max", "optimizer.learning_rate=0.1"],
        "average_tuned": ["arm=average", "optimizer.learning_rate=0.01"],
    }
    # Nothing better was found for l2, so its recipe is its best: against that of max, too.
    assert study["against"] == {"average_tuned": ["max_tuned"], "l2": ["max", "max_tuned"]}
    search = searched(tmp_path, max=[0.9, 0.8], average=[0.9, 0.99], l2=[0.9, 0.8])
    study = yaml.safe_load(tune.study_text(search, "tuned", "command"))
    assert study["against"] == {"average_tuned": ["max"]}
    with pytest.raises(UserError, match="nothing better for max than its own recipe"):
        tune.study_text(searched(tmp_path, max=[0.9, 0.8, 0.7]), "tuned", "command")
    assert searched(tmp_path, max=[None, None]).best("max") is None


def test_a_file_that_no_search_wrote_is_not_replaced(tmp_path):
    for name in ("mine.yaml", "mine.trials.csv"):
        mine = tmp_path / name
        mine.write_text("name: mine\n")
        with pytest.raises(UserError, match="no search wrote it"):
            tune.main(["arm=max", RATE, "--output", str(tmp_path / "mine.yaml")])
        assert mine.read_text() == "name: mine\n"
        mine.unlink()


def test_settings_keep_every_digit():
    settings = {"a.b": 0.1 + 0.2, "c.d": None, "e.f": 3, "g.h": "same"}
    assert overrides_of(settings) == ["a.b=0.30000000000000004", "c.d=null", "e.f=3", "g.h=same"]
