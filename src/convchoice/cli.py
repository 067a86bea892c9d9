"""The command line: `convchoice VERB …` runs `main` of the module `convchoice.commands.VERB`.

Only that module is imported, so `convchoice --help` imports neither torch nor Hydra nor MLflow.
"""

import argparse
import atexit
import gc
import importlib
import os
import sys
from collections.abc import Sequence

from convchoice import ALLOW_CODE, __version__
from convchoice.commands import CommandParser
from convchoice.errors import UserError, did_you_mean, exit_codes

VERBS = {
    "download": "download a data set and check its SHA-256",
    "choose": "choose studies and scale of the pipeline (writes params.yaml)",
    "compose": "compose the chosen arms and studies into one YAML file each",
    "train": "train one run, a sweep, or the arms of the pipeline",
    "evaluate": "evaluate trained arms on the test set",
    "compare": "compare the arms of a study, of run folders or of any table",
    "gate": "exit with 0 if no arm is worse than the baseline, 1 if one is, 3 if undecided",
    "survive": "repeat a study's contrasts with other learning rates, epochs and more",
    "variance": "decompose the spread between runs: weights, order, training subset",
    "full": "compute studies at full scale on a GPU within a time limit, and pack them",
    "report": "write the report: one HTML page and a Markdown file",
    "summary": "print the verdicts of all studies",
    "table": "print a study's result as a table: LaTeX, Markdown or CSV",
    "check": "compare results with the published ones, digit for digit",
    "publish": "log the complete runs that MLflow does not have yet",
    "tune": "search hyperparameters, with the same budget for each arm",
    "shapes": "print layers, sizes, parameters and costs of a network",
    "ui": "serve the MLflow UI with the runs",
}
SHELLS = ("bash", "zsh", "tcsh")
EPILOG = """\
examples:
  convchoice shapes downsample=strided
  convchoice train -m downsample=max,average seed=0,1 run_root=sweep
  convchoice compare sweep --baseline max

Options and examples of a verb: convchoice VERB --help
The whole pipeline:  make repro, or dvc repro
Shell completion:    eval "$(convchoice --print-completion bash)"

Code that a configuration from elsewhere names is imported only with --allow-code (any verb).

exit status: 0 success, 1 a job failed, 2 wrong input, 130 Ctrl-C, 143 SIGTERM
"""


def _parser() -> CommandParser:
    lines = (f"  {verb:<10} {description}" for verb, description in VERBS.items())
    made = CommandParser(
        "convchoice",
        "Which choices in a convolutional network matter, how certain is that, at what cost?",
        usage="convchoice VERB [arguments]",
        epilog="\n".join(["verbs:", *lines, "", EPILOG]),
    )
    made.add_argument("--version", action="version", version=f"convchoice {__version__}")
    made.add_argument("--print-completion", choices=SHELLS, help="print a shell completion script")
    return made


def completion(shell: str) -> str:
    """The completion script of a shell, with the verbs and their options."""
    import shtab  # noqa: PLC0415 - only needed here

    made = _parser()
    verbs = made.add_subparsers(parser_class=argparse.ArgumentParser)
    for verb, description in VERBS.items():
        parser = importlib.import_module(f"convchoice.commands.{verb}").parser()
        verbs.add_parser(verb, parents=[parser], add_help=False, help=description)
    return str(shtab.complete(made, shell))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a verb.

    Raises:
        SystemExit: with the exit status of `errors.exit_codes`.
    """
    # Most objects come from imports and stay: the collector searches them for nothing, at exit for
    # most of a second with MLflow.
    gc.set_threshold(100_000)
    atexit.register(gc.freeze)
    given = list(sys.argv[1:] if arguments is None else arguments)
    with exit_codes():
        if not given or given[0].startswith("-"):
            shell = _parser().parse_args(given or ["--help"]).print_completion
            print(completion(shell))
            return
        verb, *rest = (each for each in given if each != "--allow-code")
        if "--allow-code" in given:
            os.environ[ALLOW_CODE] = "1"  # for worker processes too
        if verb not in VERBS:
            hint = did_you_mean(verb, list(VERBS))
            raise UserError(f"{verb!r} is not a verb. {hint} See `convchoice --help`.")
        sys.argv = [f"convchoice {verb}", *rest]  # Hydra reads it
        importlib.import_module(f"convchoice.commands.{verb}").main()
