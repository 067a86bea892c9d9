"""Environment variables that decide numbers. The configuration decides instead.

torch, oneDNN and MKL choose their code by the processor, and different code rounds differently.
Each of them reads a variable when it computes for the first time in a process.
"""

import os
from collections.abc import Mapping

from convchoice.config.schema import Instructions
from convchoice.errors import UserError

AVX2 = {
    "ATEN_CPU_CAPABILITY": "avx2",  # torch's own loops
    "ONEDNN_MAX_CPU_ISA": "AVX2",  # convolutions
    "MKL_CBWR": "COMPATIBLE",  # matrix products: the only code that MKL also runs on AMD processors
}
"""The variables of `trainer.instructions=avx2`."""
INSTRUCTIONS = (*AVX2, "DNNL_MAX_CPU_ISA", "MKL_ENABLE_INSTRUCTIONS", "MKL_DEBUG_CPU_TYPE")
"""Variables that choose the instructions of a CPU."""
CLEARED = (
    *INSTRUCTIONS,
    # what Lightning trains, on how many devices
    "PL_", "SLURM_NTASKS", "TORCHELASTIC_",
    # less exact products
    "TORCH_ALLOW_", "NVIDIA_TF32_OVERRIDE", "ONEDNN_DEFAULT_FPMATH_MODE",
    "DNNL_DEFAULT_FPMATH_MODE",
    # other code for the same product
    "TORCH_BLAS_PREFER_", "TORCH_CUDNN_",
    # the number of threads, which is trainer.threads
    "OMP_NUM_THREADS", "OMP_THREAD_LIMIT", "OMP_DYNAMIC", "MKL_NUM_THREADS", "MKL_DYNAMIC",
    "MKL_DOMAIN_NUM_THREADS",
)  # fmt: skip
"""Beginnings of the names of variables that no worker process has."""


def ignored(instructions: Instructions, variables: Mapping[str, str]) -> list[str]:
    """The variables, as ``NAME=value``, that ask for other instructions than a configuration."""
    wanted = AVX2 if instructions is Instructions.avx2 else {}
    return [
        f"{name}={variables[name]}"
        for name in INSTRUCTIONS
        if name in variables and variables[name].lower() != wanted.get(name, "").lower()
    ]


def use_instructions(instructions: Instructions) -> Instructions:
    """Have torch use these instructions in this process, from its first operation on.

    Returns:
        What is used: `native` on a processor without AVX2, such as Apple's.

    Raises:
        UserError: if this process already computes with others.
    """
    import torch  # noqa: PLC0415 - the process that starts the workers never imports it

    from convchoice.training.exact_sqrt import use_exact_sqrt  # noqa: PLC0415 - likewise

    if instructions is Instructions.avx2 and torch.cpu._is_avx2_supported():  # noqa: SLF001
        os.environ.update(AVX2)
        present = torch.backends.cpu.get_cpu_capability()
        legal = present == "AVX2"
    else:
        instructions = Instructions.native
        present = ", ".join(name for name in INSTRUCTIONS if name in os.environ)
        legal = not present
    if not legal:
        raise UserError(
            f"trainer.instructions = {instructions}: this process already computes with other"
            f" instructions ({present}). Train in a new process: convchoice train."
        )
    if instructions is Instructions.avx2:
        use_exact_sqrt()
    return instructions
