"""Parts: frozen, comparable, JSON-safe, and found by name in their axis's table."""

from __future__ import annotations

import dataclasses
import json
import re

import numpy as np
import pytest

from diabolo import Autoencoder
from diabolo.bottlenecks import BOTTLENECKS, Binary, Gaussian, Plain, Quantized, TopK
from diabolo.corruptions import CORRUPTIONS, BlockMasking, GaussianNoise, Masking
from diabolo.errors import DiaboloError, SpecError
from diabolo.estimator.resolved import AXES
from diabolo.likelihoods import LIKELIHOODS, MSE, Bernoulli
from diabolo.networks import MLP, NETWORKS, Conv
from diabolo.spec import from_json, parse_part, require, resolve_part, to_json
from diabolo.training import Training

PARTS = [
    ("network", MLP((512, 64), activation="relu", dropout=0.25)),
    ("network", MLP(())),
    ("network", Conv()),
    ("network", Conv((8, 16), kernel=5, hidden=(32,), activation="relu")),
    ("bottleneck", Plain("sigmoid")),
    ("bottleneck", TopK(3, auxiliary=0.1)),
    ("bottleneck", Gaussian(0.5, warm_up=0.2, free_bits=0.1, prior="mixture", components=7)),
    ("bottleneck", Quantized(16, vector=2, commitment=0.5, decay=0.9)),
    ("bottleneck", Binary(0.5)),
    ("likelihood", Bernoulli()),
    ("likelihood", MSE(output="relu")),
    ("training", Training(batch_size=7, learning_rate=1e-4, optimizer="muon", patience=3)),
]


@pytest.mark.parametrize(("axis", "part"), PARTS, ids=str)
def test_a_part_survives_json(axis, part):
    read = from_json(json.loads(json.dumps(to_json(part, AXES[axis]))), AXES[axis])
    assert read == part
    assert hash(read) == hash(part)
    assert type(read) is type(part)


@pytest.mark.parametrize("table", AXES.values(), ids=AXES)
def test_every_name_gives_a_part_of_its_class_that_writes_its_name(table):
    for name, cls in table.items():
        part = resolve_part(name, table, "argument")
        assert type(part) is cls
        assert to_json(part, table)["part"] == name


def test_a_part_is_frozen_and_lists_become_tuples():
    part = MLP([32, 16])
    assert part.hidden == (32, 16)
    assert part == MLP((32, 16))
    with pytest.raises(dataclasses.FrozenInstanceError):
        part.dropout = 0.5


def test_parts_with_other_hyperparameters_differ():
    assert MLP((8,)) != MLP((9,))
    assert MSE() != Bernoulli()


def test_an_instance_is_returned_as_it_is():
    part = Plain("relu")
    assert resolve_part(part, BOTTLENECKS, "bottleneck") is part


@pytest.mark.parametrize("value", ["plane", Plain(), 3, None, Plain, ["mlp"], {"mlp": 1}], ids=str)
def test_what_is_no_part_of_the_axis_is_refused_with_the_choices(value):
    with pytest.raises(SpecError, match=r"^network=.*'mlp'.*MLP\(…\)"):
        resolve_part(value, NETWORKS, "network")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "unknown part None"),
        ({"part": "cnn"}, "unknown part 'cnn'.*mlp"),
        ({"part": "mlp", "width": 3}, "part 'mlp'.*width"),
        ({"part": "mlp", "hidden": [8], "dropout": 1.0}, "dropout"),
        ({"part": "mlp", "hidden": [0]}, "hidden"),
        ({"part": "conv", "channels": [8], "dropout": 0.5}, "part 'conv'.*dropout"),
    ],
)
def test_a_damaged_part_is_a_spec_error(config, message):
    with pytest.raises(SpecError, match=message):
        from_json(config, NETWORKS)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MLP(hidden=(8, -1)), "hidden"),
        (lambda: MLP(hidden=(8.0,)), "hidden"),
        (lambda: MLP(hidden=(True,)), "hidden"),
        (lambda: MLP(hidden="wide"), "hidden"),
        (lambda: MLP(hidden=None), "hidden"),
        (lambda: MLP(activation="swish"), "swish.*relu"),
        (lambda: MLP(dropout=-0.1), "dropout"),
        (lambda: MLP(dropout=float("nan")), "dropout"),
        (lambda: Conv(()), "channels"),
        (lambda: Conv((8, 0)), "channels"),
        (lambda: Conv(8), r"channels=8.*\(32, 64\)"),
        (lambda: Conv(kernel=4), "kernel=4 .*odd"),
        (lambda: Conv(kernel=1), "kernel=1 "),
        (lambda: Conv(kernel=3.0), "kernel=3.0 "),
        (lambda: Conv(hidden="auto"), "hidden"),
        (lambda: Conv(hidden=(-1,)), "hidden"),
        (lambda: Conv(activation="swish"), "swish.*relu"),
        (lambda: Plain("gelu"), "gelu.*relu"),
        (lambda: MSE("softmax"), "softmax.*relu.*Bernoulli"),
    ],
)
def test_hyperparameters_outside_their_domain_are_refused(make, message):
    with pytest.raises(SpecError, match=message):
        make()


def test_a_spec_error_is_a_value_error_of_the_tree():
    with pytest.raises(SpecError) as caught:
        require(False, "no")
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, DiaboloError)
    require(True, "yes")


def test_widths_are_chosen_as_documented():
    # Four times the row, a power of two within 64 and 1,024, halved twice from 512 on, else once.
    assert MLP().resolved((2,)).hidden == (64, 32)
    assert MLP().resolved((30,)).hidden == (128, 64)
    assert MLP().resolved((8, 16)).hidden == (512, 256, 128)
    assert MLP().resolved((28, 28)).hidden == (1024, 512, 256)
    assert MLP((5,)).resolved((28, 28)).hidden == (5,)
    assert MLP(dropout=0.5).resolved((2,)).dropout == 0.5


def test_the_tables_hold_no_class_twice():
    for table in (NETWORKS, BOTTLENECKS, LIKELIHOODS):
        assert len(set(table.values())) == len(table)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("masking", Masking()),
        ("masking:0.4", Masking(0.4)),
        ("gaussian:(0.1,0.5)", GaussianNoise((0.1, 0.5))),
        ("block:share=0.3,axes=auto", BlockMasking(0.3)),
    ],
)
def test_a_part_is_read_from_a_word(text, part):
    assert parse_part(text, CORRUPTIONS) == part


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mask", "'mask' is not known: choose one of gaussian, masking"),
        ("masking:level=1", "its options are share, missing, written as in masking:share=…"),
        ("masking:0.1,0.2", "its options are share"),
        ("masking:(", "its options are share"),
        ("masking:__import__('os')", "its options are share"),
        ("masking:share=open", "share='open'"),
        ("masking:2", "share=2"),
    ],
)
def test_what_is_no_part_is_refused(text, message):
    with pytest.raises(SpecError, match=re.escape(message)):
        parse_part(text, CORRUPTIONS)


def test_a_class_in_place_of_a_part_is_told_apart():
    with pytest.raises(SpecError, match=r"bottleneck=Gaussian is a class: pass Gaussian\(\)"):
        Autoencoder(2, bottleneck=Gaussian).fit(np.ones((9, 3)))
    assert Autoencoder(2, penalties=None, max_epochs=1).fit(np.eye(9)).spec_.penalties == ()


def test_small_sparse_codes_keep_more_than_one_number():
    kept = {size: TopK().resolved(size).k for size in (1, 2, 4, 8, 16, 32, 64, 512)}
    assert kept == {1: 1, 2: 1, 4: 2, 8: 4, 16: 4, 32: 4, 64: 8, 512: 64}
