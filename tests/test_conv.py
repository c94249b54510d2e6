"""The convolutional network: exact sizes, the same numbers as torch's own layers, and its worth."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from tests.samples import initialised, tiny
from torch import nn
from torch.func import functional_call

from diabolo import Autoencoder, datasets
from diabolo.autoencoder import AutoencoderModule
from diabolo.bottlenecks import Plain
from diabolo.device import arithmetic
from diabolo.ensemble import Ensemble
from diabolo.errors import SpecError
from diabolo.layers import chunk_rows, initialise
from diabolo.likelihoods import MSE, Bernoulli
from diabolo.networks import MLP, Conv
from diabolo.networks.convolution import Down, Up
from diabolo.random import torch_generator
from diabolo.training import Training, step

pytestmark = pytest.mark.usefixtures("one_thread")

SHAPES = [
    *[(8, 8), (7, 7), (27, 28), (101, 13), (1, 1), (1, 28), (28, 1)],
    *[(2, 3, 1), (5, 6, 2), (12, 9, 3), (1, 5, 4)],
]
NETWORKS = [
    Conv((3,)),
    Conv((3, 4), kernel=5, hidden=(6,), activation="tanh"),
    Conv((2, 3, 4, 5), kernel=7, hidden=(6, 5)),
]
LAYERS = [((28, 28, 3), 3), ((7, 8, 5), 3), ((1, 9, 4), 5), ((1, 1, 6), 3), ((3, 4, 2), 7)]


def built(network, shape, likelihood=None, code_size=3, rows=5):
    x = torch.rand(rows, *shape, generator=torch_generator(9))
    return initialised(0, x, code_size, network, Plain(), likelihood or Bernoulli()), x


def pair(before, channels, kernel, activation):
    """A layer down from a map, and one up to it, initialised."""
    height, width, _ = before
    after = (-(-height // 2), -(-width // 2), channels)
    sides = (kernel, kernel)
    layers = nn.ModuleList(
        [Down(before, after, sides, activation), Up(after, before, sides, activation)]
    )
    initialise(layers, torch_generator(0))
    return layers, (before, after)


# ---- sizes


@pytest.mark.parametrize("network", NETWORKS, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_any_size_comes_back_exactly_and_every_weight_learns(network, shape):
    module, x = built(network, shape)
    sizes = []
    for layer in (*module.encoder.layers, *module.encoder.stack.layers):
        layer.register_forward_hook(lambda _, __, y: sizes.append(tuple(y.movedim(1, -1).shape)))
    assert module.encode(x).z.shape == (5, 3)
    assert tuple(size[1:] for size in sizes) == network.sizes(shape)
    assert module.reconstruct(x).shape == x.shape
    module(x).sum().backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None and parameter.grad.any(), name


def test_stages_are_chosen_as_documented():
    # Until 16 pixels or fewer are left, with 32, 64, 128 and then 256 channels.
    for shape, stages, pixels in (
        *[((1, 1), 1, (1, 1)), ((7, 7), 1, (4, 4)), ((8, 8, 3), 1, (4, 4))],
        *[((28, 28), 3, (4, 4)), ((27, 29, 4), 3, (4, 4)), ((1, 100), 3, (1, 13))],
        ((512, 512, 3), 7, (4, 4)),
    ):
        network = Conv().resolved(shape)
        assert network.channels == (32, 64, 128, 256, 256, 256, 256)[:stages]
        assert network.sizes(shape)[-2:] == ((*pixels, network.channels[-1]), (512,))
        assert network.is_resolved(shape) and not Conv().is_resolved(shape)
    assert Conv((9,), hidden=(5,)).resolved((8, 8)) == Conv((9,), hidden=(5,))
    assert Conv((9, 3), hidden=(5,)).sizes((8, 7)) == ((4, 4, 9), (2, 2, 3), (5,))


# ---- the same numbers as torch's own layers


ACTIVATED = {"silu": nn.functional.silu, "gelu": nn.functional.gelu, "tanh": torch.tanh}


@pytest.mark.parametrize("network", NETWORKS, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_encoder_and_decoder_equal_torchs_layers(network, shape):
    module, x = built(network, shape)
    encoder, decoder = module.encoder, module.decoder
    activation = ACTIVATED[network.activation]
    dense = nn.functional.linear
    half = network.kernel // 2

    h = x.reshape(5, *shape[:2], -1).movedim(3, 1).contiguous()  # (n, c, h, w)
    sizes = []
    for layer in encoder.layers:
        sizes.append(tuple(h.shape[2:]))
        h = nn.functional.conv2d(h, layer.weight, layer.bias, stride=2, padding=half)
        h = activation(h)
    smallest = h.movedim(1, 3).shape
    h = h.movedim(1, 3).flatten(1)
    for layer in encoder.stack.layers:
        h = activation(dense(h, layer.weight, layer.bias))
    torch.testing.assert_close(encoder(x), h)

    z = torch.randn(5, 3, generator=torch_generator(1))
    h = z
    for layer in decoder.stack.layers:
        h = activation(dense(h, layer.weight, layer.bias))
    h = h.reshape(smallest).movedim(3, 1)
    for layer, size in zip((*decoder.layers, decoder.output), reversed(sizes), strict=True):
        channels = layer.weight.shape[:2]
        transposed = nn.ConvTranspose2d(*channels, network.kernel, 2, half, bias=False)
        transposed.weight = layer.weight
        h = transposed(h, output_size=size)
        if layer is not decoder.output:
            h = activation(h + layer.bias[:, None, None])
    by_hand = h.movedim(1, 3).reshape(5, *shape) + decoder.output.bias.reshape(shape)
    torch.testing.assert_close(decoder(z), by_hand)


@pytest.mark.parametrize("shape", [(3, 4), (5, 2, 2)])
def test_gradients_equal_finite_differences(shape):
    module, x = built(Conv((3, 2), hidden=(4,)), shape)
    module.double()
    names, values = zip(*module.named_parameters(), strict=True)

    def objective(*parameters):
        return functional_call(module, dict(zip(names, parameters, strict=True)), (x.double(),))

    assert torch.autograd.gradcheck(objective, values, fast_mode=True)


def test_images_reach_the_convolutions_without_a_copy_and_stay_channels_last():
    for shape in ((8, 6), (8, 6, 3)):
        module, x = built(Conv((4, 5, 6)), shape)
        places, formats = [], []

        def note(_, inputs, output, places=places, formats=formats):
            places.append(inputs[0].data_ptr())
            formats.append(output.is_contiguous(memory_format=torch.channels_last))

        for layer in (*module.encoder.layers, *module.decoder.layers, module.decoder.output):
            layer.register_forward_hook(note)
        assert module.decode(module.encode(x).z).is_contiguous()
        assert places[0] == x.data_ptr() and all(formats) and len(formats) == 6


def test_a_kernel_in_bf16_is_the_one_in_fp32_rounded():
    layers, maps = pair((9, 8, 6), 7, 3, "gelu")
    for layer, (height, width, channels) in zip(layers, maps, strict=True):
        with torch.no_grad():
            layer.bias.normal_(generator=torch_generator(2))
        x = torch.randn(4, channels, height, width, generator=torch_generator(1))
        with arithmetic("bf16"):
            rounded = layer(x)
        assert rounded.dtype == torch.bfloat16
        torch.testing.assert_close(rounded.float(), layer(x), atol=3e-2, rtol=3e-2)


# ---- the first weights


@pytest.mark.parametrize(("before", "kernel"), LAYERS, ids=str)
def test_products_are_counted_without_the_padding(before, kernel):
    layers, maps = pair(before, 4, kernel, "linear")
    for layer, (height, width, channels) in zip(layers, maps, strict=True):
        with torch.no_grad():
            layer.weight.fill_(1.0)
        # Of ones, an output is the number of its products.
        ones = torch.ones(1, channels, height, width)
        assert layer(ones).sum() == layer.products
        assert (layer.inputs, layer.outputs) == (ones.numel(), layer(ones).numel())


@pytest.mark.parametrize(("before", "kernel"), LAYERS, ids=str)
def test_the_first_weights_keep_the_size_of_the_signal(before, kernel):
    # He's rule by the mean number of products behind an output: a factor of stride² = 4 between
    # the two directions, and more at the rims of small images.
    layers, maps = pair((*before[:2], 60), 50, kernel, "relu")
    for layer, (height, width, channels) in zip(layers, maps, strict=True):
        x = torch.randn(200, channels, height, width, generator=torch_generator(1))
        ratio = float(layer(x).detach().square().mean())
        assert ratio == pytest.approx(1.0, rel=0.1)


def test_glorots_rule_before_a_linear_output():
    for layer in pair((30, 30, 40), 50, 3, "linear")[0]:
        fans = layer.products / layer.outputs + layer.products / layer.inputs
        variance = float(layer.weight.detach().var())
        assert variance == pytest.approx(2 / fans, rel=5 * math.sqrt(2 / layer.weight.numel()))
        assert not layer.bias.any()


@pytest.mark.parametrize("network", [MLP((8,), skip=False), *NETWORKS], ids=str)
@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("shape", [(5, 6), (4, 7, 2)])
def test_a_decoder_starts_from_the_outputs_it_is_told(network, shape, outputs):
    decoder = network.decoder(3, shape, outputs)
    initialise(decoder, torch_generator(0))
    wanted = torch.randn(outputs, *shape, generator=torch_generator(1))
    decoder.set_output_bias(wanted)
    z = torch.randn(2, 3, generator=torch_generator(2))
    wanted = wanted.squeeze(0) if outputs == 1 else wanted
    assert decoder(z).shape == (2, *wanted.shape)
    near = float((decoder(z) - wanted).detach().abs().mean())
    assert 0 < near < 0.3, "nearly silent at first"
    with torch.no_grad():
        decoder.output.weight.zero_()
    torch.testing.assert_close(decoder(z), wanted.expand(2, *wanted.shape))


def test_several_outputs_of_a_value_are_different_channels():
    decoder = Conv((4,)).decoder(3, (5, 6, 2), 3)
    initialise(decoder, torch_generator(0))
    decoder.set_output_bias(torch.zeros(3, 5, 6, 2))
    z = torch.randn(2, 3, generator=torch_generator(2))
    before = decoder(z)
    with torch.no_grad():
        decoder.output.weight[:, 1 * 2 + 1] = 0.0  # output 1 of channel 1
    changed = (decoder(z) != before).any(dim=0).flatten(1, 2).any(dim=1)  # (outputs, channels)
    assert changed.tolist() == [[False, False], [False, True], [False, False]]


# ---- chunks


def test_chunks_go_by_the_products_and_large_images_come_one_by_one():
    def rows(shape, network, device="cpu", members=1):
        parts = (shape, 8, network.resolved(shape), Plain(), MSE())
        with torch.device("meta"):
            module = Ensemble(members, *parts) if members > 1 else AutoencoderModule(*parts)
        return chunk_rows(module, device)

    deep = MLP((1000, 500, 250))  # 2.8 million products: 4 · 10⁹ operations are 715 rows
    assert rows((784,), deep) == 512
    assert rows((784,), deep, members=2) == 256
    assert rows((784,), deep, "cuda") == 2**16
    assert rows((100, 100), Conv()) == 16
    assert rows((512, 512, 3), Conv()) == 1
    assert rows((512, 512, 3), MLP()) == 64
    assert rows((7,), MLP((8,))) == 4096


def test_a_step_is_as_large_as_its_products_not_as_its_weights(monkeypatch):
    seen = []
    real = step.arithmetic

    def spy(*args, operations=None):
        seen.append(operations)
        return real(*args, operations=operations)

    monkeypatch.setattr(step, "arithmetic", spy)
    options = {
        "network": Conv((4,), hidden=()),
        "hidden": "auto",
        "training": Training(batch_size=10),
    }
    tiny(**options, max_epochs=1).fit(np.random.default_rng(0).random((40, 6, 6)))
    # Along an axis the three outputs see 2, 3 and 3 of the six pixels; 36 values to the code of 2.
    assert seen[0] == 6 * 10 * (2 * (8 * 8 * 4) + 2 * (36 * 2))


# ---- a whole model


@pytest.mark.parametrize("shape", [(40, 6, 5), (40, 1, 9), (40, 5, 4, 3)])
@pytest.mark.parametrize("dtype", ["bool", "uint8", "float32"])
def test_images_of_any_type_come_back(shape, dtype):
    values = np.random.default_rng(0).random(shape) * (200 if dtype == "uint8" else 1)
    data = (values > 0.5) if dtype == "bool" else values.astype(dtype)
    model = tiny(network="conv", hidden="auto", max_epochs=1).fit(data)
    back = model.reconstruct(data)
    assert back.shape == data.shape and back.dtype == data.dtype
    np.testing.assert_array_equal(back, model.inverse_transform(model.transform(data)))


@pytest.mark.parametrize("kind", ["table", "series"])
def test_rows_that_are_no_images_are_refused_with_the_network_for_them(kind):
    data = np.random.default_rng(0).random((20, 6) if kind == "table" else (20, 6, 2))
    with pytest.raises(SpecError, match=rf"Conv.* needs .*'image'.*'{kind}'.*network=MLP\(…\)"):
        tiny(network=Conv(), hidden="auto", kind=kind).fit(data)


def test_images_get_convolutions_unless_layers_are_named():
    images = np.random.default_rng(0).random((9, 64, 65), np.float32)
    auto = {"hidden": "auto", "max_epochs": 1}
    conv = tiny(**auto, activation="relu").fit(images).spec_.network
    assert conv == Conv((32, 64, 128, 256, 256), activation="relu")
    assert tiny(**auto).fit(images[:, :16, :16]).spec_.network == Conv((32, 64))
    assert tiny(**auto).fit(images[:, :15]).spec_.network == MLP((1024, 512, 256), skip=False)
    assert tiny(max_epochs=1).fit(images).spec_.network == MLP((8,), skip=False)
    dense = tiny(**auto, network="mlp").fit(images).spec_.network
    assert dense == MLP((1024, 512, 256), skip=False)
    table = images.reshape(9, -1)
    assert isinstance(tiny(**auto).fit(table).spec_.network, MLP)
    series = tiny(**auto, kind="series").fit(images[:, :5, :7])
    assert isinstance(series.spec_.network, MLP)


def test_codes_of_convolutions_beat_pca():
    train, test = datasets.load("digits"), datasets.load("digits", "test")
    flat, flat_test = (part.data.reshape(len(part.data), -1) for part in (train, test))
    pca = PCA(8).fit(flat)
    linear = np.mean((pca.inverse_transform(pca.transform(flat_test)) - flat_test) ** 2)
    for network in (Conv((32, 64)), Conv((32,), hidden=(128,))):
        model = Autoencoder(
            8,
            network=network,
            max_epochs=15,
            training=Training(optimizer="adam", precision="fp32"),
            random_state=0,
        ).fit(train.data)
        assert -model.score(test.data) < 0.65 * linear, network
