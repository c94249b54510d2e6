"""The machine under a benchmark: what it is, what it can do at most, and who else was using it."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parent.parent

#: Instruction sets that decide how fast matrix products and reduced precision are.
INSTRUCTION_SETS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_bf16")

#: (rows, inner, columns) of the products that `matmul_ceiling` tries: one large square product,
#: one layer of a net on MNIST at a usual batch size.
CEILING_SHAPES = ((4096, 4096, 4096), (512, 784, 1000))


def matmul_ceiling(
    dtype: torch.dtype = torch.float32,
    path: str = "default",
    *,
    device: str = "cpu",
    repeats: int = 5,
    shapes: Sequence[tuple[int, int, int]] = CEILING_SHAPES,
) -> float:
    """Measure the most that matrix products reach on this machine, in GFLOP/s.

    Parameters
    ----------
    dtype : torch.dtype, default=torch.float32
        Type of the operands.
    path : {"default", "medium"}, default="default"
        Setting of ``torch.set_float32_matmul_precision``: torch's default ("highest"), or "medium",
        which on CPUs reaches oneDNN. The process's own setting is restored.
    device : str, default="cpu"
        Where to multiply.
    repeats : int, default=5
        Timings per shape; the fastest counts.
    shapes : sequence of (int, int, int)
        (rows, inner, columns) of the products; the best shape counts.

    Returns
    -------
    float
        2 · rows · inner · columns / seconds / 1e9.
    """
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision({"default": "highest", "medium": "medium"}[path])
    try:
        return max(_gflops(shape, dtype, device, repeats) for shape in shapes)
    finally:
        torch.set_float32_matmul_precision(before)


def _gflops(shape: tuple[int, int, int], dtype: torch.dtype, device: str, repeats: int) -> float:
    rows, inner, columns = shape
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(rows, inner, generator=generator).to(device, dtype)
    b = torch.randn(inner, columns, generator=generator).to(device, dtype)
    flops = 2 * rows * inner * columns
    calls = min(
        100, max(1, round(2e10 / flops))
    )  # small products in a row, or the clock's grain shows
    best = float("inf")
    for _ in range(repeats + 1):  # the first call warms up; being slower, it never counts
        start = time.perf_counter()
        for _ in range(calls):
            product = a @ b
        product[0, 0].item()  # waits for devices that run ahead of Python
        best = min(best, (time.perf_counter() - start) / calls)
    return flops / best / 1e9


def machine() -> str:
    """Describe this machine in one line: processor, cores, memory, torch, instruction sets."""
    cpu, flags = _cpu()
    sets = [name for name in INSTRUCTION_SETS if name in flags]
    parts = [
        cpu,
        f"{os.cpu_count()} cores",
        f"{_memory_gib():.0f} GiB",
        f"torch {torch.__version__} on {torch.get_num_threads()} threads",
        " ".join(sets) or torch.backends.cpu.get_cpu_capability(),
    ]
    if torch.cuda.is_available():
        parts.append(torch.cuda.get_device_name())
    return ", ".join(parts)


def _cpu() -> tuple[str, set[str]]:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # not Linux
        return platform.processor() or platform.machine(), set()
    facts = {
        key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)
    }
    return facts.get("model name", platform.machine()), set(facts.get("flags", "").split())


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def commit() -> str:
    """Name the commit, with ``+changes`` when tracked or new files differ from it."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(ROOT), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        name = git("rev-parse", "--short=10", "HEAD")
        # Reports that earlier benchmarks have just rewritten say nothing about the code.
        return name + ("+changes" if git("status", "--porcelain", "--", ":!bench/results") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


class Watch:
    """A stopwatch that also sees how much of the processors other programs took meanwhile.

    Products of matrices that share their cores can slow down tenfold, so a report has to say it.
    """

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._others = _seconds_of_others()

    @property
    def seconds(self) -> float:
        """Wall-clock seconds since this watch was made."""
        return time.perf_counter() - self._start

    @property
    def others(self) -> float:
        """Share of all processors that other programs took since then; NaN where unknown."""
        used = _seconds_of_others() - self._others
        return max(0.0, used) / (self.seconds * (os.cpu_count() or 1))


def _seconds_of_others() -> float:
    """Processor seconds used by everybody but this process and its finished children."""
    try:
        ticks = [int(tick) for tick in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    except OSError:  # not Linux
        return float("nan")
    idle = ticks[3] + ticks[4]  # the fields idle and iowait
    return (sum(ticks) - idle) / os.sysconf("SC_CLK_TCK") - sum(os.times()[:4])
