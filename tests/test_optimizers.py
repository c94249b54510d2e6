"""The update rules, against torch's own and against their definition."""

from __future__ import annotations

import pytest
import torch
from tests.samples import initialised

from diabolo.bottlenecks import Plain
from diabolo.likelihoods import MSE
from diabolo.networks import MLP
from diabolo.training import OPTIMIZERS
from diabolo.training.optimizers import Optimizer, orthogonalised

pytestmark = pytest.mark.usefixtures("one_thread")


def drawn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def stepped(name, starts, decay, rates, **options):
    """Return copies of the tensors after a step per rate, with the same gradients for all."""
    parameters = [start.clone() for start in starts]
    optimizer = Optimizer(name, parameters, decay, **options)
    for i, rate in enumerate(rates):
        gradients = [drawn(*p.shape, seed=100 * i + j) for j, p in enumerate(parameters)]
        optimizer.step(gradients, rate)
    return parameters


def test_adam_is_that_of_torch():
    starts = [drawn(5, 3), drawn(5, seed=1)]
    theirs = [start.clone().requires_grad_() for start in starts]
    groups = [{"params": theirs[:1], "weight_decay": 0.3}, {"params": theirs[1:]}]
    adam = torch.optim.AdamW(groups, lr=0.1, weight_decay=0.0)
    rates = [0.1, 0.05, 0.2]
    for i, rate in enumerate(rates):
        for j, p in enumerate(theirs):
            p.grad = drawn(*p.shape, seed=100 * i + j)
        for group in adam.param_groups:
            group["lr"] = rate
        adam.step()
    for ours, wanted in zip(stepped("adam", starts, 0.3, rates), theirs, strict=True):
        torch.testing.assert_close(ours, wanted.detach())


def test_muon_is_that_of_torch_where_one_block_is_enough():
    start = drawn(24, 60)
    theirs = start.clone().requires_grad_()
    muon = torch.optim.Muon(
        [theirs], lr=0.1, weight_decay=0.3, ns_steps=3, adjust_lr_fn="match_rms_adamw"
    )
    for i in range(3):
        theirs.grad = drawn(24, 60, seed=100 * i)
        muon.step()
    (ours,) = stepped("muon", [start], 0.3, [0.1] * 3, dtype=torch.bfloat16)
    # Both round their products to 8 bits, torch also before it divides by the norm.
    torch.testing.assert_close(ours, theirs.detach(), rtol=0, atol=2e-3)


@pytest.mark.parametrize("shape", [(1, 1), (7, 300), (300, 7), (128, 128), (130, 300), (5, 9, 20)])
@pytest.mark.parametrize("block", [4, 128])
def test_blocks_become_nearly_orthonormal(shape, block):
    x = orthogonalised(drawn(*shape), torch.float32, block)
    assert x.shape == shape
    x = x if x.shape[-2] <= x.shape[-1] else x.mT
    pieces = -(-x.shape[-2] // block)
    width = -(-x.shape[-2] // pieces)
    for piece in x.split(width, dim=-2):
        values = torch.linalg.svdvals(piece)
        # Square matrices have singular values near zero, which three steps cannot lift.
        assert values.max() < 1.25
        short, long = sorted(piece.shape[-2:])
        if 4 * short < long:
            assert values.min() > 0.6


def test_a_silent_gradient_moves_nothing():
    assert torch.equal(orthogonalised(torch.zeros(4, 6), torch.float32), torch.zeros(4, 6))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_weight_decay_shrinks_matrices_and_leaves_biases(name):
    module = initialised(0, torch.ones(3, 6), 2, MLP((8,)), Plain(), MSE())
    before = {key: p.detach().clone() for key, p in module.named_parameters()}
    parameters = list(module.parameters())
    Optimizer(name, parameters, 0.5).step([torch.zeros_like(p) for p in parameters], 0.05)
    for key, parameter in module.named_parameters():
        kept = 1 - 0.5 * 0.05 if parameter.ndim == 2 else 1.0
        torch.testing.assert_close(parameter.detach(), kept * before[key], msg=key)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_kernels_are_matrices_of_outputs_by_inputs(name):
    kernel, bias = drawn(6, 4, 3, 3), drawn(6)
    flat = stepped(name, [kernel.flatten(1), bias], 0.1, [0.1])
    parameters = [kernel.clone(), bias.clone()]
    gradients = [drawn(6, 36, seed=0).unflatten(1, (4, 3, 3)), drawn(6, seed=1)]
    # A convolution's gradient may lie in memory with its channels last.
    gradients[0] = gradients[0].contiguous(memory_format=torch.channels_last)
    Optimizer(name, parameters, 0.1).step(gradients, 0.1)
    torch.testing.assert_close(parameters[0].flatten(1), flat[0])
    torch.testing.assert_close(parameters[1], flat[1])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_gradients_may_lie_in_memory_in_any_order(name):
    matrices = [drawn(6, 9), drawn(6, 9)]
    gradient = drawn(6, 9, seed=1)
    for matrix, g in zip(matrices, (gradient, gradient.t().contiguous().t()), strict=True):
        Optimizer(name, [matrix, torch.zeros(1)], 0.1).step([g, torch.zeros(1)], 0.1)
    assert torch.equal(*matrices)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_members_are_updated_as_if_alone(name):
    starts = [drawn(2, 6, 9), drawn(2, 6, seed=1)]
    together = stepped(name, starts, 0.1, [0.1, 0.2], members=True)
    for member in range(2):
        parameters = [start[member].clone() for start in starts]
        alone = Optimizer(name, parameters, 0.1)
        for i, rate in enumerate([0.1, 0.2]):
            gradients = [drawn(*s.shape, seed=100 * i + j) for j, s in enumerate(starts)]
            alone.step([gradient[member] for gradient in gradients], rate)
        for ours, wanted in zip(parameters, together, strict=True):
            torch.testing.assert_close(ours, wanted[member])
