"""Arms within a given time: one process trains them one after another, a second evaluates them.

Both processes stay, so that their start, and that of the GPU, is paid once. An arm is started only
if, by the speed of those before it, it will be complete in time. What does not end in time is
stopped, and continues from its checkpoint at the next start.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import ceil
from multiprocessing.connection import wait

from convchoice.config.datasets import spec_of
from convchoice.config.schema import Config
from convchoice.execution.job import Job, is_interrupted, is_trained
from convchoice.execution.worker import Worker
from convchoice.networks.geometry_suggestions import fitting_plan
from convchoice.runs.events import Event, RunEnded, count
from convchoice.runs.run import RunSpecification

ACTIVATION_PASSES = 7
"""How often a training step reads or writes each activation, about."""
PARAMETER_BYTES = 60
"""What a training step reads and writes of each parameter, its gradient and its moment, about."""
MAC_BYTES = 0.9
"""What memory moves while a GPU computes a multiply-accumulate of a training step, forward and
backward, in float32."""
FIRST_SPEED = 2.7e12
"""Bytes a second before any arm is done: that of thirteen arms in float32 on an H200, which took
0.7 to 1.6 times what these four numbers say."""
FIRST_EVALUATION = 4.0
"""Seconds of the evaluation of 30 seeds on that machine."""
TRAINED, EVALUATED = "trained", "evaluated"


@dataclass(frozen=True)
class Arm:
    """The runs of an arm that are not complete; they differ in their seeds alone."""

    name: str
    runs: tuple[RunSpecification, ...]

    @property
    def work(self) -> float:
        """What training the runs takes, in bytes that the GPU's memory moves."""
        return sum(work_of_seed(run.config) for run in self.runs)


def work_of_seed(config: Config) -> float:
    """What training one seed takes, in bytes: activations, parameters, and arithmetic as such."""
    data, layers = config.data, fitting_plan(config)
    most = spec_of(data).training_images(data.validation_size)
    steps = ceil(min(data.train_size or most, most) / data.batch_size) * config.trainer.max_epochs
    of_images = ACTIVATION_PASSES * layers.activation_bytes(data.batch_size)
    of_images += int(MAC_BYTES * layers.macs * data.batch_size)
    return steps * (of_images + PARAMETER_BYTES * layers.parameters)


@dataclass
class Estimate:
    """How long arms take, judged by those that were trained and evaluated since the start."""

    work: float = 0.0
    seconds: float = 0.0
    evaluations: list[float] = field(default_factory=list)

    def add(self, arm: Arm, seconds: float, verb: str) -> None:
        """Add what an arm took."""
        if verb == TRAINED:
            self.work, self.seconds = self.work + arm.work, self.seconds + seconds
        else:
            self.evaluations.append(seconds)

    def training(self, arm: Arm) -> float:
        """Seconds of the training of an arm."""
        return arm.work / (self.work / self.seconds if self.seconds else FIRST_SPEED)

    def evaluation(self) -> float:
        """Seconds of an evaluation."""
        return max(self.evaluations, default=FIRST_EVALUATION)


class _Lane:
    """A worker and the arm that it works on."""

    def __init__(self, verb: str) -> None:
        self.verb = verb
        self.worker = Worker()
        self.arm: Arm | None = None
        self.started = 0.0
        self.failures: list[RunEnded] = []

    def start(self, arm: Arm) -> None:
        """Give the worker an arm."""
        trains = self.verb == TRAINED
        job = Job(arm.runs, trains=trains, evaluates=not trains)
        if not self.worker.takes(job):
            self.worker.close()
            self.worker = Worker()
        self.arm, self.started, self.failures = arm, time.monotonic(), []
        self.worker.start(job)

    def listen(self, event: Event) -> None:
        """Keep how a run failed."""
        if isinstance(event, RunEnded) and event.failure:
            self.failures.append(event)


class _Lanes:
    """The worker that trains, the one that evaluates, and what is left for each."""

    def __init__(self, arms: Iterable[Arm], deadline: float) -> None:
        self.deadline = deadline
        self.estimate = Estimate()
        self.training, self.evaluation = _Lane(TRAINED), _Lane(EVALUATED)
        self.waiting, self.trained = deque[Arm](), deque[Arm]()
        # Begun earlier: their time here is not that of a complete arm.
        self.begun = set[str]()
        for each in arms:
            if any(is_trained(run) or is_interrupted(run) for run in each.runs):
                self.begun.add(each.name)
            (self.trained if all(map(is_trained, each.runs)) else self.waiting).append(each)
        self.failures: list[RunEnded] = []

    def busy(self) -> list[_Lane]:
        """The lanes that work, after those that had nothing to do were given an arm."""
        if self.training.arm is None and (arm := self._fitting()):
            seconds = self.estimate.training(arm)
            print(f"{arm.name}: training takes about {seconds:.0f} s", flush=True)
            self.waiting.remove(arm)
            self.training.start(arm)
        if self.evaluation.arm is None and self.trained:
            self.evaluation.start(self.trained.popleft())
        return [lane for lane in (self.training, self.evaluation) if lane.arm]

    def _fitting(self) -> Arm | None:
        """The first arm that will be complete in time, behind those that wait for evaluation."""
        evaluation = self.estimate.evaluation()
        before = evaluation * (len(self.trained) + (self.evaluation.arm is not None))
        left = self.deadline - time.monotonic() - evaluation
        ends = ((arm, max(self.estimate.training(arm), before)) for arm in self.waiting)
        return next((arm for arm, end in ends if end <= left), None)

    def complete(self, lane: _Lane) -> str | None:
        """Take the arm that a lane has ended, if it has; its name if all of it is complete."""
        arm, seconds = lane.arm, time.monotonic() - lane.started
        if arm is None or lane.worker.left:
            return None
        lane.arm, seeds = None, count(len(arm.runs), "seed")
        print(f"{arm.name}: {lane.verb} {seeds} in {seconds:.1f} s", flush=True)
        for each in lane.failures:
            text = f"{each.arm} seed {each.seed}: {each.failure}\n{each.details}"
            print(text.rstrip(), flush=True)
        if not lane.failures and arm.name not in self.begun:
            self.estimate.add(arm, seconds, lane.verb)
        if failed := [each for each in lane.failures if not each.diverged]:
            self.failures += failed
            return None
        diverged = {each.key for each in lane.failures}
        left = tuple(run for run in arm.runs if run.key not in diverged)
        if lane is self.training and left:
            self.trained.append(Arm(arm.name, left))
            return None
        return arm.name

    def left(self) -> list[str]:
        """The names of the arms that are not complete."""
        stopped = [lane.arm for lane in (self.evaluation, self.training) if lane.arm]
        return [arm.name for arm in (*stopped, *self.trained, *self.waiting)]


def run_within(
    arms: Iterable[Arm], deadline: float, on_complete: Callable[[str], object]
) -> list[RunEnded]:
    """Train and evaluate arms, the first ones first, until a time; print what is done.

    Args:
        arms: what is to be done.
        deadline: `time.monotonic()` at which everything has ended.
        on_complete: is called with the name of each arm that is complete: all its runs are
            evaluated, or diverged.

    Returns:
        The failures, without runs that diverged.
    """
    lanes = _Lanes(arms, deadline)
    try:
        while busy := lanes.busy():
            connections = [lane.worker.connection for lane in busy]
            if not (ready := wait(connections, deadline - time.monotonic())):
                break
            for lane in busy:
                if lane.worker.connection in ready:
                    lane.worker.forward(lane.listen)
                if name := lanes.complete(lane):
                    on_complete(name)
    finally:
        lanes.training.worker.stop()
        lanes.evaluation.worker.stop()
    if names := lanes.left():
        print(f"no time was left for {', '.join(names)}", flush=True)
    return lanes.failures
