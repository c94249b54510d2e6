"""Where and in which arithmetic a model runs. Global torch flags are set here and restored."""

from __future__ import annotations

import contextlib
import platform
import threading
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
            f"device={device!r} cannot be used on this machine ({_short(error)}): "
            "pass 'cpu' or 'auto'"
        ) from None
    return device


#: Floating-point operations of a step below which it is small: a second thread gains nothing, and
#: waits for its turn wherever another program holds the core (steps were seen to take 50 times as
#: long); calls, not products, are what takes time.
PARALLEL_OPERATIONS = 1e8


def operations_of_a_step(products: int, rows: float) -> float:
    """Return the floating-point operations of learning from rows of so many products each."""
    return 6 * products * rows  # multiply and add: forward, and twice that backward


def resolve_precision(precision: str, device: str, operations: float) -> str:
    """Return "fp32" or "bf16"; "auto" is what trains a net faster here.

    Parameters
    ----------
    operations : float
        Floating-point operations of a step. In small steps the casts cost what the products save.
    """
    if precision != "auto":
        return precision
    return "bf16" if operations >= PARALLEL_OPERATIONS and _multiplies_bf16(device) else "fp32"


def fits(size: int, device: str) -> bool:
    """Whether data of this size in bytes may stay on the device while a model is trained.

    Half of a GPU's free memory is left for weights and what is computed.
    """
    import torch

    if torch.device(device).type != "cuda":
        return True
    return size <= torch.cuda.mem_get_info(device)[0] // 2


def _short(error: Exception) -> str:
    """Return the start of torch's message, which may go on for a page."""
    text = str(error).partition("\n")[0].partition(". ")[0]
    return text if len(text) < 100 else text[:99] + "…"


def _multiplies_bf16(device: str) -> bool:
    """Whether the device has instructions for products of bf16 numbers."""
    import torch

    if torch.device(device).type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    cpu = torch.device(device).type == "cpu"
    return cpu and (torch.cpu._is_avx512_bf16_supported() or _rounds_products())


def _rounds_products() -> bool:
    """Whether this CPU's fast fp32 products round their factors to bf16 (AMX and ARM do)."""
    import torch

    x86 = platform.machine().lower() in ("x86_64", "amd64")
    return not x86 or bool(torch.cpu._is_amx_tile_supported())


class _MatmulPrecision:
    """torch's flag of the whole process, shared by threads: the last one out restores it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.inside = 0
        self.before = ""

    def enter(self, value: str) -> None:
        import torch

        with self.lock:
            if not self.inside:
                self.before = torch.get_float32_matmul_precision()
            self.inside += 1
            torch.set_float32_matmul_precision(value)

    def leave(self) -> None:
        import torch

        with self.lock:
            self.inside -= 1
            if not self.inside:
                torch.set_float32_matmul_precision(self.before)


_MATMUL_PRECISION = _MatmulPrecision()


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
        Where that word means rounded factors (CPUs with AMX, ARM, GPUs), it is not said, nor for
        small steps, where oneDNN takes three times as long to begin.
        "bf16": autocast.
    operations : float, optional
        Floating-point operations of each step in the block; small steps run on one thread.
    """
    import torch

    kind = torch.device(device).type
    threads = torch.get_num_threads()
    small = operations is not None and operations < PARALLEL_OPERATIONS
    onednn = kind == "cpu" and not small and not _rounds_products()
    _MATMUL_PRECISION.enter("medium" if onednn else "highest")
    if small:
        torch.set_num_threads(1)
    try:
        # Without autocast's cache, which would keep using the weights of the block's first step.
        with torch.autocast(
            kind,
            dtype=torch.bfloat16,
            enabled=precision == "bf16",
            cache_enabled=False,
        ):
            yield
    finally:
        _MATMUL_PRECISION.leave()
        torch.set_num_threads(threads)


#: How torch says that something does not fit: on GPUs, on CPUs, and into any address.
_TOO_MUCH = ("out of memory", "allocate memory", "Storage size calculation overflowed")


@contextlib.contextmanager
def memory_errors() -> Iterator[None]:
    """Turn torch's errors of a memory that is too small into Python's `MemoryError`."""
    try:
        yield
    except RuntimeError as error:
        text = str(error)
        if any(words in text for words in _TOO_MUCH):
            raise MemoryError(text.splitlines()[0]) from None
        raise
