"""Convolutions whose kernels' gradients are products: the same numbers as torch's own gradients."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from diabolo import Autoencoder, datasets
from diabolo.device import arithmetic
from diabolo.networks import Conv, strided
from diabolo.networks.strided import down, up
from diabolo.penalties import Contractive
from diabolo.random import torch_generator
from diabolo.training import Training

pytestmark = pytest.mark.usefixtures("one_thread")

#: Height, width, height and width of the kernel.
SIZES = [(8, 8, 3, 3), (7, 6, 3, 3), (1, 9, 1, 7), (2, 1, 3, 1), (1, 1, 3, 3)]


def drawn(height, width, *kernel, channels=3, dtype=torch.float64):
    generator = torch_generator(0)
    shapes = {
        "large": (2, channels, height, width),
        "small": (2, 2, -(-height // 2), -(-width // 2)),
        "weight": (2, channels, *kernel),
        "bias": (2,),
    }
    return {
        name: torch.randn(shape, generator=generator, dtype=dtype).requires_grad_()
        for name, shape in shapes.items()
    }, (1 - height % 2, 1 - width % 2)


@pytest.mark.parametrize("size", SIZES)
def test_slopes_and_their_slopes_are_those_of_finite_differences(size):
    of, rest = drawn(*size)
    for function, inputs in (
        (strided._Down.apply, (of["large"], of["weight"], of["bias"])),
        (strided._Up.apply, (of["small"], of["weight"], rest)),
    ):
        assert torch.autograd.gradcheck(function, inputs)
        assert torch.autograd.gradgradcheck(function, inputs)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("direction", ["down", "up"])
def test_rounded_gradients_are_those_of_torch(size, direction):
    """Beside torch's own in fp32, of the same rounded numbers: each sum is rounded once."""
    of, rest = drawn(*size, channels=strided.CHANNELS, dtype=torch.float32)
    rounded = {name: t.detach().bfloat16().float().requires_grad_() for name, t in of.items()}
    padding = (size[2] // 2, size[3] // 2)
    with arithmetic("bf16"):
        if direction == "down":
            inputs = [rounded[name] for name in ("large", "weight", "bias")]
            ours, way = down(*inputs), "_DownBackward"
        else:
            inputs = [rounded[name] for name in ("small", "weight")]
            ours, way = up(*inputs, rest), "_UpBackward"
    assert type(ours.grad_fn).__name__ == way and ours.dtype == torch.bfloat16
    theirs = (
        F.conv2d(*inputs, 2, padding)
        if direction == "down"
        else F.conv_transpose2d(*inputs, None, 2, padding, rest)
    )
    slopes = torch.randn(theirs.shape, generator=torch_generator(1)).bfloat16()
    got = torch.autograd.grad(ours, inputs, slopes)
    wanted = torch.autograd.grad(theirs, inputs, slopes.float())
    for one, other in zip((ours, *got), (theirs, *wanted), strict=True):
        torch.testing.assert_close(one.float(), other, rtol=2**-7, atol=2**-7)


def test_torch_does_it_where_that_is_faster():
    of, _ = drawn(8, 8, 3, 3, channels=strided.CHANNELS, dtype=torch.float32)
    few, _ = drawn(8, 8, 3, 3, channels=strided.CHANNELS - 1, dtype=torch.float32)
    large, _ = drawn(18, 17, 3, 3, channels=strided.CHANNELS, dtype=torch.float32)
    wide, _ = drawn(8, 8, 3, 5, channels=strided.CHANNELS, dtype=torch.float32)
    names = ("large", "weight", "bias")

    def way(of):
        return type(down(*(of[name] for name in names)).grad_fn).__name__

    assert "Conv" in way(of)  # in fp32
    with arithmetic("bf16"):
        assert way(of) == "_DownBackward"
        assert all("Conv" in way(other) for other in (few, large, wide))
        with torch.no_grad():
            assert down(*(of[name] for name in names)).grad_fn is None


def test_what_nobody_asks_for_is_not_computed(monkeypatch):
    of, rest = drawn(8, 6, 3, 3)
    monkeypatch.setattr(strided, "_kernel_gradient", lambda *_: pytest.fail("computed"))
    x, small, weight = of["large"], of["small"], of["weight"].detach()
    torch.autograd.grad(strided._Down.apply(x, weight, None).sum(), x)
    torch.autograd.grad(strided._Up.apply(small, weight, rest).sum(), small)


def test_slopes_of_slopes_by_rows_are_those_of_torch(monkeypatch):
    """What the contractive penalty learns from: of squared slopes, by the kernel."""
    of, _ = drawn(8, 7, 3, 3, channels=strided.CHANNELS, dtype=torch.float32)
    x, weight = of["large"], of["weight"]

    def gradient():
        _, back = torch.func.vjp(lambda x: down(x, weight, None).float().tanh(), x)
        (slopes,) = back(torch.ones(of["small"].shape))
        return torch.autograd.grad(slopes.square().sum(), weight)[0]

    with arithmetic("bf16"):
        ours = gradient()
        monkeypatch.setattr(strided, "CHANNELS", 1 << 20)
        theirs = gradient()
    exact = gradient()
    wrong = (theirs - exact).norm() / exact.norm()
    assert (ours - exact).norm() / exact.norm() < max(0.02, 1.5 * wrong)


@pytest.mark.parametrize("penalties", [None, Contractive(1e-3)])
def test_a_net_learns_as_well_either_way(penalties, monkeypatch):
    X = datasets.load("digits").data[:600]

    def loss():
        model = Autoencoder(
            8,
            network=Conv((32, 32), hidden=()),
            penalties=penalties,
            max_epochs=8,
            training=Training(precision="bf16"),
            random_state=0,
        ).fit(X)
        return model.history_[-1]["held_out"], model.history_[0]["held_out"]

    ours, start = loss()
    monkeypatch.setattr(strided, "CHANNELS", 1 << 20)
    theirs, _ = loss()
    assert ours < start - 0.05
    assert abs(ours - theirs) < 0.05 * (start - theirs)
