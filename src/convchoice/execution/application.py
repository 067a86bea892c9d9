"""The Hydra application: its command line, and what one job does, alone or in a sweep.

Each job is one run. It leaves `<run_root>/<arm>/seed-<n>`; a run that is there already, with the
same configuration, data and code, is kept. What a sweep is beside its jobs is `sweep`'s.
"""

import math
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from convchoice.config.composition import (
    HYDRA_VERSION_BASE,
    options,
    plain,
    register_schema,
)
from convchoice.config.schema import Config
from convchoice.config.validation import CONF_DIR, check_name
from convchoice.errors import ConfigurationError, UserError, exit_codes, nearest
from convchoice.execution.dealing import side_by_side
from convchoice.execution.naming import names_a_place
from convchoice.execution.one_run import (
    Publish,
    run_config,
    say_result,
    to_optimise,
    train_and_measure,
)
from convchoice.execution.processes import end_with
from convchoice.execution.sweep import FOLDER, SENDER, SWEPT
from convchoice.execution.sweep_journal import BEGUN, DONE, FAILED, Journal


def swept_keys(arguments: Sequence[str]) -> list[str]:
    """Keys that a multirun gives more than one value.

    Raises:
        ConfigurationError: if an argument is no override in Hydra's syntax.
    """
    overrides = [argument for argument in arguments if not argument.startswith("-")]
    try:
        parsed = OverridesParser.create().parse_overrides(overrides)
    except HydraException as error:
        first_line = str(error).splitlines()[0]
        raise ConfigurationError("command line", " ".join(overrides), first_line) from error
    return [str(override.key_or_group) for override in parsed if override.is_sweep_override()]


def offer_new_names(arguments: list[str]) -> None:
    """Let `arm=NAME` name a configuration of one's own.

    A name that `conf/arm` does not have becomes an overlay that only sets the name, provided that
    something else is set beside it and the name is not a slip of the pen for one that is there.

    Raises:
        ConfigurationError: for an unknown name that stands alone or is close to a known one.
    """
    known = options("arm")
    chosen = [argument.partition("=")[2] for argument in arguments if argument.startswith("arm=")]
    own_settings = any("=" in part and not names_a_place(part) for part in arguments)
    for name in [name for value in chosen for name in value.split(",")]:
        if name in known or name == "null":
            continue
        suggestion = nearest(name, known)
        variant = any(name.startswith((f"{arm}_", f"{arm}-")) for arm in known)
        slip = suggestion.startswith("Did you mean") and not variant
        if not own_settings or slip:
            raise ConfigurationError(
                "arm", name, "there is no such arm.",
                f"{suggestion} Or give a configuration of your own a new name:"
                f" downsample=average arm=mine",
            )  # fmt: skip
        check_name("arm", name)
        ConfigStore.instance().store(group="arm", name=name, node={"arm": name}, package="_global_")


def _job_of_sweep(config: Config, folder: Path, publish: Publish) -> float:
    """Do one job among others: how it ends is written down, and never stops a sibling."""
    journal, key = Journal(folder), (str(config.arm), config.seed)
    journal.note(key, BEGUN)
    try:
        run = train_and_measure(config, publish)
    except UserError as error:
        journal.note(key, FAILED, str(error).removeprefix(f"{key[0]} seed {key[1]}: "))
    except Exception as error:  # noqa: BLE001 - one job's fault must not stop the others
        reason = f"{type(error).__name__}: {error}"
        journal.note(key, FAILED, reason, traceback.format_exc())
        print(f"{key[0]} seed {key[1]}: FAILED: {reason}", flush=True)
    else:
        say_result(run)
        journal.note(key, DONE)
        return to_optimise(run)
    return math.nan


def _job(composed: DictConfig, publish: Publish) -> float:
    settings = HydraConfig.get()
    overrides = list(settings.overrides.task)
    told_to_job = settings.job.env_set
    swept = str(told_to_job.get(SWEPT, "")).split()
    folder = told_to_job.get(FOLDER)
    if folder is not None:
        end_with(int(told_to_job[SENDER]))
        config = run_config(plain(composed), overrides, swept)
        return _job_of_sweep(config, Path(folder), publish)
    with exit_codes():  # inside the job: Hydra would dress a refusal up as a crash
        run = train_and_measure(run_config(plain(composed), overrides, swept), publish)
    say_result(run)
    return to_optimise(run)


def application(publish: Publish) -> None:
    """Run Hydra on the command line's arguments.

    Args:
        publish: called with each run's folder when it is whole, in the job's process.

    Raises:
        UserError: for an illegal configuration, or a run that failed.
    """
    register_schema()
    OmegaConf.register_new_resolver("side_by_side", side_by_side, replace=True)
    offer_new_names(sys.argv[1:])
    swept = swept_keys(sys.argv[1:])
    if swept:  # a job sees its own values only, so it is told, by whatever launcher
        sys.argv.append(f"+hydra.job.env_set.{SWEPT}='{' '.join(swept)}'")

    def job(composed: DictConfig) -> float:
        return _job(composed, publish)

    main = hydra.main(
        version_base=HYDRA_VERSION_BASE, config_path=str(CONF_DIR), config_name="config"
    )(job)
    main()
