"""The house rules that an import can break: data flows one way, and light modules stay light."""

import subprocess
import sys

import pytest

from convchoice.runs.fingerprint import NUMERIC_MODULES
from imports import PACKAGE, all_modules, direct_modules, imported_names, needed_modules, package_of
from stats import cycles, import_graph

STAGES = {"download", "compose", "train", "evaluate", "compare", "report"}
HEAVY = ("torch", "torchvision", "pytorch_lightning", "mlflow", "hydra", "sklearn")
# From configuration to report: a package imports only from itself and from those before it.
PACKAGES = (
    "config", "networks", "data", "runs", "training", "evaluation", "execution", "tracking",
    "analysis", "reporting",
)  # fmt: skip
LIGHT_PACKAGES = {"analysis", "reporting", "runs"}
LIGHT_MODULES = {
    "compare", "config.arm", "config.schema", "config.study", "config.validation",
    "data.dataset", "errors", "networks.conv_arithmetic",
    "networks.plan", "report", "summary",
}  # fmt: skip
# Each of these goes with the rewrite of its package.
NOT_YET = {
    ("config.arm", "networks"),
}  # fmt: skip
HYDRA_MODULES = {
    "execution.application", "execution.launch", "execution.search_space", "config.composition",
}  # fmt: skip
FORBIDDEN_NAMES = {"utils", "helpers", "common", "base", "manager"}
LIGHT = [
    name for name in all_modules() if package_of(name) in LIGHT_PACKAGES or name in LIGHT_MODULES
]


def top_packages(module: str, *, lazy: bool) -> set[str]:
    return {name.partition(".")[0] for name in imported_names(module, lazy=lazy)}


@pytest.mark.parametrize("module", all_modules())
def test_packages_import_only_from_those_before_them(module: str) -> None:
    order = {name: index for index, name in enumerate(("", *PACKAGES))}
    if package_of(module):
        for needed in direct_modules(module) - {"errors"}:
            if (module, package_of(needed)) not in NOT_YET:
                assert 0 < order[package_of(needed)] <= order[package_of(module)], needed


@pytest.mark.parametrize("stage", sorted(STAGES))
def test_stages_never_import_stages(stage: str) -> None:
    assert not needed_modules(stage) & (STAGES - {stage})


@pytest.mark.parametrize("module", LIGHT)
def test_contracts_statistics_and_reports_never_import_torch(module: str) -> None:
    for needed in needed_modules(module, lazy=False):
        assert not top_packages(needed, lazy=False) & set(HEAVY), needed


@pytest.mark.parametrize("module", all_modules())
def test_only_the_composition_touches_hydra(module: str) -> None:
    touches = "hydra" in top_packages(module, lazy=True)
    assert touches == (module in HYDRA_MODULES)


def test_no_module_is_a_dumping_ground() -> None:
    assert not FORBIDDEN_NAMES & {part for name in all_modules() for part in name.split(".")}


def test_there_is_no_import_cycle() -> None:
    """Imports inside functions and for type checking count too."""
    assert not cycles(import_graph(PACKAGE.parent))


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("config.schema", "config.validation"),
        ("config.schema", "networks.conv_arithmetic"),
        ("networks.conv_arithmetic", "networks.plan"),
        ("networks.conv_arithmetic", "networks.layers"),
        ("networks.plan", "networks.network"),
        ("networks.layers", "networks.pooling"),
        ("networks.pooling", "networks.network"),
        ("networks.initialisation", "networks.network"),
        ("networks.network", "training.lightning_module"),
        ("training.lightning_module", "training.train"),
        ("training.train", "execution.job"),
        ("runs.run_folder", "analysis.comparison"),
        ("analysis.statistics", "analysis.predictions"),
        ("analysis.contrasts", "analysis.comparison"),
        ("analysis.statistics", "analysis.comparison"),
        ("analysis.comparison", "compare"),
    ],
)
def test_data_flows_one_way(earlier: str, later: str) -> None:
    assert later not in needed_modules(earlier)
    assert earlier in needed_modules(later)


def test_the_fingerprint_counts_every_module_that_decides_numbers() -> None:
    # These carry values or write files; what they hold is in the fingerprint itself.
    carriers = {
        "__init__", "errors", "training.device", "config.validation",
        "config.legal_values", "config.mapping", "config.schema", "config.yaml_files",
        "torchvision_operators",
    }  # fmt: skip
    needed = needed_modules("training.train") - carriers
    assert set(NUMERIC_MODULES) == {name for name in needed if package_of(name) != "runs"}


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = f"import convchoice, sys; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
