"""Compute studies at full scale on a GPU within a time limit, and pack the results.

    convchoice full --minutes 9
    convchoice full --plan                     # what it would do
    convchoice full --dry-run                  # two small studies on the CPU, a minute
    convchoice full --bring outputs/full/packed

Arms are trained and evaluated one after another, those of the first study first. An arm that
would not finish in time is not started. A study is compared as soon as its arms are complete. At
the end everything is packed: results with their runs as text, and, for studies that are not
complete, compact run folders and the checkpoint of an unfinished arm. The same command resumes in
the same folder, on another machine with --continue-from. --bring writes packed results to
reports/full.

The machine needs neither network nor MLflow nor DVC (docs/scaling.md). Without Hydra the
configurations are those that --plan has composed elsewhere.
"""

import math
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path

from convchoice.analysis.comparison_files import COMPARISON, read_comparison
from convchoice.commands import CommandParser, names_in
from convchoice.commands.full_studies import CONFIGS, REPORTS, RUNS, Work
from convchoice.config.parameters import Parameters, reports_of
from convchoice.config.schema import Accelerator, Config
from convchoice.config.study import read_study
from convchoice.errors import JobError, UserError, require
from convchoice.execution.executors import gpu_is_usable
from convchoice.execution.runner import failure_text
from convchoice.execution.within_time import Estimate, run_within
from convchoice.runs.archive import (
    ARCHIVE,
    MOST_PARTS,
    PART_BYTES,
    copy_compact,
    extract_archive,
    write_archive,
)
from convchoice.runs.events import count, duration
from convchoice.runs.output_files import changed_files, check_output, read_manifest, write_output
from convchoice.runs.run import RunSpecification
from convchoice.runs.run_folder import failed_path

STUDIES = (
    "pooling", "strides_vs_pooling", "width", "lecture", "padding", "pooling_cost", "filter_size",
    "invariance", "locality", "sharing",
)  # fmt: skip
"""In this order: the two central claims, then what takes few more arms; last the studies
with dense first layers of 17 million parameters."""
DRY_RUN = ("strides_vs_pooling", "width")
"""Two studies that share arms."""
PACKING_SECONDS = 30.0
"""At the end: the last comparison, compact copies, compression."""
COMPARING_SECONDS = 15.0
"""Of these, at most, for the last comparison."""
UNFINISHED = "unfinished"


def compose(output: Path, scale: str, wanted: Sequence[str], *, dry_run: bool) -> None:
    """Write the configurations of the studies' arms, if Hydra is there; else they must be there.

    Raises:
        UserError: without Hydra and without configurations, or for anything illegal.
    """
    folder = output / CONFIGS
    try:
        from convchoice.commands.choose import study_files  # noqa: PLC0415 - imports Hydra
        from convchoice.commands.compose import composed_arms, composed_texts  # noqa: PLC0415
    except ModuleNotFoundError as error:
        fix = "Compose them where Hydra is installed, and copy the folder: convchoice full --plan"
        require(folder.is_dir(), "full", error.name, f"is missing, and so is {folder}.", fix)
        print(f"{error.name} is not installed; the configurations are those of {folder}")
        return
    # What is evaluated of an arm depends on all studies that it is in.
    names = wanted if dry_run else dict.fromkeys([*wanted, *STUDIES])
    studies = [read_study(file) for file in study_files(",".join(names))]
    arms = list(dict.fromkeys(arm for study in studies for arm in study.all_arms()))
    reports = str(output / REPORTS) if dry_run else reports_of(scale)
    parameters = Parameters(scale, arms, [study.name for study in studies], reports)
    made = [_adapted(arm, dry_run=dry_run) for arm in composed_arms(parameters, studies)]
    write_output(folder, composed_texts(parameters, studies, made))


def _adapted(arm: Config, *, dry_run: bool) -> Config:
    """An arm for the CPU, or one that refuses a stand-in for its data."""
    if dry_run:
        return replace(arm, trainer=replace(arm.trainer, accelerator=Accelerator.cpu))
    return replace(arm, data=replace(arm.data, fallback=None))


def print_plan(work: Work, minutes: float, packed: Path) -> None:
    """Print what is to be done, in its order, how long it takes, and what will be written."""
    estimate, studies = Estimate(), work.open_arms()
    runs, done = sum(len(arm.runs) for arm in work.todo), sum(map(work.has_result, work.studies))
    for name in work.outdated():
        print(
            f"{name}: its result is not of the present study, arms, data and code; it is made again"
        )
    print(f"studies: {len(work.studies)}, with a result: {done}; by an H200's speed:")
    seconds = [estimate.training(arm) for arm in work.todo]
    ends = list(accumulate(seconds))
    for arm, each, end in zip(work.todo, seconds, ends, strict=True):
        times = f"{each:5.0f} s, until {end / 60:5.1f} min"
        print(f"  {arm.name:<24}{len(arm.runs):>3} seeds {times}  {', '.join(studies[arm.name])}")
    within = sum(end + estimate.evaluation() <= 60 * minutes - PACKING_SECONDS for end in ends)
    total = f"arms to do: {len(work.todo)}, runs: {runs:,}, about {duration(sum(seconds))}"
    print(f"{total}; within {minutes:g} minutes: {within}")
    most = f"at most {MOST_PARTS} files of {PART_BYTES >> 20} MiB"
    print(f"runs: {work.output / RUNS}; packed: {packed / ARCHIVE}.0, …, {most}", flush=True)


def pack(work: Work, packed: Path) -> None:
    """Pack the results, and what the next start needs on another machine."""
    with tempfile.TemporaryDirectory(dir=work.output) as name:
        folder = Path(name)
        (folder / REPORTS).mkdir()
        outdated = work.outdated()
        for result in (work.output / REPORTS).glob(f"*/{COMPARISON}"):
            if result.parent.name in outdated:
                continue
            shutil.copytree(result.parent, folder / REPORTS / result.parent.name)
        for arm in work.open_arms():
            if arm in work.complete:
                _copy_arm(work.runs[arm], folder / RUNS / arm)
                continue
            unfinished = work.output / RUNS / arm
            size = sum(path.stat().st_size for path in unfinished.rglob("*") if path.is_file())
            if size >= MOST_PARTS * PART_BYTES:
                print(f"{unfinished}: takes too much room and is left out", flush=True)
            elif size:
                shutil.copytree(unfinished, folder / UNFINISHED / arm)
        parts = write_archive(folder, packed, without=(RUNS, UNFINISHED))
    size = sum(part.stat().st_size for part in parts)
    print(f"packed: {count(len(parts), 'file')}, {size / 2**20:.1f} MiB, in {packed}", flush=True)


def _copy_arm(runs: Sequence[RunSpecification], folder: Path) -> None:
    """Copy the runs of an arm compactly, the first one with its weights, and its failures."""
    folder.mkdir(parents=True)
    first = next((run for run in runs if run.folder.is_dir()), None)
    for run in runs:
        if run.folder.is_dir():
            copy_compact(run.folder, folder / run.folder.name, weights=run is first)
        elif (record := failed_path(run.folder)).is_file():
            shutil.copyfile(record, folder / record.name)


def _remove_dry_run(output: Path) -> None:
    """Remove what an earlier dry run has made, so that this one computes all of it."""
    if read_manifest(output / CONFIGS):  # a folder of the same name may be a user's own
        for name in (RUNS, REPORTS, UNFINISHED):
            shutil.rmtree(output / name, ignore_errors=True)


def continue_from(packed: Path, output: Path) -> None:
    """Extract what another machine has packed, unless there is something already."""
    if (output / RUNS).exists() or (output / REPORTS).exists():
        print(f"resumes in {output}; {packed} is not extracted")
        return
    extract_archive(packed, output)
    for arm in (output / UNFINISHED).glob("*"):
        shutil.move(arm, output / RUNS / arm.name)


def bring(packed: Path, reports: Path) -> None:
    """Write packed results to a folder of reports.

    Raises:
        UserError: if a file is damaged, or one there was not written by convchoice; nothing is
            written then.
    """
    with tempfile.TemporaryDirectory() as name:
        extract_archive(packed, Path(name))
        results: dict[Path, dict[str, str]] = {}
        for result in sorted(Path(name, REPORTS).glob(f"*/{COMPARISON}")):
            read_comparison(result)
            names, changed = read_manifest(result.parent), changed_files(result.parent)
            if COMPARISON not in names or changed:
                file = Path(REPORTS, result.parent.name, *changed[:1])
                raise UserError(f"{packed}: {file} is damaged or missing. Pack or copy it again.")
            texts = {name: (result.parent / name).read_text(encoding="utf-8") for name in names}
            results[reports / result.parent.name] = texts
        for folder, texts in results.items():
            check_output(folder, texts)
        for folder, texts in results.items():
            write_output(folder, texts)
            print(f"{folder}: {count(len(texts), 'file')}")


def parser() -> CommandParser:
    """The command line."""
    made = CommandParser("convchoice full", __doc__)
    add = made.add_argument
    add("--minutes", type=float, default=9.0, help="time limit of the command (default: 9)")
    add("--studies", metavar="A,B", help="names or files, in this order (default: all)")
    add(
        "--plan",
        action="store_true",
        help="compose the configurations, print what would be done, and exit",
    )
    add("--dry-run", action="store_true", help="two studies of the scale demo, on the CPU")
    usual = "runs and results (default: outputs/full; with --dry-run outputs/full-dry-run)"
    add("--output", type=Path, metavar="FOLDER", help=usual)
    add("--packed", type=Path, metavar="FOLDER", help="where to pack (default: <output>/packed)")
    packed = "what another machine packed"
    add("--continue-from", type=Path, metavar="FOLDER", help=f"first extract {packed}")
    add(
        "--bring", type=Path, metavar="FOLDER", help=f"extract the results in {packed} to --reports"
    )
    add("--reports", type=Path, metavar="FOLDER", default=Path("reports/full"),
        help="folder for --bring (default: reports/full)")  # fmt: skip
    return made


def main(arguments: Sequence[str] | None = None) -> None:
    """Compute and pack, or bring what was packed.

    Raises:
        UserError: for wrong arguments, or without a GPU, data or configurations.
        JobError: if a run or a comparison failed, after everything else was done and packed.
    """
    started, given = time.monotonic(), parser().parse_args(arguments)
    legal = 0 < given.minutes < math.inf
    require(legal, "--minutes", given.minutes, "must be a finite number above 0.")
    if given.bring:
        bring(given.bring, given.reports)
        return
    dry_run = given.dry_run
    output = given.output or Path("outputs", "full-dry-run" if dry_run else "full")
    packed = given.packed or output / "packed"
    wanted = names_in(given.studies) if given.studies else DRY_RUN if dry_run else STUDIES
    if dry_run and not given.output and not given.plan:
        _remove_dry_run(output)
    if given.continue_from:
        continue_from(given.continue_from, output)
    compose(output, "demo" if dry_run else "full", wanted, dry_run=dry_run)
    work = Work(output, wanted)
    print_plan(work, given.minutes, packed)
    if given.plan:
        return
    if work.todo and not dry_run and not gpu_is_usable():
        raise UserError("torch finds no CUDA GPU. Try it on the CPU: convchoice full --dry-run")
    end = started + 60 * given.minutes - PACKING_SECONDS
    try:
        work.compare(work.studies)
        failures = run_within(work.todo, end, work.add_complete)
    finally:
        try:
            not_compared = work.finish(end + COMPARING_SECONDS)
        finally:
            pack(work, packed)
    if failures:
        runs = sum(len(arm.runs) for arm in work.todo)
        raise JobError(failure_text(failures, runs, "failed"))
    if not_compared:
        raise JobError(f"{count(not_compared, 'comparison')} failed; the reasons are above.")
