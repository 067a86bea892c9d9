"""The command `convchoice`: help, dispatch, errors, completion, encodings, exit statuses."""

import importlib
import os
import re
import subprocess
import sys

import pytest

from convchoice import PROJECT_ROOT
from convchoice.cli import VERBS, completion, main

HEAVY = ("torch", "torchvision", "pytorch_lightning", "mlflow", "hydra", "omegaconf", "sklearn")


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    command, values = [sys.executable, *arguments], os.environ | environment
    return subprocess.run(command, capture_output=True, check=False, env=values)


def test_help_lists_every_verb_and_imports_nothing_heavy():
    code = (
        "import sys; from convchoice.cli import main\n"
        "try: main([])\n"
        f"finally: print([name for name in {HEAVY} if name in sys.modules])"
    )
    printed = run("-c", code).stdout.decode()
    assert printed.rstrip().endswith("[]")
    for verb, description in VERBS.items():
        assert f"  {verb:<10} {description}\n" in printed


@pytest.mark.parametrize("verb", list(VERBS))
def test_help_of_a_verb_has_an_example(verb):
    parser = importlib.import_module(f"convchoice.commands.{verb}").parser()
    usage, _, rest = parser.format_help().partition("\n\n")
    assert usage.startswith(f"usage: convchoice {verb} ")
    assert re.search(rf"^ *(example: )?convchoice {verb}\b", rest, re.MULTILINE)


def test_verb_gets_its_arguments_unchanged(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", [])
    main(["shapes", "downsample=strided", "--json"])
    assert '"name": "block1.convolution"' in capsys.readouterr().out
    assert sys.argv == ["convchoice shapes", "downsample=strided", "--json"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("trian", "error: 'trian' is not a verb. Did you mean train? See `convchoice --help`.\n"),
        ("--verson", "error: unrecognized arguments: --verson. See `convchoice --help`.\n"),
        ("shapes --jsn", "error: unrecognized arguments: --jsn. See `convchoice shapes --help`.\n"),
        ("shapes conv.kernel_size=0", "error: command line: conv.kernel_size = 0: must be"),
        ("shapes conv.kernel_size=9", "error: block3.convolution: a 9×9 window does not fit"),
    ],
)
def test_wrong_input_is_one_message_and_status_2(arguments, message, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", [])
    with pytest.raises(SystemExit, match="2"):
        main(arguments.split())
    assert capsys.readouterr().err.startswith(message)


def test_output_in_any_encoding_is_utf8():
    encoding = {"PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
    done = run("-m", "convchoice", "shapes", **encoding)
    assert done.returncode == 0, done.stderr
    assert "⌊(28 + 0 − 3)/1⌋ + 1 = 26" in done.stdout.decode("utf-8")
    refused = run("-m", "convchoice", "shapes", "conv.kernel_size=9", **encoding)
    assert refused.returncode == 2
    assert "a 9×9 window" in refused.stderr.decode("utf-8")


def test_a_search_without_its_package_names_the_extra():
    code = (
        "import sys; sys.modules['optuna'] = None\n"
        "from convchoice.cli import main\n"
        "main(['tune', 'arm=max', 'optimizer.learning_rate=0.1,0.001'])\n"
    )
    done = run("-c", code)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode() == (
        "error: convchoice tune = 'optuna': is not installed."
        ' Install it: pip install -c constraints.txt -e ".[search]"\n'
    )


def test_a_path_at_a_link_that_leads_to_itself_is_refused(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", [])
    link = tmp_path / "loop"
    link.symlink_to("loop")
    with pytest.raises(SystemExit, match="2"):
        main(["summary", str(link)])
    rule = f"{link}: a symbolic link in this path leads to itself. Remove it, or name another path."
    assert rule in capsys.readouterr().err


def test_a_closed_pipe_is_no_error():
    command = f"{sys.executable} -m convchoice shapes | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, check=False)
    assert done.returncode in {0, 1, 141}  # 1: rich ends the process itself
    assert not done.stderr


def test_a_working_folder_that_was_deleted_is_an_error(tmp_path):
    command = f"cd {tmp_path} && rmdir {tmp_path} && {sys.executable} -m convchoice shapes"
    done = subprocess.run(["bash", "-c", command], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr == b"error: the working folder was deleted. Change to one that exists.\n"


@pytest.mark.parametrize("verb", ["report", "publish"])
def test_ctrl_c_during_the_imports_is_one_word(verb: str):
    """The first heavy import sends the signal."""
    code = (
        "import sys, os, signal\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a job's may be ignored
        "class Interrupt:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name in {'pydantic', 'mlflow', 'numpy'}:\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupt())\n"
        f"from convchoice.cli import main; main(['{verb}'])\n"
    )
    done = run("-c", code)
    assert (done.returncode, done.stderr) == (130, b"interrupted\n")


@pytest.mark.parametrize("columns", ["0", "-5", "x", "²", "9" * 5_000])
def test_a_terminal_of_no_width_gets_a_table(columns: str):
    assert b"93,322 parameters" in run("-m", "convchoice", "shapes", COLUMNS=columns).stdout
    reports = str(PROJECT_ROOT / "reports")
    summary = run("-m", "convchoice", "summary", reports, COLUMNS=columns, LINES=columns).stdout
    assert "max pooling" in summary.decode()


def test_flags_of_a_sweep_are_in_the_help_of_train_and_none_of_its_stage(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [])
    text = importlib.import_module("convchoice.commands.train").parser().format_help()
    for flag in ("-m, --multirun", "--dry-run", "--allow-code", "--composed PATH"):
        assert re.search(rf"^  {flag}  ", text, re.MULTILINE)
    for flag in ("-m", "--dry-run"):
        with pytest.raises(SystemExit):
            main(["train", "--composed", "configs/arms", "--output", "trained", flag])
        assert "error: -m and --dry-run are of a sweep" in capsys.readouterr().err


def test_completion_script_is_valid_bash_with_verbs_and_options():
    script = completion("bash")
    for word in [*VERBS, "--json", "--print-completion", "--multirun", "--dry-run", "--allow-code"]:
        assert word in script
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)
