"""The `train` stage: what it prints of the whole pipeline."""

from types import SimpleNamespace

from convchoice.commands import train
from convchoice.config.validation import read_arm


def test_progress_of_the_pipeline_counts_arms_and_extrapolates_by_their_work(tmp_path, monkeypatch):
    """Two seeds trained for 10 s, so four take 20 s, and four of twice the epochs 40 s."""
    for arm, seeds, epochs in (("a", 2, 1), ("b", 4, 1), ("c", 4, 2)):
        text = f"arm: {arm}\nseeds: {seeds}\ntrainer:\n  max_epochs: {epochs}\n"
        (tmp_path / f"{arm}.yaml").write_text(text)
    trained = {"a"}
    monkeypatch.setattr(
        train, "specify", lambda runs, _: [SimpleNamespace(arm=r.arm) for r in runs]
    )
    monkeypatch.setattr(train, "is_trained", lambda run: run.arm in trained)
    speed = train._work(read_arm(tmp_path / "a.yaml"), 2) / 10
    printed = train.pipeline_progress(tmp_path / "a.yaml", tmp_path, 5, speed)
    assert printed == "1 of 3 arms are trained, about 1 min 10 s left to train"
    trained |= {"b", "c"}
    printed = train.pipeline_progress(tmp_path / "a.yaml", tmp_path, 5, speed)
    assert printed == "3 of 3 arms are trained"
