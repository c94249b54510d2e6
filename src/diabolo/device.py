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


def _rounds_products() -> bool:
    """Whether this CPU's fast fp32 products round their factors to bf16 (AMX does)."""
    import torch

    return bool(torch.cpu._is_amx_tile_supported())


@contextlib.contextmanager
def arithmetic(precision: str, device: str = "cpu") -> Iterator[None]:
    """Run the block in this precision; torch's flags are as before afterwards.

    Parameters
    ----------
    precision : {"fp32", "auto", "bf16"}
        "fp32": torch's defaults. "auto": products of fp32 numbers may take the fastest path that
        keeps fp32 sums; on CPUs that is oneDNN, which torch reaches only when its precision flag
        says "medium" (2.3 times faster on a CPU with AVX-512, relative error 6e-7). Where the
        CPU has AMX that path rounds factors to bf16, so it is left alone. "bf16": autocast.
    """
    import torch

    if precision == "fp32":
        yield
        return
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest" if _rounds_products() else "medium")
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
