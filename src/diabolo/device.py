"""Where and in which arithmetic a model runs. Global torch flags are set here and restored."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

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


def describe() -> dict[str, str]:
    """Return what this machine has, and what "auto" makes of it, by topic."""
    import torch

    device = resolve_device("auto")
    precise = "bf16 where steps are large" if _multiplies_bf16(device) else "fp32"
    rounds = _rounds_products()
    name = (
        torch.cuda.get_device_name()
        if device == "cuda"
        else torch.backends.cpu.get_cpu_capability()
    )
    return {
        "torch": torch.__version__,
        "device": f"{device} ({name})",
        "threads": f"{torch.get_num_threads()}, one for small steps",
        "training": f"{precise} (precision='auto')",
        "scoring": "fp32" + ("" if rounds or device == "cuda" else " through oneDNN"),
        "prepared data": f"up to {room(device) >> 20:,} MiB, more is scaled as it is needed",
    }


#: Bytes of scaled rows that are made in advance on a CPU; more are scaled as they are asked for.
PREPARED = 1 << 28


def room(device: str) -> int:
    """Return how many bytes of scaled data may be made in advance and stay on the device.

    On a CPU a fixed number, so that memory is the data's own and a constant; half of a GPU's free
    memory, which leaves the other half for weights and what is computed.
    """
    import torch

    if torch.device(device).type != "cuda":
        return PREPARED
    return torch.cuda.mem_get_info(device)[0] // 2


def _short(error: Exception) -> str:
    """Return the start of torch's message, which may go on for a page."""
    text = str(error).partition("\n")[0].partition(". ")[0]
    return text if len(text) < 100 else text[:99] + "…"


def _multiplies_bf16(device: str) -> bool:
    """Whether the device has instructions for products of bf16 numbers."""
    import torch

    place = torch.device(device)
    if place.type == "cuda":
        with torch.cuda.device(place):
            return torch.cuda.is_bf16_supported(including_emulation=False)
    known = torch.cpu.get_capabilities().items()
    return place.type == "cpu" and any("bf16" in name and has for name, has in known)


def _rounds_products() -> bool:
    """Whether this CPU's fast fp32 products round their factors to bf16 (AMX and ARM do)."""
    import torch

    known = torch.cpu.get_capabilities()
    return known["architecture"] != "x86_64" or bool(known.get("amx_tile"))


class _Flags:
    """torch's flags of the whole process, shared by threads: the last one out restores them.

    Each flag by its own name: torch's older function for all of them together raises an error as
    soon as anybody has set one alone.

    Where blocks overlap, the last one that is still there has its way with products of fp32
    numbers, for that flag is one for all: 6e-7 of a number is what two threads can change for each
    other.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        #: What each block wants of products, and whether its steps are small, in order of entry.
        self.inside: dict[object, tuple[str, bool]] = {}
        self.before: list[tuple[Any, str, Any]] = []
        self.threads = 0
        #: In how many blocks the thread is itself.
        self.own = threading.local()

    def enter(self, cpu_products: str, small: bool) -> Callable[[], None]:
        """Set the flags; return what takes them back."""
        import torch

        backends: Any = torch.backends  # its members are unknown to type checkers
        matmul = backends.mkldnn.matmul
        values = (
            (matmul, "fp32_precision", cpu_products),
            (backends.mkldnn.conv, "fp32_precision", "ieee"),
            (backends.cuda.matmul, "fp32_precision", "ieee"),
            (backends.cudnn.conv, "fp32_precision", "ieee"),
            # Some of its faster convolutions add in an order that differs from call to call.
            (backends.cudnn, "deterministic", True),
        )
        block, own = object(), getattr(self.own, "blocks", 0)

        def leave() -> None:
            self.own.blocks = own
            with self.lock:
                del self.inside[block]
                try:
                    if self.inside:
                        matmul.fp32_precision = list(self.inside.values())[-1][0]
                    else:
                        for owner, name, value in self.before:
                            setattr(owner, name, value)
                finally:
                    torch.set_num_threads(threads)

        with self.lock:
            threads = torch.get_num_threads()
            if not self.inside:
                self.before = [(owner, name, getattr(owner, name)) for owner, name, _ in values]
                self.threads = threads
            elif not own and any(one for _, one in self.inside.values()):
                # A new thread begins with the number that another one has set for small steps.
                threads = self.threads
            self.inside[block] = (cpu_products, small)
            self.own.blocks = own + 1
            try:
                for owner, name, value in values:
                    setattr(owner, name, value)
                torch.set_num_threads(1 if small else threads)
            except BaseException:
                leave()
                raise
        return leave


_FLAGS = _Flags()


@contextlib.contextmanager
def arithmetic(
    precision: str, device: str = "cpu", *, operations: float | None = None
) -> Iterator[None]:
    """Run the block in this precision; torch's flags are as before afterwards.

    Parameters
    ----------
    precision : {"fp32", "bf16"}
        "fp32": products take the fastest path that keeps fp32 numbers; on CPUs that is oneDNN,
        which torch reaches only when its flag allows bf16 (relative error 6e-7). Where that means
        rounded factors (CPUs with AMX, ARM), it is not said, nor for small steps, where oneDNN
        takes three times as long to begin. GPUs round no factors either.
        "bf16": autocast.
    operations : float, optional
        Floating-point operations of each step in the block; small steps run on one thread.
    """
    import torch

    kind = torch.device(device).type
    small = operations is not None and operations < PARALLEL_OPERATIONS
    onednn = kind == "cpu" and not small and not _rounds_products()
    leave = _FLAGS.enter("bf16" if onednn else "ieee", small)
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
        leave()


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
