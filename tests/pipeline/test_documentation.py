"""The README and docs/: commands are legal, paths and links exist, results are the report's."""

import importlib
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from convchoice import PROJECT_ROOT
from convchoice.cli import VERBS
from convchoice.commands.choose import chosen
from convchoice.commands.compose import chosen_studies, composed_arms
from convchoice.config.composition import compose_values
from convchoice.config.validation import arm_from_mapping
from imports import PATHS

README = (PROJECT_ROOT / "README.md").read_text()
PAGES = {
    str(path.relative_to(PROJECT_ROOT)): path.read_text()
    for pattern in ("*.md", "docs/**/*.md", "bench/*.md")
    for path in sorted(PROJECT_ROOT.glob(pattern))
}
INLINE = [
    line
    for name, page in PAGES.items()
    if name not in {"CHANGELOG.md", "docs/own-code.md"}  # the past; a reader's own files
    for line in re.findall(r"`(convchoice [^`\n]*(?:=| -)[^`\n]*)`", page)
]
BLOCKS = [
    line
    for page in PAGES.values()
    for block in re.findall(r"```bash\n(.*?)```", page, re.DOTALL)
    for line in block.replace("\\\n", " ").splitlines()
]
COMMANDS = sorted(
    {
        command.strip(" &")
        for line in (*BLOCKS, *INLINE)
        if "# refused" not in line
        for command in re.split(r"&&|\|", line.partition(" #")[0])
        if command.strip().startswith("convchoice ") and not re.search(r"[<…$*]", command)
    }
)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_legal(command):
    _, verb, *arguments = shlex.split(command)
    if verb in {"train", "shapes"} and not any(each.startswith("--") for each in arguments):
        # Of a sweep, the first job.
        overrides = [re.sub(r"(?<!\[)\b([\w.]+),[\w.,]+$", r"\1", each) for each in arguments]
        changes = [each for each in overrides if each != "-m"]
        arm_from_mapping(compose_values(changes, command) | {"arm": "any"}, command)
    elif verb in VERBS:
        importlib.import_module(f"convchoice.commands.{verb}").parser().parse_args(arguments)
    else:
        assert verb == "--help"


@pytest.mark.filterwarnings("ignore")  # MLflow's own, at its import
def test_options_of_mlflows_commands_exist() -> None:
    from mlflow.cli import cli  # noqa: PLC0415 - warns

    text = "\n".join(PAGES.values()).replace("\\\n", " ")
    lines = re.findall(r"(?:^|`)mlflow ([a-z][^`\n#]*)", text, re.MULTILINE)
    assert lines
    for line in lines:
        command: Any = cli
        words = shlex.split(line)
        while words and words[0] in getattr(command, "commands", ()):
            command = command.commands[words.pop(0)]
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("-")} <= known, line


@pytest.mark.parametrize("name", PAGES)
def test_make_targets_paths_and_links_of_a_page_exist(name):
    folder = (PROJECT_ROOT / name).parent
    makefile = (PROJECT_ROOT / "Makefile").read_text()
    targets = re.findall(r"^([a-z-]+):", makefile, re.MULTILINE)
    assert set(re.findall(r"`make ([a-z-]+)", PAGES[name])) <= set(targets)
    prose = re.sub(r"```.*?```", "", PAGES[name], flags=re.DOTALL)
    for path, test in re.findall(r"`((?:tests|src|docs|conf|bench)/[\w/.-]+)(?:::(\w+))?`", prose):
        assert (PROJECT_ROOT / path).exists(), path
        assert not test or f"def {test}(" in (PROJECT_ROOT / path).read_text(), test
    for module in re.findall(r"`(convchoice\.[a-z_.]+)`", prose):
        assert {module, module.rpartition(".")[0]} & set(PATHS), module
    for path, anchor in re.findall(r"\]\((?!https?:|mailto:)([^)#]*)#?([^)]*)\)", prose):
        target = folder / path if path else PROJECT_ROOT / name
        assert target.exists(), path
        if anchor:
            headings = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
            assert anchor in {
                re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings
            }


def test_the_study_of_the_readme_is_chosen_and_composed(tmp_path):
    [text] = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    own = tmp_path / "edges.yaml"
    own.write_text(text)
    conf = Path(shutil.copytree(PROJECT_ROOT / "conf", tmp_path / "conf"))
    params = Path(shutil.copyfile(PROJECT_ROOT / "params.yaml", tmp_path / "params.yaml"))
    parameters = chosen(str(own), None, params, conf)
    arms = composed_arms(parameters, chosen_studies(parameters, conf), conf)
    assert [each.arm for each in arms] == ["max", "max_same", "average", "average_same"]


def test_results_in_the_readme_are_those_of_the_full_report():
    """Of the committed report: a run of one's own may have replaced the file."""
    if not (PROJECT_ROOT / ".git").exists():
        pytest.skip("this is no git clone, and has no committed report")
    command = ["git", "-C", str(PROJECT_ROOT), "show", "HEAD:reports/full/README.md"]
    report = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    block = README.partition("<!-- results")[2].partition("<!-- end of results -->")[0]
    rows = [line for line in block.splitlines() if line.startswith(("| ", "- "))]
    assert len(rows) > 8
    assert set(rows) <= set(report.splitlines())
