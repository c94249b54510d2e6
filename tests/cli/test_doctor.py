"""``diabolo doctor``"""

from __future__ import annotations

import json

import numpy as np
import pytest
from tests.samples import low_rank, tiny

from diabolo.bottlenecks import Gaussian, Plain, Quantized, TopK

pytestmark = pytest.mark.filterwarnings("ignore::diabolo.errors.HealthWarning")


@pytest.fixture
def ill(tmp_path):
    X = low_rank(300)
    tiny(code_size=4, bottleneck=Gaussian(50, warm_up=0.0), max_epochs=60).fit(X).save(
        tmp_path / "ill"
    )
    np.save(tmp_path / "rows.npy", X)
    np.save(tmp_path / "other.npy", X * np.array([9, -9, 9, -9, 9, 9], np.float32))
    return tmp_path / "ill"


def test_findings_are_printed_with_their_remedies(diabolo, ill):
    done = diabolo("doctor", ill)
    assert done.status == 0 and done.out.startswith("posterior collapse\n")
    assert "→ Gaussian(beta=12.5)" in done.out


@pytest.mark.parametrize(
    ("bottleneck", "words"),
    [
        (Plain(), ["error it saves", "relative gradients"]),
        (TopK(2), ["not zero"]),
        (Gaussian(), ["nats", "active units", "divergence"]),
        (Gaussian(prior="mixture"), ["active units", "divergence"]),
        (Quantized(4, vector=2), ["entries used of 4, by place"]),
    ],
    ids=str,
)
def test_what_was_measured_is_printed(bottleneck, words, diabolo, tmp_path):
    tiny(code_size=36, bottleneck=bottleneck).fit(low_rank(300)).save(tmp_path / "m")
    done = diabolo("doctor", tmp_path / "m")
    assert done.status == 0 and "4 more units" in done.out
    assert all(word in done.out for word in ["error of learned rows", "units of the code", *words])
    vitals = json.loads(diabolo("doctor", tmp_path / "m", "--json").out)["vitals"]
    assert len(vitals["active"]) == len(vitals["spread"]) == 36


def test_findings_are_printed_as_json(diabolo, ill, tmp_path):
    for rows, names in (
        ("rows.npy", ["posterior collapse"]),
        ("other.npy", ["posterior collapse", "unlike the training data"]),
    ):
        done = diabolo("doctor", ill, tmp_path / rows, "--json")
        assert done.status == 0
        findings = json.loads(done.out)["findings"]
        assert [finding["name"] for finding in findings] == names
        assert all(set(finding) == {"name", "what", "remedy"} for finding in findings)


def test_without_a_model_it_speaks_of_the_machine(diabolo):
    machine = json.loads(diabolo("doctor", "--json").out)
    assert {"torch", "device", "threads", "training"} <= set(machine)
    assert "threads" in diabolo("doctor").out


def test_options_for_data_need_data(diabolo, ill):
    done = diabolo("doctor", ill, "--no-header")
    assert done.status == 2 and "--header" in done.err
