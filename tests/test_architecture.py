"""The house rules that an import can break: data flows one way, and light modules stay light."""

import subprocess
import sys

import pytest

from convchoice.fingerprint import NUMERIC_MODULES
from imports import all_modules, direct_modules, imported_names, needed_modules

STAGES = {"download", "compose", "train", "evaluate", "compare", "report"}
HEAVY = ("torch", "torchvision", "pytorch_lightning", "mlflow", "hydra", "sklearn")
# From configuration to report: a module may import only modules that stand before it.
LIGHT = {
    "answer_result", "answers", "arm", "arm_result", "axes", "block_rules", "cifar_binary",
    "compare", "comparison", "comparison_files", "configuration", "curve_points", "curve_result",
    "data_rules", "datasets", "environment", "errors", "events", "figures", "fitting", "gathering",
    "geometry", "idx", "known_datasets", "measure", "paired_result", "pairs", "pictures", "planned",
    "printed_table", "progress", "provenance", "report", "results_table", "run_folder", "schema",
    "statistics", "study", "summary", "table_comparison", "verdict", "wording",
}  # fmt: skip
HYDRA_MODULES = {"composition", "sweep"}
FORBIDDEN_NAMES = {"utils", "helpers", "common", "base", "manager"}


def top_packages(module: str, *, lazy: bool) -> set[str]:
    return {name.partition(".")[0] for name in imported_names(module, lazy=lazy)}


@pytest.mark.parametrize("stage", sorted(STAGES))
def test_stages_never_import_stages(stage: str) -> None:
    assert not needed_modules(stage) & (STAGES - {stage})


@pytest.mark.parametrize("module", sorted(LIGHT))
def test_contracts_statistics_and_reports_never_import_torch(module: str) -> None:
    for needed in needed_modules(module, lazy=False):
        assert not top_packages(needed, lazy=False) & set(HEAVY), needed


@pytest.mark.parametrize("module", all_modules())
def test_only_the_composition_touches_hydra(module: str) -> None:
    touches = "hydra" in top_packages(module, lazy=True)
    assert touches == (module in HYDRA_MODULES)


def test_no_module_is_a_dumping_ground() -> None:
    assert not FORBIDDEN_NAMES & set(all_modules())


def test_imports_never_run_in_a_circle() -> None:
    for module in all_modules():
        for needed in direct_modules(module) - {module}:
            assert module not in needed_modules(needed) - needed_modules("__init__"), needed


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("schema", "configuration"),
        ("schema", "axes"),
        ("axes", "geometry"),
        ("axes", "layers"),
        ("geometry", "network"),
        ("layers", "pooling"),
        ("pooling", "network"),
        ("initialisation", "network"),
        ("network", "classifier"),
        ("classifier", "training"),
        ("training", "seeds"),
        ("run_folder", "comparison"),
        ("answers", "answer_result"),
        ("paired_result", "comparison"),
        ("comparison", "table_comparison"),
        ("statistics", "comparison"),
        ("comparison", "compare"),
    ],
)
def test_data_flows_one_way(earlier: str, later: str) -> None:
    assert later not in needed_modules(earlier)
    assert earlier in needed_modules(later)


def test_the_fingerprint_counts_every_module_that_decides_numbers() -> None:
    # These carry values or write files; what they hold is in the fingerprint itself.
    carriers = {
        "__init__", "block_rules", "configuration", "curve_points", "data_rules", "device",
        "errors", "events", "memory", "pictures", "run_folder", "schema", "torchvision_pairing",
    }  # fmt: skip
    assert set(NUMERIC_MODULES) == needed_modules("training") - carriers


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = f"import convchoice, sys; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
