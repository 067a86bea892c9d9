"""Rules for imports: packages depend in one direction; light modules import no heavy package."""

import re
import subprocess
import sys

import pytest

from convchoice.runs.fingerprint import EVALUATION_MODULES, NUMERIC_MODULES
from imports import (
    SOURCE,
    all_modules,
    cycles,
    direct_modules,
    full_name,
    imported_names,
    needed_modules,
    package_of,
)

STAGES = {
    f"commands.{name}"
    for name in ("download", "compose", "train", "evaluate", "compare", "survive", "report")
}
HEAVY = ("torch", "torchvision", "pytorch_lightning", "mlflow", "hydra", "sklearn")
# A package imports only from itself and from those before it.
PACKAGES = (
    "config", "networks", "data", "runs", "training", "evaluation", "execution", "tracking",
    "analysis", "reporting", "commands",
)  # fmt: skip
LIGHT_PACKAGES = {"analysis", "reporting", "runs"}
LIGHT_MODULES = {
    "commands.compare", "config.schema", "config.study", "config.validation",
    "data.dataset", "errors", "networks.conv_arithmetic",
    "networks.plan", "commands.report", "commands.summary",
}  # fmt: skip
HYDRA_MODULES = {
    "execution.launch", "execution.search", "config.composition",
}  # fmt: skip
FORBIDDEN_NAMES = {"utils", "helpers", "common", "base", "manager"}
LIGHT = [
    name for name in all_modules() if package_of(name) in LIGHT_PACKAGES or name in LIGHT_MODULES
]


def top_packages(module: str, *, lazy: bool) -> set[str]:
    return {name.partition(".")[0] for name in imported_names(full_name(module), lazy=lazy)}


@pytest.mark.parametrize("module", all_modules())
def test_packages_import_only_from_those_before_them(module):
    order = {name: index for index, name in enumerate(("", *PACKAGES))}
    if package_of(module):
        for needed in direct_modules(module) - {"errors"}:
            assert 0 < order[package_of(needed)] <= order[package_of(module)], needed


@pytest.mark.parametrize("stage", sorted(STAGES))
def test_stages_never_import_stages(stage):
    assert not needed_modules(stage) & (STAGES - {stage})


@pytest.mark.parametrize("module", LIGHT)
def test_light_modules_import_no_heavy_package(module):
    for needed in needed_modules(module, lazy=False):
        assert not top_packages(needed, lazy=False) & set(HEAVY), needed


def test_full_scale_on_a_gpu_needs_few_packages():
    """Those that docs/scaling.md names: on such a machine nothing can be installed later."""
    packages = {
        "torch", "torchvision", "pytorch_lightning", "numpy", "scipy", "pydantic", "pydantic_core",
        "yaml", "safetensors", "filelock", "rich", "psutil", "convchoice",
    }  # fmt: skip
    started = ("commands.full", "commands.compare", "training.train", "evaluation.evaluate",
               "evaluation.robustness_curves")  # fmt: skip
    for module in {each for name in started for each in needed_modules(name, lazy=False)}:
        needed = top_packages(module, lazy=False) - sys.stdlib_module_names
        assert needed <= packages, module
    listed = (SOURCE.parent / "docs/scaling.md").read_text(encoding="utf-8").casefold()
    named = {each.replace("_", "-") for each in packages - {"yaml", "convchoice"}} | {"pyyaml"}
    assert all(re.search(rf"\b{name}\b", listed) for name in named)


@pytest.mark.parametrize("module", all_modules())
def test_only_entry_points_and_composition_import_hydra(module):
    imports_hydra = "hydra" in top_packages(module, lazy=True)
    assert imports_hydra == (module in HYDRA_MODULES)


def test_no_module_has_a_meaningless_name():
    assert not FORBIDDEN_NAMES & {part for name in all_modules() for part in name.split(".")}


def test_there_is_no_import_cycle():
    """Imports inside functions and for type checking count too."""
    assert cycles() == []


def test_the_fingerprint_contains_every_module_that_decides_numbers():
    # These pass values on, and the fingerprint contains the values.
    without_numbers = {
        "__init__", "errors", "training.device", "training.lightning_import", "config.arm_keys",
        "config.field_types", "config.schema", "config.validation", "config.yaml_files",
        "config.torchvision_datasets",
    }  # fmt: skip
    by_name = {"networks.triton_kernels"}  # of `import_module` in stacked_networks
    needed = needed_modules("training.train") - without_numbers | by_name
    assert set(NUMERIC_MODULES) == {name for name in needed if package_of(name) != "runs"}
    # An evaluation's precision is in no configuration.
    without_numbers.remove("training.device")
    needed = needed_modules("evaluation.evaluate") - without_numbers - set(NUMERIC_MODULES)
    of_files = {name for name in needed if package_of(name) == "runs"} - {"runs.evaluation_files"}
    assert set(EVALUATION_MODULES) == needed - of_files


def test_importing_the_package_imports_nothing_heavy():
    code = f"import convchoice, sys; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
