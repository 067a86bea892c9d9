"""An arm's seeds as jobs of a launcher: the launchers of sweeps, with the books kept here.

Each job trains in a process of its own, wherever it is, as it would here, and writes down what it
tells. This process hears it and does the rest: MLflow, the display, the seals, the failures.
"""

import os
import shutil
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import mkdtemp
from types import TracebackType
from typing import Self

from hydra._internal.callbacks import Callbacks
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from hydra.types import HydraContext
from omegaconf import DictConfig

from convchoice.config.composition import quoted
from convchoice.config.schema import Config
from convchoice.errors import UserError
from convchoice.execution.event_files import EventReader, EventWriter
from convchoice.execution.jobs import TRAINING_MODULE, TrainingJobs
from convchoice.execution.launch import Launch
from convchoice.execution.processes import end_with
from convchoice.execution.seeds import stands, whole_but_for_its_name
from convchoice.execution.workers import run_jobs
from convchoice.runs import environment
from convchoice.runs.events import Ended, Event, Listener, RunKey
from convchoice.runs.locks import WORK, in_turn
from convchoice.runs.specification import RunSpecification

FOLDER = "launch"
EVENTS = "events"
LOOK_SECONDS = 0.5
NEVER_TOLD = "its job ended without a word of it"


def do(jobs: TrainingJobs, writer: EventWriter) -> list[Ended]:
    """Train a job's runs, on the machine that the launcher chose.

    A run that is whole already, because the job was sent once more after it had done its work, is
    told to be so. What a killed start left of the job is waited for, should it still be at work.

    Returns:
        How each run ended.
    """
    ends: list[Ended] = []

    def hear(event: Event) -> None:
        writer.hear(event)
        if isinstance(event, Ended):
            ends.append(event)

    writer.begin()
    root = jobs.jobs[0].folder.parents[1]
    names = [f"{arm}/seed-{seed}.job" for arm, seed in jobs.runs]
    with in_turn(root, names, "training"):
        left = []
        for job in jobs.jobs:
            if whole_but_for_its_name(job.folder, job.fingerprint) or stands(
                job.folder, job.fingerprint
            ):
                hear(Ended(job.arm, job.seed))
            else:
                left.append(job)
        if left:
            run_jobs([_from_here(left)], 1, hear, [TRAINING_MODULE])
    return ends


def _from_here(jobs: Sequence[RunSpecification]) -> TrainingJobs:
    """The jobs with the commit, the versions and the machine that they find where they are."""
    found = environment.describe()
    return TrainingJobs(
        tuple(replace(job, environment={**job.environment, **found}) for job in jobs)
    )


@dataclass(frozen=True)
class Task:
    """What a launcher calls in each of its jobs.

    Attributes:
        jobs: all of them; a job's number tells it which is its own.
        events: folder for what they tell.
        sender: number of the process that sends them.
    """

    jobs: tuple[TrainingJobs, ...]
    events: Path
    sender: int = field(default_factory=os.getpid)

    def __call__(self, composed: DictConfig) -> list[Ended]:  # noqa: ARG002 - Hydra's signature
        """Do the job."""
        end_with(self.sender)
        number = int(HydraConfig.get().job.num)
        return do(self.jobs[number], EventWriter(self.events / f"{number}.jsonl"))


@dataclass
class Hearing:
    """Hears the jobs' events in a thread of its own, while the launcher waits for the jobs.

    Attributes:
        reader: of the events.
        listener: is called with each, and with nothing more of a run that has ended.
        left: runs that have not.
        failure: what the listener raised.
    """

    reader: EventReader
    listener: Listener
    left: set[RunKey]
    failure: BaseException | None = None
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Begin to listen."""
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Listen once more, and end; what the listener raised comes before what it stopped."""
        self.stop()
        if self.failure is not None:
            raise self.failure from None

    def stop(self) -> None:
        """Hear what has been told by now, and no more."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
            if self.failure is None:
                self.look()

    def _listen(self) -> None:
        try:
            while not self._over.wait(LOOK_SECONDS):
                self.look()
        except BaseException as error:  # noqa: BLE001 - raised where the launcher is stopped
            self.failure = error
            _interrupt()

    def look(self) -> None:
        """Pass on what is new."""
        for event in self.reader.news():
            self.pass_on(event)

    def pass_on(self, event: Event) -> None:
        """Pass one event on, unless its run has ended: a job that is sent twice tells twice."""
        if event.key not in self.left:
            return
        if isinstance(event, Ended):
            self.left.discard(event.key)
        self.listener(event)


def _interrupt() -> None:
    """Stop what the main thread is at, as Ctrl-C does: a full disk need not wait for the jobs."""
    main = threading.main_thread().ident
    if main is not None and hasattr(signal, "pthread_kill"):
        signal.pthread_kill(main, signal.SIGINT)


@dataclass(frozen=True)
class Launched:
    """Has an arm's seeds trained by the jobs of a launcher.

    Attributes:
        launch: the launcher.
        config: of one of the runs; its threads are the cores of a job.
        root: folder of the arms' folders.
    """

    launch: Launch
    config: Config
    root: Path

    @property
    def here(self) -> bool:
        """Whether the jobs run on this machine."""
        return self.launch.here

    @property
    def folder(self) -> Path:
        """Of what is the launcher's, beside the arms; by it a queue tells these jobs from others.

        Neither git nor DVC looks there.
        """
        return (self.root / WORK / FOLDER / str(self.config.arm)).resolve()

    def overrides(self) -> list[str]:
        """What the launcher's preset has to know of the runs."""
        trainer = self.config.trainer
        workers = "null" if trainer.workers is None else trainer.workers
        return [
            f"trainer.threads={trainer.threads}",
            f"trainer.workers={workers}",
            f"trainer.accelerator={trainer.accelerator.name}",
            f"hydra.sweep.dir={quoted(str(self.folder))}",
        ]

    def __call__(
        self,
        jobs: Sequence[TrainingJobs],
        listener: Listener,
        when_started: Callable[[], None],
    ) -> None:
        """Have all jobs done.

        Raises:
            UserError: if the launcher cannot send any.
            BaseException: whatever the listener or a signal raises, after the jobs were stopped.
        """
        places = self.folder / EVENTS
        places.mkdir(parents=True, exist_ok=True)
        # Each launch has a folder of its own: jobs of one that was killed may still be at work.
        events = Path(mkdtemp(dir=places))
        task = Task(tuple(jobs), events)
        runs = {key for job in jobs for key in job.runs}
        # Before the thread, which would import MLflow while this one imports an engine.
        when_started()
        with Hearing(EventReader(events), listener, runs) as hearing:
            answers = self._launch(task)
            hearing.stop()
            for job, answer in zip(jobs, answers, strict=True):
                self._close(job, answer, hearing)
        shutil.rmtree(places, ignore_errors=True)

    def _launch(self, task: Task) -> Sequence[JobReturn | str]:
        """What came back of each job, or why nothing did."""
        with self.launch.composed(*self.overrides()) as (loader, config, common):
            launcher = Plugins.instance().instantiate_launcher(
                hydra_context=HydraContext(config_loader=loader, callbacks=Callbacks()),
                task_function=task,
                config=config,
            )
            each = [[*common, f"seed={job.jobs[0].seed}"] for job in task.jobs]
            try:
                return launcher.launch(each, initial_job_idx=0)
            except UserError:
                raise
            except Exception as error:  # noqa: BLE001 - engines raise whatever they come upon
                return [f"{self.launch.name}: {_said(error)}"] * len(task.jobs)

    def _close(self, job: TrainingJobs, answer: JobReturn | str, hearing: Hearing) -> None:
        """End those of a job's runs that have not ended by what it told."""
        reason = answer if isinstance(answer, str) else NEVER_TOLD
        if isinstance(answer, JobReturn):
            try:
                for ended in answer.return_value:
                    hearing.pass_on(ended)
            except Exception as error:  # noqa: BLE001 - whatever the job or its engine came upon
                reason = _said(error)
        for arm, seed in job.runs:
            hearing.pass_on(Ended(arm, seed, reason, killed=True))


def _said(error: Exception) -> str:
    """An error in a line; what an engine says of a job that it lost is a sentence of its own."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    text = lines[-1].strip() if lines else "no reason given"
    return text if type(error) is RuntimeError else f"{type(error).__name__}: {text}"
