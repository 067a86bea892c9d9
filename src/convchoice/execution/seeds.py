"""Train the seeds of an arm: those that are missing, side by side, shown, tracked, then sealed."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from convchoice.config.schema import Config, DataConfig
from convchoice.config.study import studies_of_arm
from convchoice.data.dataset import StoredDataset, load
from convchoice.errors import RunFolderError, UserError, storing_in
from convchoice.execution.bookkeeping import OwnParent, Parent, carry_out, failed_seeds
from convchoice.execution.dealing import default_workers, trained_together
from convchoice.execution.jobs import TRAINING_MODULE
from convchoice.execution.progress import Display
from convchoice.execution.tracking import NoTracking, Tracking, open_tracking
from convchoice.execution.workers import Carrier, Workers
from convchoice.runs import environment, run_folder
from convchoice.runs.atomic_write import PARTIAL_SUFFIX, discard
from convchoice.runs.checksums import seal
from convchoice.runs.events import Ended, EpochEnded, Event, Listener, Started
from convchoice.runs.failures import FAILED_SUFFIX, failed_path, read_failure, write_failure
from convchoice.runs.fingerprint import arm_fingerprint, code_digest, fingerprint
from convchoice.runs.locks import in_turn
from convchoice.runs.run import read_run, read_unsealed
from convchoice.runs.specification import RunSpecification
from convchoice.tracking.labels import arm_group

STOPPED = "stopped before its end"


@dataclass(frozen=True)
class Missing:
    """A run that has to be trained."""

    config: Config
    folder: Path
    fingerprint: str
    arm_fingerprint: str
    """The same for all seeds of the arm."""


def stands(folder: Path, wanted: str) -> bool:
    """Whether a whole run folder with this fingerprint is there, its weights as they were left.

    What is there and cannot be kept for another reason than its fingerprint is named.
    """
    if not folder.exists():
        return False
    try:
        run = read_run(folder)
        run.weights_file()
    except RunFolderError as error:
        print(f"not kept: {error}", flush=True)
        return False
    return run.environment.get("fingerprint") == wanted


def whole_but_for_its_name(folder: Path, wanted: str) -> bool:
    """Whether the run of this fingerprint is whole in its partial folder; its work files go."""
    try:
        run = read_unsealed(folder)
    except RunFolderError:
        return False
    if run.environment.get("fingerprint") != wanted:
        return False
    for name in run_folder.WORK_FILES:
        (run.path / name).unlink(missing_ok=True)
    return True


def sealed_late(item: Missing) -> bool:
    """Give a run its final name that was whole but for that when its process was killed."""
    late = whole_but_for_its_name(item.folder, item.fingerprint)
    if late:
        seal(item.folder)
    return late


def missing_runs(configs: Iterable[Config], root: Path) -> list[Missing]:
    """The runs that are not there yet, or were made with other settings, data or code.

    Args:
        configs: one a run.
        root: folder of the arms' folders.

    Raises:
        UserError: if there is no data set to train on.
    """
    code = code_digest()
    missing = []
    for config in configs:
        digest = _stored(config.data).digest
        folder = run_folder.run_path(root, str(config.arm), config.seed)
        wanted = fingerprint(config, digest, code)
        if not stands(folder, wanted):
            arm = arm_fingerprint(config, digest, code)
            missing.append(Missing(config, folder, wanted, arm))
    return missing


def _stored(data: DataConfig) -> StoredDataset:
    """The data set that is there, unless it is a stand-in that the configuration forbids."""
    stored = load(Path(data.root), data.name)
    if stored.fallback_note is not None and data.fallback is None:
        raise UserError(
            f"data.fallback = None: {data.root} holds {stored.title}, not {data.name.name}."
            f" Fetch it: {stored.provenance.retry}. Or allow the stand-in: data.fallback=digits."
        )
    return stored


@dataclass
class Bookkeeper:
    """Hears every event: tells MLflow, gives whole runs their final names, collects failures."""

    runs: dict[tuple[str, int], Missing]
    show: Listener
    studies: list[str]
    parent: Parent = field(default_factory=Parent)
    tracking: Tracking = field(default_factory=NoTracking)
    ids: dict[tuple[str, int], str | None] = field(default_factory=dict)
    failures: list[Ended] = field(default_factory=list)
    ended: int = 0

    def hear(self, event: Event) -> None:
        """Act on one event."""
        key = event.key
        partial = run_folder.partial_path(self.runs[key].folder)
        if isinstance(event, Started):
            known = run_folder.noted_tracking(partial)
            parent = self.parent.begin(self.tracking)
            self.ids[key] = self.tracking.begin(self.runs[key].config, self.studies, known, parent)
            with storing_in(partial):
                run_folder.note_tracking(partial, self.ids[key])
        elif isinstance(event, EpochEnded):
            self.tracking.epoch(self.ids.get(key), event.row)
        elif isinstance(event, Ended):
            self._end(key, event)
        self.show(event)

    def _end(self, key: tuple[str, int], event: Ended) -> None:
        run_id = self.ids.get(key)
        if event.failure:
            self.failures.append(event)
            self.tracking.ended_badly(run_id, event.failure, killed=event.killed)
        else:
            seal(self.runs[key].folder)
            self.tracking.trained(run_id)
        self.ids.pop(key, None)
        self.ended += 1

    def close(self) -> None:
        """Mark what is still under way as killed; the parent waits if all is well."""
        for run_id in self.ids.values():
            self.tracking.ended_badly(run_id, STOPPED, killed=True)
        killed = self.ended < len(self.runs)
        failure = STOPPED if killed else failed_seeds(self.failures)
        self.parent.wait(self.tracking, failure, killed=killed)


def train_missing(
    missing: Sequence[Missing],
    *,
    workers: int,
    open_store: Callable[[], Tracking],
    parent: Parent | None = None,
    carrier: Carrier | None = None,
) -> list[Ended]:
    """Train runs and seal their folders.

    Args:
        missing: what to train.
        workers: processes side by side.
        open_store: opens the tracking; called while the first workers are starting.
        parent: the parent run in the store; None for none.
        carrier: has the work done; None has it done by processes of this one.

    Returns:
        The failures; every other run is whole.
    """
    late = [item for item in missing if sealed_late(item)]
    if late:
        tracking = open_store()
        for item in late:
            tracking.trained(run_folder.noted_tracking(item.folder))
            print(f"{item.folder}: was whole and gets its name", flush=True)
        missing = [item for item in missing if item not in late]
    if not missing:
        return []
    described = environment.describe()
    jobs = [
        RunSpecification(
            item.config,
            Path(item.config.data.root),
            item.folder,
            item.fingerprint,
            {**described, "arm_fingerprint": item.arm_fingerprint},
        )
        for item in missing
    ]
    with Display("training", len(missing)) as display:
        keeper = Bookkeeper(
            {(job.arm, job.seed): item for job, item in zip(jobs, missing, strict=True)},
            display.hear,
            known_studies({job.arm for job in jobs}),
            parent or Parent(),
        )
        if carrier is None:
            dealt = trained_together(jobs)
            carry_out(dealt, keeper, Workers(workers, (TRAINING_MODULE,)), open_store)
        else:
            carry_out(trained_together(jobs, default=1), keeper, carrier, open_store)
    return keeper.failures


def known_studies(arms: set[str]) -> list[str]:
    """Studies that one of the arms belongs to: labels, so a study's fault stops no training."""
    try:
        return sorted({study for arm in arms for study in studies_of_arm(arm)})
    except UserError:
        return []


def remove_leftovers(root: Path, arm: str, seeds: Iterable[int]) -> None:
    """Remove run folders of seeds that the arm no longer has."""
    kept = {f"seed-{seed}" for seed in seeds}
    for folder in (root / arm).glob("seed-*"):
        name = folder.name.removesuffix(PARTIAL_SUFFIX)
        if name.removesuffix(FAILED_SUFFIX) not in kept:
            discard(folder)


def failed_before(item: Missing) -> bool:
    """Whether a training is known to fail; the record of what would be another one goes."""
    try:
        failure = read_failure(item.folder)
    except RunFolderError:
        failure = None
    if failure is not None and failure["fingerprint"] == item.fingerprint:
        return True
    failed_path(item.folder).unlink(missing_ok=True)
    return False


def say_failed(configs: Sequence[Config], root: Path) -> None:
    """Say which of an arm's runs are recorded as failed."""
    for config in configs:
        failure = read_failure(run_folder.run_path(root, str(config.arm), config.seed))
        if failure is not None:
            print(
                f"arm {config.arm} seed {config.seed} FAILED and is reported so:"
                f" {failure['reason']}",
                flush=True,
            )


def train_seeds(
    configs: Sequence[Config], root: Path, carrier: Carrier | None = None
) -> list[Ended]:
    """Make an arm's folder hold exactly these runs, training those that are missing.

    Where another process is at that already it is waited for, and what it trained is kept.

    Args:
        configs: one a seed, of one arm.
        root: folder of the arms' folders.
        carrier: has the work done; None has it done by processes of this one.

    Returns:
        The failures of a start that may succeed another time. A run whose loss was lost is recorded
        as failed in the place of its folder and is no failure of the stage: the study goes on, and
        reports it.
    """
    arm = str(configs[0].arm)
    with in_turn(root, [f"{arm}/seed-{config.seed}" for config in configs], "training"):
        remove_leftovers(root, arm, [config.seed for config in configs])
        missing = missing_runs(configs, root)
        kept = len(configs) - len(missing)
        missing = [item for item in missing if not failed_before(item)]
        print(f"arm {arm}: {len(configs)} seeds, {kept} kept, {len(missing)} to train", flush=True)
        failures: list[Ended] = []
        if missing:
            group = arm_group(configs[0], missing[0].arm_fingerprint, known_studies({arm}))
            failures = train_missing(
                missing,
                workers=min(default_workers(configs[0]), len(missing)),
                open_store=lambda: open_tracking(
                    configs[0].tracking, machine=carrier is None or carrier.here
                ),
                parent=OwnParent(group=group),
                carrier=carrier,
            )
        fingerprints = {item.config.seed: item.fingerprint for item in missing}
        for event in failures:
            if event.lost:
                folder = run_folder.run_path(root, arm, event.seed)
                reason = {"reason": event.failure, "fingerprint": fingerprints[event.seed]}
                write_failure(folder, reason)
        say_failed(configs, root)
    return [event for event in failures if not event.lost]
