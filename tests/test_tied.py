"""Tied weights: the decoder's are the encoder's, transposed, and each is one parameter."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from sklearn.decomposition import PCA
from tests.samples import initialised, low_rank, tiny
from torch.func import functional_call
from torch.nn.functional import linear

from diabolo import datasets, load
from diabolo.autoencoder import AutoencoderModule
from diabolo.bottlenecks import BOTTLENECKS, Plain
from diabolo.errors import SpecError
from diabolo.layers import chunk_rows, layers_of
from diabolo.likelihoods import MSE
from diabolo.networks import MLP
from diabolo.random import torch_generator
from diabolo.spec import resolve_part
from diabolo.training import Training

pytestmark = pytest.mark.usefixtures("one_thread")

TIED = MLP((7, 4), "tanh", tied=True)


def built(network=TIED, bottleneck=None, shape=(6,)):
    x = torch.randn(20, *shape, generator=torch_generator(0))
    parts = (4, network.resolved(shape), (bottleneck or Plain()).resolved(4), MSE())
    return initialised(0, x, *parts), x


@pytest.mark.parametrize("name", BOTTLENECKS)
def test_the_decoder_goes_back_through_the_layers_of_the_encoder(name):
    module, x = built(bottleneck=resolve_part(name, BOTTLENECKS, "bottleneck"))
    first, second = (layer.weight for layer in module.encoder.layers)
    code = module.bottleneck.code_layer.weight
    assert code.shape == (4, 4) and code is not second
    biases = [layer.bias for layer in (*module.decoder.stack.layers, module.decoder.output)]
    for i, bias in enumerate(biases):
        torch.nn.init.normal_(bias, generator=torch_generator(i))
    z = module.encode(x).z
    h = torch.tanh(linear(z, code.T, biases[0]))
    h = torch.tanh(linear(h, second.T, biases[1]))
    torch.testing.assert_close(module.decode(z), linear(h, first.T, biases[2]))


def test_without_hidden_layers_the_code_goes_back_the_way_it_came():
    module, x = built(MLP((), tied=True))
    layer = module.bottleneck.layer
    z = linear(x, layer.weight, layer.bias)
    torch.testing.assert_close(
        module.reconstruct(x), linear(z, layer.weight.T, module.decoder.output.bias)
    )


def test_a_tied_weight_is_one_parameter_with_the_gradients_of_both_ways():
    module, x = built()
    free, _ = built(MLP((7, 4), "tanh", skip=False))
    sizes = (6 * 7, 7 * 4, 4 * 4)
    assert module.weights == free.weights - sum(sizes)
    matrices = [p for p in module.parameters() if p.ndim == 2]
    assert [p.numel() for p in matrices] == list(sizes)
    names = [name for name in module.state_dict() if name.startswith("decoder")]
    assert names and all(name.endswith("bias") for name in names)
    # With the same numbers in free weights the gradient is the sum of those of both places.
    state = module.state_dict()
    back = [*free.decoder.stack.layers, free.decoder.output]
    with torch.no_grad():
        free.load_state_dict(state, strict=False)
        for layer, weight in zip(back, reversed(matrices), strict=True):
            layer.weight.copy_(weight.T)
    module(x).sum().backward()
    free(x).sum().backward()
    forth = [*free.encoder.layers, free.bottleneck.layer]
    for weight, there, again in zip(matrices, forth, reversed(back), strict=True):
        torch.testing.assert_close(weight.grad, there.weight.grad + again.weight.grad.T)


def test_products_and_chunks_are_those_of_free_weights():
    module, _ = built()
    free, _ = built(MLP((7, 4), "tanh", skip=False))
    assert module.products == free.products == 2 * (6 * 7 + 7 * 4 + 4 * 4)
    assert module.values == free.values
    assert len(layers_of(module)) == len(layers_of(free)) == 6
    wide = [
        AutoencoderModule.planned((784,), 8, MLP((1000, 500), skip=False, tied=t), Plain(), MSE())
        for t in (False, True)
    ]
    assert chunk_rows(wide[0]) == chunk_rows(wide[1])


def test_copies_and_casts_stay_tied():
    module, x = built()
    there = module.state_dict()["encoder.layers.0.weight"]
    for copied in (copy.deepcopy(module), copy.deepcopy(module).double()):
        with torch.no_grad():
            copied.encoder.layers[0].weight.mul_(2)
        back = copied.decoder.output.weight
        assert torch.equal(back, 2 * there.T.to(back.dtype))
    assert torch.equal(module.decoder.output.weight, there.T)
    zeros = {"encoder.layers.0.weight": torch.zeros(7, 6)}
    rebuilt = functional_call(module, zeros, (x,))
    assert not torch.equal(rebuilt, module(x)) and torch.equal(
        module.decoder.output.weight, there.T
    )


@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize("bottleneck", ["plain", "gaussian"])
def test_a_fitted_model_is_stored_once_and_the_same_again(members, bottleneck, tmp_path):
    X = low_rank(300)
    options = {
        "network": MLP((8, 8), tied=True, residual=True, norm="layer"),
        "hidden": "auto",
        "bottleneck": bottleneck,
        "training": Training(members=members, validation_fraction=0.2),
        "max_epochs": 20,
    }
    model = tiny(**options).fit(X)
    model.save(tmp_path / "model")
    tensors = load_file(tmp_path / "model" / "model.safetensors")
    axes = 2 if members == 1 else 3
    heads = {"plain": 1, "gaussian": 2}[bottleneck]
    matrices = [
        name for name, array in tensors.items() if array.ndim == axes and name.startswith("module.")
    ]
    assert len(matrices) == 2 + heads and not any("decoder" in name for name in matrices)
    again = load(tmp_path / "model")
    for method in ("transform", "reconstruct", "reconstruction_error", "score_samples"):
        np.testing.assert_array_equal(getattr(again, method)(X), getattr(model, method)(X))
    np.testing.assert_array_equal(again.fit(X).transform(X), model.transform(X))


def test_a_linear_code_with_tied_weights_becomes_that_of_pca():
    # Without tying any basis of the principal plane is as good (Baldi & Hornik 1989); a code that
    # goes back by Wᵀ has to be an orthonormal one, for only then is W Wᵀ = 1.
    X = low_rank(400, columns=6, rank=2, noise=0.3)
    training = Training(weight_decay=0.0, optimizer="adam", learning_rate=1e-2)
    model = tiny(
        network=MLP((), tied=True), hidden="auto", scaling="none", training=training, max_epochs=200
    ).fit(X)
    pca = PCA(2).fit(X)
    least = np.mean((pca.inverse_transform(pca.transform(X)) - X) ** 2)
    assert -model.score(X) == pytest.approx(least, rel=1e-2)
    weight = model.module_.bottleneck.layer.weight.detach()
    torch.testing.assert_close(weight @ weight.T, torch.eye(2), atol=0.02, rtol=0)


def test_the_first_reconstructions_are_near_the_mean_without_a_small_start():
    # Layers that become narrower towards the code make what comes back smaller and smaller.
    x = torch.from_numpy(datasets.load("digits").data)
    module, _ = built(MLP((256, 128), skip=False, tied=True), shape=(8, 8))
    module.initialise(0, x)
    error = (module.reconstruct(x) - x).square().mean() / (x - x.mean(dim=0)).square().mean()
    print(error)
    assert 1 < error < 1.5


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MLP(tied=True, skip=True), "tied=True beside skip=True.*skip=False"),
        (lambda: MLP(tied="yes"), "tied='yes'"),
        (
            lambda: tiny(network=MLP((8,), tied=True), hidden="auto", likelihood="gaussian").fit(
                low_rank()
            ),
            "tied=True.*likelihood='mse', or tied=False",
        ),
    ],
)
def test_what_cannot_be_tied_is_refused_with_what_can(make, message):
    with pytest.raises(SpecError, match=message):
        make()


def test_a_tied_network_has_no_skip():
    assert MLP((8,)).resolved((6,)).skip is True
    assert MLP((8,), tied=True).resolved((6,)).skip is False
    assert MLP(tied=True).resolved((6,)).skip is False
