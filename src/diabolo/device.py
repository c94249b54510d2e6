"""Where and in which arithmetic a model runs. Global torch flags are set here and restored."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from diabolo.errors import SpecError


def resolve_device(device: str) -> str:
    """Return the name of the device: "auto" is the first GPU if there is one, else the CPU.

    Raises
    ------
    SpecError
        If the device does not exist here.
    """
    import torch

    device = str(device)
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=device).cpu()  # "meta" holds nothing that could be copied
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise SpecError(
            f"device={device!r} cannot be used on this machine ({str(error).splitlines()[0]}): "
            "pass 'cpu' or 'auto'"
        ) from None
    return device


#: Weights from which bf16 pays where the processor multiplies it faster: below, the casts cost
#: what the products save.
BF16_WEIGHTS = 100_000

#: Floating-point operations of a step below which a second thread gains nothing, and waits for
#: its turn wherever another program holds the core (steps were seen to take 50 times as long).
PARALLEL_OPERATIONS = 1e8


def resolve_precision(precision: str, device: str, weights: int) -> str:
    """Return "fp32" or "bf16"; "auto" is what trains a net of this many weights faster here."""
    if precision != "auto":
        return precision
    return "bf16" if weights >= BF16_WEIGHTS and _multiplies_bf16(device) else "fp32"


def _multiplies_bf16(device: str) -> bool:
    """Whether the device has instructions for products of bf16 numbers."""
    import torch

    if torch.device(device).type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    cpu = torch.device(device).type == "cpu"
    return cpu and (torch.cpu._is_avx512_bf16_supported() or _rounds_products())


def _rounds_products() -> bool:
    """Whether this CPU's fast fp32 products round their factors to bf16 (AMX does)."""
    import torch

    return bool(torch.cpu._is_amx_tile_supported())


@contextlib.contextmanager
def arithmetic(
    precision: str, device: str = "cpu", *, operations: float | None = None
) -> Iterator[None]:
    """Run the block in this precision; torch's flags are as before afterwards.

    Parameters
    ----------
    precision : {"fp32", "bf16"}
        "fp32": products take the fastest path that keeps fp32 numbers; on CPUs that is oneDNN,
        which torch reaches only when its precision flag says "medium" (relative error 6e-7).
        Where the CPU has AMX that path would round the factors to bf16, so it is left alone.
        "bf16": autocast.
    operations : float, optional
        Floating-point operations of each step in the block; small steps run on one thread.
    """
    import torch

    before = torch.get_float32_matmul_precision()
    threads = torch.get_num_threads()
    torch.set_float32_matmul_precision("highest" if _rounds_products() else "medium")
    if operations is not None and operations < PARALLEL_OPERATIONS:
        torch.set_num_threads(1)
    try:
        # Without autocast's cache, which would keep using the weights of the block's first step.
        with torch.autocast(
            torch.device(device).type,
            dtype=torch.bfloat16,
            enabled=precision == "bf16",
            cache_enabled=False,
        ):
            yield
    finally:
        torch.set_float32_matmul_precision(before)
        torch.set_num_threads(threads)
