"""The machine sampled once for all runs under way, by MLflow's own monitors."""

import pytest

from convchoice.tracking import system_metrics
from convchoice.tracking.system_metrics import MachineSampler


@pytest.fixture
def sampler(monkeypatch: pytest.MonkeyPatch) -> MachineSampler:
    monkeypatch.setenv(system_metrics.INTERVAL, "3600")  # only what the test asks for
    return MachineSampler()


def test_each_run_gets_what_was_seen_since_it_began_once_and_in_order(
    sampler: MachineSampler,
) -> None:
    sampler.begin("first")
    sampler.look()
    sampler.begin("second", first_step=5)
    sampler.look()
    key = "system/cpu_utilization_percentage"
    steps = [point.step for point in sampler.take("first") if point.key == key]
    assert steps == [0, 1]
    assert sampler.take("first") == []
    seconds = sampler.end("second")
    assert [point.step for point in seconds if point.key == key] == [5, 6]  # a last look
    firsts = sampler.end("first")
    assert [point.step for point in firsts if point.key == key] == [2, 3]
    assert sampler.take("first") == sampler.end("first") == []
    keys = {point.key for point in seconds}
    assert {"system/system_memory_usage_megabytes", "system/disk_usage_percentage"} <= keys
    assert all(0 <= point.value <= 100 for point in firsts if "percentage" in point.key)
    sampler.stop()


def test_the_thread_samples_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(system_metrics.INTERVAL, "0.01")
    sampler = MachineSampler()
    sampler.begin("run")
    while len(sampler.samples) < 3:
        sampler._stop.wait(0.01)
    sampler.stop()
    moments = [sample.milliseconds for sample in sampler.samples]
    assert moments == sorted(moments)


@pytest.mark.parametrize(("value", "wanted"), [("false", False), ("0", False), ("true", True)])
def test_mlflows_own_switch_turns_it_off(
    monkeypatch: pytest.MonkeyPatch, value: str, wanted: bool
) -> None:
    monkeypatch.setenv(system_metrics.SWITCH, value)
    assert system_metrics.wanted() is wanted
    monkeypatch.delenv(system_metrics.SWITCH)
    assert system_metrics.wanted()
