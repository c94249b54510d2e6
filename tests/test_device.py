"""Devices and arithmetic: flags are restored, and the fast product is as exact as promised."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from tests.samples import low_rank

from diabolo import Autoencoder
from diabolo.device import (
    PARALLEL_OPERATIONS,
    PREPARED,
    arithmetic,
    memory_errors,
    resolve_device,
    resolve_precision,
    room,
)
from diabolo.errors import SpecError
from diabolo.random import torch_generator

PRECISIONS = ("fp32", "bf16")


def by_name() -> dict[str, object]:
    """All flags of arithmetic that torch knows under a name of their own."""
    backends = torch.backends
    places = {
        "mkldnn.matmul": backends.mkldnn.matmul,
        "mkldnn.conv": backends.mkldnn.conv,
        "cuda.matmul": backends.cuda.matmul,
        "cudnn.conv": backends.cudnn.conv,
        "cudnn": backends.cudnn,
        "mkldnn": backends.mkldnn,
        "all": backends,
    }
    return {name: place.fp32_precision for name, place in places.items()}


def flags() -> tuple:
    return (
        by_name(),
        torch.backends.cudnn.deterministic,
        torch.is_autocast_enabled("cpu"),
        torch.get_autocast_dtype("cpu"),
        torch.is_grad_enabled(),
        torch.get_default_dtype(),
        torch.get_num_threads(),
    )


def products_on_a_cpu() -> str:
    return torch.backends.mkldnn.matmul.fp32_precision


@pytest.fixture(params=["highest", "high", "medium"])
def users_flag(request):
    """The user's own setting of torch's flag; torch's default comes back afterwards."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(request.param)
    yield request.param
    torch.set_float32_matmul_precision(before)


@pytest.mark.parametrize("place", ["cuda.matmul", "mkldnn.matmul", "cudnn.conv"])
def test_flags_that_were_set_one_by_one_are_no_obstacle(place):
    family, kind = place.split(".")
    owner = getattr(getattr(torch.backends, family), kind)
    before = owner.fp32_precision
    owner.fp32_precision = "tf32"
    try:
        everything = flags()
        X = low_rank()
        expected = Autoencoder(2, max_epochs=1, random_state=0).fit(X).transform(X)
        assert flags() == everything
    finally:
        owner.fp32_precision = before
    again = Autoencoder(2, max_epochs=1, random_state=0).fit(X).transform(X)
    np.testing.assert_array_equal(again, expected)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_flags_are_as_before(precision, users_flag):
    before = flags()
    with arithmetic(precision, operations=1.0):
        torch.ones(2, 2) @ torch.ones(2, 2)
    assert flags() == before
    assert torch.get_float32_matmul_precision() == users_flag


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, GeneratorExit])
def test_flags_are_as_before_after_an_exception(precision, error, users_flag):
    before = flags()
    with pytest.raises(error), arithmetic(precision, operations=1.0):
        raise error
    assert flags() == before


def test_nested_blocks_each_have_their_own_arithmetic():
    a = torch.ones(2, 2)
    with arithmetic("bf16"):
        assert (a @ a).dtype == torch.bfloat16
        with arithmetic("fp32"):
            assert (a @ a).dtype == torch.float32
        assert (a @ a).dtype == torch.bfloat16
    assert (a @ a).dtype == torch.float32


def relative_error(precision: str) -> float:
    generator = torch_generator(0)
    a, b = torch.randn(512, 700, generator=generator), torch.randn(700, 384, generator=generator)
    exact = a.double() @ b.double()
    with arithmetic(precision):
        product = (a @ b).double()
    return float((product - exact).norm() / exact.norm())


def test_the_fast_product_keeps_single_precision():
    assert relative_error("fp32") < 1e-6
    # The measure sees rounded factors (2⁻⁹ each at most).
    assert 1e-4 < relative_error("bf16") < 2e-2


def test_a_cpu_that_rounds_factors_is_left_alone(monkeypatch):
    monkeypatch.setattr("diabolo.device._rounds_products", lambda: True)
    with arithmetic("fp32"):
        assert products_on_a_cpu() == "ieee"
    monkeypatch.setattr("diabolo.device._rounds_products", lambda: False)
    with arithmetic("fp32"):
        assert products_on_a_cpu() == "bf16"


@pytest.mark.parametrize(("operations", "threads"), [(1e6, 1), (1e10, 2), (None, 2)])
def test_small_steps_run_on_one_thread(operations, threads):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with arithmetic("fp32", operations=operations):
            assert torch.get_num_threads() == threads
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_blocks_that_overlap_leave_the_process_as_it_was():
    before, flag = torch.get_num_threads(), products_on_a_cpu()
    torch.set_num_threads(2)
    seen, inside, go_on = {}, threading.Event(), threading.Event()

    def other():
        inside.wait(10)
        with arithmetic("fp32", operations=1e6):
            seen["inside"] = torch.get_num_threads()
            go_on.set()
            first.join(10)
        seen["afterwards"] = torch.get_num_threads()

    def small():
        with arithmetic("fp32", operations=1e6):
            inside.set()
            go_on.wait(10)

    first, second = (threading.Thread(target=target) for target in (small, other))
    try:
        first.start()
        second.start()
        second.join(10)
        third = threading.Thread(target=lambda: seen.update(new=torch.get_num_threads()))
        third.start()
        third.join(10)
        assert seen == {"inside": 1, "afterwards": 2, "new": 2}
        assert products_on_a_cpu() == flag
    finally:
        torch.set_num_threads(before)


def test_a_thread_keeps_its_own_number():
    seen = {}

    def worker():
        torch.set_num_threads(1)
        with arithmetic("fp32"):
            seen["inside"] = torch.get_num_threads()
        seen["afterwards"] = torch.get_num_threads()

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with arithmetic("fp32"):
            thread = threading.Thread(target=worker)
            thread.start()
            thread.join(10)
            assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert seen == {"inside": 1, "afterwards": 1}


def test_a_block_that_cannot_be_entered_leaves_nothing_behind(monkeypatch):
    before = products_on_a_cpu(), torch.backends.cudnn.deterministic

    def fails(count):
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "set_num_threads", fails)
    with pytest.raises(KeyboardInterrupt), arithmetic("fp32", operations=1e6):
        pass
    assert (products_on_a_cpu(), torch.backends.cudnn.deterministic) == before


def test_a_block_in_a_block_gives_back_what_the_outer_one_had():
    with arithmetic("fp32", operations=1e6):
        outside = products_on_a_cpu(), torch.get_num_threads()
        with arithmetic("fp32", operations=1e10):
            pass
        assert (products_on_a_cpu(), torch.get_num_threads()) == outside


@pytest.mark.parametrize("fast", [True, False])
def test_auto_rounds_factors_where_that_is_fast_and_the_net_large(monkeypatch, fast):
    known = {"architecture": "x86_64", "avx512_f": True, "avx512_bf16": fast, "amx_tile": False}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: known)
    assert resolve_precision("auto", "cpu", PARALLEL_OPERATIONS) == ("bf16" if fast else "fp32")
    assert resolve_precision("auto", "cpu", PARALLEL_OPERATIONS - 1) == "fp32"
    assert resolve_precision("bf16", "cpu", 10) == "bf16"
    assert resolve_precision("fp32", "cpu", 10**7) == "fp32"


def test_auto_is_the_gpu_where_there_is_one(monkeypatch):
    assert resolve_device("cpu") == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert resolve_device("auto") == "cuda"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device("auto") == "cpu"


@pytest.mark.parametrize("device", ["cuda:99", "toaster", "cpu:x", ""])
def test_a_device_that_is_not_there_is_a_spec_error(device):
    with pytest.raises(SpecError, match=r"device='.*'.*pass 'cpu' or 'auto'"):
        resolve_device(device)


def test_a_torch_device_becomes_its_name():
    assert type(resolve_device(torch.device("cpu"))) is str


def test_the_meta_device_is_refused():
    with pytest.raises(SpecError):
        resolve_device("meta")


def test_threads_share_the_flag_and_the_last_one_restores_it(users_flag):
    first_is_in, second_is_in = threading.Event(), threading.Event()

    def first():
        with arithmetic("fp32"):
            first_is_in.set()
            second_is_in.wait(10)

    def second():
        first_is_in.wait(10)
        with arithmetic("fp32"):
            second_is_in.set()
            other.join(10)  # the first one leaves while this one is still in

    other, last = threading.Thread(target=first), threading.Thread(target=second)
    other.start()
    last.start()
    last.join(20)
    assert torch.get_float32_matmul_precision() == users_flag


def test_a_gpu_is_not_asked_for_rounded_factors():
    with arithmetic("fp32", "cuda"):
        assert by_name()["cuda.matmul"] == by_name()["cudnn.conv"] == "ieee"
        assert torch.backends.cudnn.deterministic


def test_memory_that_is_too_small_is_a_memory_error():
    with pytest.raises(MemoryError, match="allocate"), memory_errors():
        torch.empty(1 << 60)
    with pytest.raises(RuntimeError, match="something else"), memory_errors():
        raise RuntimeError("something else")


def test_data_stays_on_a_gpu_where_half_of_its_free_memory_is_enough(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1000, 4000))
    assert room("cuda:1") == 500
    assert room("cpu") == PREPARED  # the same on every machine
