"""Train the seeds of an arm: those that are missing, side by side, shown, then sealed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from convchoice.config.schema import Config, DataConfig
from convchoice.data.dataset import StoredDataset, load
from convchoice.errors import RunFolderError, UserError
from convchoice.execution.bookkeeping import carry_out
from convchoice.execution.dealing import default_workers, trained_together
from convchoice.execution.jobs import TRAINING_MODULE
from convchoice.execution.progress import Display
from convchoice.execution.workers import Carrier, Workers
from convchoice.runs import environment, run_folder
from convchoice.runs.events import Ended, Event, Listener
from convchoice.runs.failures import read_failure
from convchoice.runs.fingerprint import arm_fingerprint, code_digest, fingerprint
from convchoice.runs.locks import in_turn
from convchoice.runs.ownership import (
    check_replaceable,
    finalise,
    remove_failure,
    remove_leftovers,
    write_failure,
)
from convchoice.runs.run import read_partial, read_run
from convchoice.runs.specification import RunSpecification


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
    """Whether the run of this fingerprint is complete in its partial folder."""
    try:
        run = read_partial(folder)
    except RunFolderError:
        return False
    return bool(run.environment.get("fingerprint") == wanted)


def sealed_late(item: Missing) -> bool:
    """Give a run its final name that was whole but for that when its process was killed."""
    late = whole_but_for_its_name(item.folder, item.fingerprint)
    if late:
        finalise(item.folder)
    return late


def missing_runs(configs: Iterable[Config], root: Path) -> list[Missing]:
    """The runs that are not there yet, or were made with other settings, data or code.

    Args:
        configs: one a run.
        root: folder of the arms' folders.

    Raises:
        UserError: if there is no data set to train on.
        RunFolderError: if a folder that a run would replace was not written by convchoice.
    """
    code = code_digest()
    missing = []
    for config in configs:
        digest = _stored(config.data).digest
        folder = run_folder.run_path(root, str(config.arm), config.seed)
        wanted = fingerprint(config, digest, code)
        if not stands(folder, wanted):
            check_replaceable(folder)
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
    """Hears every event: gives whole runs their final names, collects failures."""

    runs: dict[tuple[str, int], Missing]
    show: Listener
    failures: list[Ended] = field(default_factory=list)

    def hear(self, event: Event) -> None:
        """Act on one event."""
        if isinstance(event, Ended):
            if event.failure:
                self.failures.append(event)
            else:
                finalise(self.runs[event.key].folder)
        self.show(event)


def train_missing(
    missing: Sequence[Missing],
    *,
    workers: int,
    carrier: Carrier | None = None,
) -> list[Ended]:
    """Train runs and seal their folders.

    Args:
        missing: what to train.
        workers: processes side by side.
        carrier: has the work done; None has it done by processes of this one.

    Returns:
        The failures; every other run is whole.
    """
    late = [item for item in missing if sealed_late(item)]
    for item in late:
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
        )
        if carrier is None:
            dealt = trained_together(jobs)
            carry_out(dealt, keeper, Workers(workers, (TRAINING_MODULE,)))
        else:
            carry_out(trained_together(jobs, default=1), keeper, carrier)
    return keeper.failures


def failed_before(item: Missing) -> bool:
    """Whether a training is known to fail; the record of what would be another one goes."""
    failure = read_failure(item.folder)
    if failure is not None and failure["fingerprint"] == item.fingerprint:
        return True
    remove_failure(item.folder)
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
        missing = missing_runs(configs, root)
        remove_leftovers(root / arm, [config.seed for config in configs])
        kept = len(configs) - len(missing)
        missing = [item for item in missing if not failed_before(item)]
        print(f"arm {arm}: {len(configs)} seeds, {kept} kept, {len(missing)} to train", flush=True)
        failures: list[Ended] = []
        if missing:
            failures = train_missing(
                missing,
                workers=min(default_workers(configs[0]), len(missing)),
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
