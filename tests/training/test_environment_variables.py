"""The configuration chooses the CPU's instructions, whatever the variables around a training."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from convchoice import PROJECT_ROOT
from convchoice.config.schema import Instructions
from convchoice.errors import UserError
from convchoice.runs.run import Run, read_run
from convchoice.runs.run_folder import run_path
from convchoice.training.environment_variables import AVX2, ignored, use_instructions
from small_runs import OVERRIDES
from stages import bits

HAS_AVX2 = torch.cpu._is_avx2_supported()
on_x86 = pytest.mark.skipif(not HAS_AVX2, reason="a processor with AVX2")
VERBOSE = {"ONEDNN_VERBOSE": "1", "MKL_VERBOSE": "1"}
CLEAN = {key: value for key, value in os.environ.items() if key not in AVX2}
HOSTILE = {
    "ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "DNNL_MAX_CPU_ISA": "SSE41",
    "MKL_CBWR": "AUTO", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2", "ONEDNN_DEFAULT_FPMATH_MODE": "ANY",
    "PL_TRAINER_LIMIT_TRAIN_BATCHES": "1", "PL_TRAINER_MAX_EPOCHS": "1", "SLURM_NTASKS": "4",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE": "1", "NVIDIA_TF32_OVERRIDE": "1",
    "OMP_NUM_THREADS": "4", "OMP_DYNAMIC": "true", "MKL_NUM_THREADS": "3", "MKL_DYNAMIC": "TRUE",
    "TORCHELASTIC_RUN_ID": "1", "PYTHONHASHSEED": "7", "RANK": "1", "LOCAL_RANK": "1",
    "WORLD_SIZE": "4", "SLURM_PROCID": "3", "SLURM_JOB_NAME": "job", "KUBERNETES_PORT": "1",
    "MASTER_ADDR": "nowhere", "MASTER_PORT": "1",
}  # fmt: skip


def python(arguments: list[str], variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    environment = CLEAN | {"PYTHONPATH": str(PROJECT_ROOT / "src")} | variables
    return subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False
    )


def trained(root: Path, data_root: Path, variables: dict[str, str], *more: str) -> tuple[Run, str]:
    """A run of the command line, and what it and its worker printed."""
    overrides = [
        "arm=max", *OVERRIDES, "trainer.max_epochs=2", "tracking=none", f"run_root={root}",
        f"data.root={data_root}", *more,
    ]  # fmt: skip
    done = python(["-m", "convchoice.train", *overrides], variables)
    assert done.returncode == 0, done.stderr
    return read_run(run_path(root, "max", 0)), done.stdout


@pytest.fixture(scope="module")
def verbose_run(tmp_path_factory: pytest.TempPathFactory, data_root: Path) -> tuple[Run, str]:
    """A run with the default instructions, whose libraries print what they use."""
    return trained(tmp_path_factory.mktemp("verbose"), data_root, VERBOSE)


@pytest.mark.parametrize("instructions", Instructions)
def test_variables_around_a_training_do_not_change_its_bits(
    tmp_path, data_root, verbose_run, instructions
):
    more = f"trainer.instructions={instructions}"
    is_default = instructions is Instructions.avx2
    own, plain = verbose_run if is_default else trained(tmp_path / "own", data_root, {}, more)
    among, text = trained(tmp_path / "among", data_root, HOSTILE, more)
    assert bits(among) == bits(own)
    assert "ignored" not in plain
    assert f"MKL_CBWR=AUTO: ignored; trainer.instructions={instructions} decides." in text


@on_x86
def test_each_library_computes_with_avx2_and_no_more(tmp_path, data_root, verbose_run):
    run, training = verbose_run
    assert (run.environment["instructions"], run.environment["cpu_capability"]) == ("avx2", "AVX2")
    code = (
        "from pathlib import Path\n"
        "from convchoice.config.schema import Config\n"
        "from convchoice.evaluation.evaluate import evaluate_together, read_trained\n"
        "from convchoice.runs.run import RunSpecification\n"
        f"folder, trained = Path({str(tmp_path / 'again' / 'seed-0')!r}), Path({str(run.path)!r})\n"
        f"data = Path({str(data_root)!r})\n"
        "run = RunSpecification(Config(), data, folder, trained=trained)\n"
        "evaluate_together([read_trained(run)], print)\n"
    )
    evaluation = python(["-c", code], VERBOSE)
    assert evaluation.returncode == 0, evaluation.stderr
    for text in (training, evaluation.stdout):
        assert "onednn_verbose,v1,info,cpu,isa:Intel AVX2\n" in text
        assert "CNR:COMPATIBLE" in text
        assert "CNR:OFF" not in text


@on_x86
@pytest.mark.parametrize(
    ("instructions", "capability", "named"),
    [("avx2", "default", "DEFAULT"), ("native", "avx2", "ATEN_CPU_CAPABILITY")],
)
def test_a_process_that_computes_with_other_instructions_is_refused(
    instructions, capability, named
):
    code = (
        "import torch\n"
        "from convchoice.config.schema import Instructions\n"
        "from convchoice.training.environment_variables import use_instructions\n"
        "torch.ones(3).exp()\n"
        f"use_instructions(Instructions.{instructions})\n"
    )
    done = python(["-c", code], {"ATEN_CPU_CAPABILITY": capability})
    assert f"already computes with other instructions ({named})" in done.stderr


def test_a_processor_without_avx2_is_used_as_it_is(monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx2_supported", lambda: False)
    with pytest.raises(UserError, match="MKL_CBWR"):  # they would be in the way
        use_instructions(Instructions.avx2)
    for name in AVX2:
        monkeypatch.delenv(name)
    assert use_instructions(Instructions.avx2) is Instructions.native
    assert "MKL_CBWR" not in os.environ


def test_only_variables_that_ask_for_something_else_are_ignored():
    own = {**AVX2, "MKL_CBWR": "compatible", "OMP_NUM_THREADS": "4"}
    assert ignored(Instructions.avx2, own) == []
    assert ignored(Instructions.avx2, {**own, "MKL_CBWR": "AVX2"}) == ["MKL_CBWR=AVX2"]
    assert len(ignored(Instructions.native, own)) == len(AVX2)
