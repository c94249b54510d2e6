"""How likely are binarised digits under variational autoencoders?

Dynamic binarisation: each pixel is drawn with its grey value as probability, anew at each step of
training, and once for the test images (Salakhutdinov & Murray 2008; Burda et al. 2016).
"""

from __future__ import annotations

import argparse
import math
import warnings
from typing import Any

import numpy as np
import torch

from bench.frame import table
from bench.sections import Aim, Section, say
from bench.variants.data import fitted, mnist
from diabolo.bottlenecks.heads.priors import log_normal
from diabolo.errors import HealthWarning
from diabolo.estimator.vitals import ACTIVE

#: Nats per image. Published: fully connected 86.8 (VAE), 84.8 (IWAE-50); convolutional 81.0.
DENSE_AIM, CONV_AIM = 84.0, 82.5

#: Seconds that a fit may take on two cores.
DENSE_SECONDS, CONV_SECONDS = 600, 1200


def run(options: argparse.Namespace) -> Section:
    """Train a dense and a convolutional model, then plant collapses and cure them."""
    section = Section("Variational", [__doc__ or ""])
    train, test = mnist(options, "train"), mnist(options, "test")
    drawn = (np.random.default_rng(0).random(test.shape) * 255 < test).astype(np.uint8) * 255
    nets = [
        net
        for net in (
            ("dense", dense(), DENSE_AIM, DENSE_SECONDS),
            ("convolutional", convolutional(), CONV_AIM, CONV_SECONDS),
        )
        if net[0] in options.variational
    ]
    if nets:
        _likelihoods(options, section, train, drawn, nets)
    if "collapse" in options.variational:
        _collapse(options, section, train, drawn)
    return section


def dense() -> Any:
    """Return the fully connected model, unfitted."""
    return _model(hidden=(500, 500), bottleneck=_prior(), training=_rates(), max_epochs=90)


def convolutional() -> Any:
    """Return the convolutional model, unfitted."""
    from diabolo.networks import Conv

    network = Conv((32, 64, 64), hidden=(512,))
    return _model(network=network, bottleneck=_prior(), training=_rates(), max_epochs=75)


def _rates() -> Any:
    from diabolo.training import Training

    return Training(learning_rate=1e-2, weight_decay=0.1)


def _prior() -> Any:
    from diabolo.bottlenecks import Gaussian

    return Gaussian(prior="mixture", components=500)


def _model(code_size: int = 40, **choices: Any) -> Any:
    from diabolo import recipes

    return recipes.variational(code_size, augmentation="binarise", random_state=0, **choices)


def _likelihoods(
    options: argparse.Namespace,
    section: Section,
    train: np.ndarray,
    test: np.ndarray,
    nets: list[tuple[str, Any, float, int]],
) -> None:
    rows = []
    # From all over the test set: its first half was written more clearly than the second.
    few = test[:: max(1, len(test) // options.likelihood_images)][: options.likelihood_images]
    for name, model, aim, most in nets:
        say(f"variational, {name}")
        timing = fitted(options, model, train)
        bound = -float(model.score_samples(test).mean())
        say(f"variational, {name}: {options.draws:,} draws for each of {len(few):,} images")
        sampled = -float(log_likelihoods(model, few, options.draws).mean())
        active = active_units(model, test)
        bits = sampled / math.log(2) / 784
        rows.append([name, bound, sampled, bits, active, timing.seconds])
        section.metrics |= {
            f"variational_{name}_bound": bound,
            f"variational_{name}_nats": sampled,
            f"variational_{name}_bits_per_dimension": bits,
            f"variational_{name}_active_units": active,
            f"variational_{name}_seconds": timing.seconds,
        }
        section.aims.append(Aim(f"variational, {name}: −log p(x), nats", sampled, aim, False))
        section.aims.append(Aim(f"variational, {name}: seconds", timing.seconds, most, False))
    section.texts += [
        "Test images, nats per image: minus the bound on all of them; minus log p(x) by importance "
        f"sampling, {options.draws:,} draws for each of {len(few):,} images from all over them.",
        table(["net", "−bound", "−log p(x)", "bits a pixel", "active of 40", "s"], rows),
    ]


def active_units(model: Any, X: np.ndarray) -> int:
    """Return how many units of the code tell the rows of X apart."""
    return int((model.transform(X).var(axis=0) >= ACTIVE).sum())


@torch.no_grad()
def log_likelihoods(model: Any, X: np.ndarray, draws: int) -> np.ndarray:
    """Return log p(x) by importance sampling from q(z | x), (n,) (Burda et al. 2016, eq. 8)."""
    module = model.module_
    x = torch.from_numpy(model.schema_.scaled(X))
    mean, log_var = module.bottleneck.posterior(module.encoder(x))
    generator, found = torch.Generator().manual_seed(0), []
    for row, m, v in zip(x, mean, log_var, strict=True):
        logs = []
        for count in [1000] * (draws // 1000) + [draws % 1000] * (draws % 1000 > 0):
            z = m + torch.randn(count, len(m), generator=generator) * (v / 2).exp()
            log_px = module.likelihood.log_prob(module.decode(z), row.expand(count, *row.shape))
            logs.append(
                log_px.flatten(1).sum(dim=1)
                + module.bottleneck.prior.log_prob(z)
                - log_normal(z, m, v)
            )
        found.append(torch.logsumexp(torch.cat(logs).double(), 0) - math.log(draws))
    return torch.stack(found).numpy()


def _collapse(
    options: argparse.Namespace, section: Section, train: np.ndarray, test: np.ndarray
) -> None:
    """Plant a collapse by β = 4, and by a strong decoder, and cure both."""
    from diabolo.bottlenecks import Gaussian
    from diabolo.networks import MLP

    # A decoder of six layers learns slowly to use the code; the cost of the code does not wait.
    strong = {"network": MLP((256,) * 6, activation="tanh", skip=False)}
    usual = {"hidden": (500, 500)}
    rows = []
    for illness, net, beta, cures in (
        ("β = 4", usual, 4.0, {"free bits": Gaussian(4.0, warm_up=0.0, free_bits=0.5)}),
        (
            "strong decoder",
            strong,
            1.0,
            {
                "warm-up": Gaussian(warm_up=0.5),
                "free bits": Gaussian(warm_up=0.0, free_bits=0.5),
            },
        ),
    ):
        found = {}
        for name, bottleneck in {"planted": Gaussian(beta, warm_up=0.0), **cures}.items():
            say(f"variational, {illness}, {name}")
            model = _model(**net, max_epochs=8, bottleneck=bottleneck)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", HealthWarning)
                fitted(options, model, train)
            found[name] = active_units(model, test)
            told = any(f.name == "posterior collapse" for f in model.diagnose())
            bound = -float(model.score_samples(test).mean())
            rows.append([illness, name, found[name], bound, "yes" if told else "no"])
            key = f"collapse_{illness}_{name}_active_units".replace("β = ", "beta_")
            section.metrics[key.replace(" ", "_").replace("-", "_")] = found[name]
        best = max(found[name] for name in cures) / max(1, found["planted"])
        section.aims.append(Aim(f"collapse by {illness}: active units, cured over ill", best, 2.0))
    section.texts += [
        "Collapse, planted and cured: active units of 40, minus the bound, and whether `diagnose` "
        "finds a collapse.",
        table(["", "", "active", "−bound", "found"], rows),
    ]
