"""What learning from damaged digits is good for."""

from __future__ import annotations

import argparse
import itertools

import numpy as np
import torch
from torch import nn

from bench.frame import table
from bench.sections import Aim, Section, say
from bench.variants.data import error, error_of, fitted, labelled

LABELS, WIDTHS, EPOCHS = 1000, (1000, 1000, 1000), 40


def run(options: argparse.Namespace) -> Section:
    """Rebuild clean digits from masked ones; and classify after layer-wise pretraining."""
    section = Section("Denoising")
    _masked(options, section)
    _few_labels(options, section)
    return section


def _masked(options: argparse.Namespace, section: Section) -> None:
    from diabolo import Autoencoder, recipes
    from diabolo.corruptions import Masking

    train, test = (labelled(options, split)[0] for split in ("train", "test"))
    hidden = np.random.default_rng(0).random(test.shape) < 0.5
    damaged = np.where(hidden, 0, test).astype(np.uint8)
    rows: list[list[object]] = [["as they are", error_of(damaged, test), ""]]
    found = {}
    for name, model in (
        ("plain", Autoencoder(64, hidden=(1000, 500), random_state=0)),
        (
            "trained on masked digits",
            recipes.denoising(64, hidden=(1000, 500), corruption=Masking(0.5), random_state=0),
        ),
    ):
        say(f"denoising, {name}")
        timing = fitted(options, model, train)
        found[name] = error(model, test, damaged)
        rows.append([name, found[name], timing.seconds])
        section.metrics[f"denoising_{name.replace(' ', '_')}_error"] = found[name]
    plain, denoising = found.values()
    section.aims.append(Aim("denoising: error of the plain one over ours", plain / denoising, 1.0))
    section.texts += [
        "Clean test digits from digits of which half of the pixels are hidden: squared error per "
        "image.",
        table(["", "squared error", "s"], rows),
    ]


def _few_labels(options: argparse.Namespace, section: Section) -> None:
    from diabolo import recipes

    train, labels = labelled(options, "train")
    test, truth = labelled(options, "test")
    chosen = np.random.default_rng(0).permutation(len(train))[:LABELS]
    say("denoising, layer-wise pretraining")
    model = recipes.stacked(64, hidden=WIDTHS, random_state=0, max_epochs=1, augmentation=None)
    fitted(options, model, train)
    results = {}
    for name, layers in (
        ("random weights", None),
        ("layer-wise pretraining", model.module_.encoder.layers),
    ):
        say(f"denoising, classifier from {name}")
        wrong = _classified(layers, train[chosen], labels[chosen], test, truth)
        section.metrics[f"classification_error_{name.replace(' ', '_').replace('-', '_')}"] = wrong
        results[name] = wrong
    ratio = results["random weights"] / results["layer-wise pretraining"]
    section.aims.append(Aim("few labels: error from random weights over ours", ratio, 1.0))
    section.texts += [
        f"Test error of a net 784-{'-'.join(map(str, WIDTHS))}-10 that is fine-tuned with "
        f"{LABELS:,} labels, from random weights and from layer-wise denoising pretraining on all "
        "images without labels (mean of three draws of the last layer).",
        table(["start", "test error, %"], [[k, 100 * v] for k, v in results.items()]),
    ]


def _classified(learned, X, y, test, truth) -> float:
    """Fine-tune layers with labels, random ones where none are given; return the test error."""
    errors, shape = [], (28 * 28, *WIDTHS)
    for seed in range(3):
        torch.manual_seed(seed)
        layers = []
        for i, (inputs, outputs) in enumerate(itertools.pairwise(shape)):
            own = nn.Linear(inputs, outputs)
            if learned is None:
                nn.init.kaiming_normal_(own.weight)
                nn.init.zeros_(own.bias)
            else:
                own.load_state_dict({"weight": learned[i].weight, "bias": learned[i].bias})
            layers += [own, nn.SiLU()]
        net = nn.Sequential(*layers, nn.Linear(WIDTHS[-1], 10))
        x, target = (
            torch.from_numpy(X.reshape(len(X), -1) / np.float32(255)),
            torch.from_numpy(y).long(),
        )
        optimizer = torch.optim.Adam(net.parameters(), lr=5e-4)
        for _ in range(EPOCHS):
            for batch in torch.randperm(len(x)).split(50):
                optimizer.zero_grad()
                nn.functional.cross_entropy(net(x[batch]), target[batch]).backward()
                optimizer.step()
        with torch.no_grad():
            found = net(torch.from_numpy(test.reshape(len(test), -1) / np.float32(255))).argmax(1)
        errors.append(float((found.numpy() != truth).mean()))
    return float(np.mean(errors))
