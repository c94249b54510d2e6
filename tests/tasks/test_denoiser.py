"""`Denoiser`: what it trains, what it takes out, and what it refuses."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import check_estimator
from tests.samples import low_rank, tiny

from diabolo import Autoencoder, Denoiser, datasets, load, recipes
from diabolo.corruptions import GaussianNoise, Masking
from diabolo.errors import SpecError
from diabolo.networks import MLP

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize(
    ("noise", "damage"),
    [
        (0.3, lambda X, rng: X + 0.3 * rng.normal(size=X.shape)),
        ((0.1, 0.6), lambda X, rng: X + 0.5 * rng.normal(size=X.shape)),
        (Masking(0.5), lambda X, rng: X * (rng.random(X.shape) > 0.5)),
        ("salt_and_pepper", lambda X, rng: np.where(rng.random(X.shape) < 0.25, X.max(), X)),
    ],
)
def test_noise_is_taken_out(noise, damage):
    X = low_rank(1500, 12, 4, noise=0.05)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    clean, noisy = X[1000:], damage(X[1000:], np.random.default_rng(1)).astype(np.float32)
    denoiser = Denoiser(noise=noise, random_state=0).fit(X[:1000])
    plain = Autoencoder(random_state=0).fit(X[:1000])

    def error(rows):
        return float(np.mean((rows - clean) ** 2))

    assert error(denoiser.transform(noisy)) < 0.65 * error(noisy)
    assert error(denoiser.transform(noisy)) < 0.9 * error(plain.reconstruct(noisy))


def test_a_number_is_a_deviation_and_an_unfitted_model_keeps_its_options():
    X = low_rank()
    assert Denoiser(tiny(), noise=0.2).fit(X).model_.spec_.corruption == GaussianNoise(0.2)
    assert Denoiser(tiny(), noise=(0.1, 0.2)).fit(X).model_.spec_.corruption == GaussianNoise(
        (0.1, 0.2)
    )
    own = tiny(corruption=Masking(0.1), code_size=3)
    denoiser = Denoiser(own).fit(X)
    assert denoiser.model_.spec_.corruption == Masking(0.1)
    assert denoiser.model_.spec_.code_size == 3
    assert not hasattr(own, "spec_")


def test_a_fitted_model_is_used_as_it_is(tmp_path):
    X = low_rank()
    model = recipes.denoising(2, random_state=0, max_epochs=2).fit(X)
    denoiser = Denoiser(model).fit(X)
    assert denoiser.model_ is model
    np.testing.assert_array_equal(denoiser.transform(X), model.reconstruct(X))
    denoiser.save(tmp_path / "model")
    again = Denoiser(load(tmp_path / "model")).fit(None)
    np.testing.assert_array_equal(again.transform(X), denoiser.transform(X))


def test_what_cannot_denoise_is_refused():
    X = low_rank()
    with pytest.raises(SpecError, match=r"never saw corrupted rows.*recipes.denoising\(\)"):
        Denoiser(tiny().fit(X)).fit(X)
    with pytest.raises(SpecError, match="model=3: pass an Autoencoder"):
        Denoiser(3).fit(X)
    with pytest.raises(SpecError, match="noise='dust' is not known"):
        Denoiser(tiny(), noise="dust").fit(X)


def test_frames_and_images_come_back_as_they_are():
    frame = pd.DataFrame(low_rank(), columns=list("abcdef"), index=range(5, 205))
    clean = Denoiser(tiny()).fit(frame).transform(frame)
    assert list(clean.columns) == list("abcdef") and (clean.index == frame.index).all()
    images = datasets.load("digits").data[:100]
    assert Denoiser(tiny()).fit(images).transform(images).shape == images.shape


def test_scikit_learns_checks_pass():
    check_estimator(Denoiser(tiny()))


def test_no_noise_is_refused_and_lists_are_taken():
    for noise in (None, ()):
        with pytest.raises(SpecError, match=r"nothing to be taken out.*noise=0.5"):
            Denoiser(noise=noise).fit(low_rank())
    found = Denoiser(Autoencoder(max_epochs=1), noise=[0.1, 0.5]).fit(low_rank()).model_
    assert found.corruption == GaussianNoise((0.1, 0.5))


def test_grids_reach_into_the_model():
    task = Denoiser(Autoencoder(4, network=MLP((8,))))
    assert task.get_params()["model__code_size"] == 4
    task.set_params(model__code_size=2, model__network__dropout=0.1)
    assert task.model.code_size == 2 and task.model.network == MLP((8,), dropout=0.1)
    assert clone(task).get_params()["model__network__dropout"] == 0.1
