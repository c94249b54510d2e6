"""Each illness is planted, found, and cured by the option that the finding names."""

from __future__ import annotations

import re

import numpy as np
import pytest
from tests.samples import low_rank, tiny

from diabolo import Autoencoder, datasets, load
from diabolo.bottlenecks import Gaussian, Plain, Quantized, TopK
from diabolo.corruptions import Masking
from diabolo.errors import HealthWarning
from diabolo.likelihoods import MSE
from diabolo.networks import MLP
from diabolo.training import Training

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.filterwarnings("ignore::diabolo.errors.HealthWarning"),
]


def table(rows=600, noise=0.1):
    return low_rank(rows, 10, 3, noise)


def noise(rows=600, columns=10):
    return np.random.default_rng(0).normal(size=(rows, columns))


def digits():
    return datasets.load("digits").data


def clusters():
    rng = np.random.default_rng(0)
    centres = 3 * rng.normal(size=(5, 6))
    return centres[rng.integers(5, size=1500)]


def sparse_amounts():
    rng = np.random.default_rng(0)
    return 5 * (rng.random((600, 3)) > 0.6) @ rng.random((3, 10)) * (rng.random((600, 10)) > 0.7)


def narrow():
    rng = np.random.default_rng(0)
    return 0.5 + 0.005 * rng.random((500, 1)) * rng.random((1, 10))


UNTAMED = {"early_stopping": False, "averaging": 0.0, "validation_fraction": 0.5}
DEEP = MLP((64,) * 6, activation="tanh", skip=False)
SLOW = MLP((16,) * 8, activation="sigmoid", skip=False)

#: Illness, data, options that make the model ill, words of the remedy, and cures: each what it
#: changes of those options, as a function of the remedy where that has a number.
ILLNESSES = [
    (
        "posterior collapse",
        digits,
        {"code_size": 8, "bottleneck": Gaussian(beta=8)},
        r"Gaussian\(beta=2\).*free_bits=0.5",
        [{"bottleneck": Gaussian(beta=2)}, {"bottleneck": Gaussian(beta=8, free_bits=0.5)}],
    ),
    (
        "posterior collapse",
        digits,
        {"code_size": 5, "bottleneck": Gaussian(warm_up=0.0), "network": DEEP},
        r"free_bits=0.5.*longer warm_up than 0",
        [
            {"bottleneck": Gaussian(warm_up=0.5)},
            {"bottleneck": Gaussian(warm_up=0.0, free_bits=0.5)},
        ],
    ),
    (
        "dead entries",
        clusters,
        {"code_size": 1, "bottleneck": Quantized(64, decay=0.999)},
        r"Quantized\(codes=(\d+)\)",
        [lambda found: {"bottleneck": Quantized(int(found[1]), decay=0.999)}],
    ),
    (
        "dead units",
        lambda: table(3000),
        {"code_size": 64, "bottleneck": TopK(2, auxiliary=0.0)},
        r"code of about (\d+) numbers, or TopK\(k=8\)",
        [{"bottleneck": TopK(8, auxiliary=0.0)}],
    ),
    (
        "dead units",
        table,
        {
            "code_size": 6,
            "bottleneck": Plain("relu"),
            "training": Training(batch_size=8, learning_rate=0.3),
        },
        r"Plain\(\).*learning rate below 0.3",
        [{"bottleneck": Plain()}, {"training": Training(batch_size=8, learning_rate=0.1)}],
    ),
    (
        "idle units",
        lambda: table(noise=0.3),
        {"code_size": 5, "bottleneck": Gaussian(), "hidden": (), "max_epochs": 150},
        r"code_size=(\d)",
        [lambda found: {"code_size": int(found[1])}],
    ),
    (
        "nothing learned",
        lambda: noise(600, 40),
        {"code_size": 1},
        "larger code_size than 1",
        [{"code_size": 20}],
    ),
    (
        "nothing learned",
        table,
        {"code_size": 3, "training": Training(learning_rate=1e-6)},
        "learning_rate than 1e-06",
        [{"training": Training(learning_rate=1e-3)}],
    ),
    (
        "nothing learned",
        lambda: datasets.load("digits").data,
        {"code_size": 3, "training": Training(learning_rate=1.0), "max_epochs": 6},
        "smaller learning_rate than 1",
        [{"training": Training(learning_rate=1e-3)}],
    ),
    (
        "diverged",
        table,
        {"code_size": 3, "training": Training(learning_rate=1.0), "max_epochs": 3},
        r"lower learning rate than 1, Training\(learning_rate=0.1\)",
        [{"training": Training(learning_rate=1e-2)}],
    ),
    (
        "identity",
        lambda: table(noise=1.0),
        {"code_size": 10, "hidden": (), "max_epochs": 150},
        r"smaller code_size.*Masking\(0.5\)",
        [{"code_size": 3}, {"corruption": Masking(0.5)}],
    ),
    (
        "overfitting",
        lambda: noise(160, 20) + low_rank(160, 20),
        {
            "code_size": 4,
            "hidden": (256, 256),
            "max_epochs": 100,
            "training": Training(weight_decay=0.0, **UNTAMED),
        },
        r"corruption=Masking\(0.5\).*fewer hidden.*weight_decay=3",
        [
            {"corruption": Masking(0.5)},
            {"hidden": (16,)},
            {"training": Training(weight_decay=3.0, **UNTAMED)},
        ],
    ),
    (
        "vanishing gradients",
        table,
        {"code_size": 3, "network": SLOW},
        "silu.*fewer layers",
        [
            {"network": MLP((16,) * 8, activation="silu", skip=False)},
            {"network": MLP((16,), activation="sigmoid", skip=False)},
        ],
    ),
    (
        "outside the range",
        sparse_amounts,
        {"code_size": 4, "likelihood": "mse"},
        r"MSE\('relu'\)",
        [{"likelihood": MSE("relu")}],
    ),
    (
        "little of the range",
        narrow,
        {"code_size": 1},
        "minmax.*mse",
        [{"scaling": "minmax"}, {"likelihood": "mse"}],
    ),
]


@pytest.mark.parametrize(
    ("name", "data", "ill", "remedy", "cures"), ILLNESSES, ids=lambda value: str(value)[:30]
)
def test_an_illness_is_found_and_its_remedy_alone_cures_it(name, data, ill, remedy, cures):
    X = data()
    found = {f.name: f for f in Autoencoder(**ill, random_state=0).fit(X).diagnose()}
    assert name in found
    words = re.search(remedy, found[name].remedy)
    assert words
    for cure in cures:
        change = cure(words) if callable(cure) else cure
        healthy = Autoencoder(**ill | change, random_state=0).fit(X)
        assert name not in [f.name for f in healthy.diagnose()], change


@pytest.mark.parametrize(
    "options", [{}, {"bottleneck": "gaussian"}, {"bottleneck": "topk"}], ids=str
)
@pytest.mark.parametrize("data", [table, digits])
def test_nothing_grave_is_found_where_nothing_is_wrong(data, options):
    found = Autoencoder(random_state=0, **options).fit(data()).diagnose()
    assert {f.name for f in found} <= {"idle units", "dead units"}
    if not options:
        assert not found


def test_remedies_name_nothing_that_is_done_or_cannot_be():
    signed = 5 * low_rank(400, 10, 3)
    model = Autoencoder(2, random_state=0, max_epochs=5).fit(signed)
    model.vitals_.beyond[:] = 0.2, 0.1  # as if much were rebuilt below the lowest
    (finding,) = [f for f in model.diagnose() if f.name == "outside the range"]
    assert "relu" not in finding.remedy and "minmax" in finding.remedy
    ill = Gaussian(beta=1.0, warm_up=1.0, free_bits=0.5)
    model = Autoencoder(8, bottleneck=ill, random_state=0, max_epochs=2).fit(digits())
    model.vitals_.spread[:] = 0.0
    (finding,) = [f for f in model.diagnose() if f.name == "posterior collapse"]
    assert finding.remedy.startswith("where the data have so few dimensions, code_size=")


def test_places_of_a_quantised_code_that_use_few_entries_are_named():
    model = Autoencoder(8, bottleneck=Quantized(16, vector=2), random_state=0, max_epochs=3)
    model.fit(table())
    model.vitals_.entries[2, 3:] = 0
    (finding,) = [f for f in model.diagnose() if f.name == "dead entries"]
    assert "3 in place 2" in finding.what
    assert re.search(r"code_size=6, or Quantized\(vector=4\)", finding.remedy)


def test_held_out_rows_are_judged_on_rows_of_the_whole_file():
    # The first half varies less; what is held out of 20,000 rows is more than is looked at.
    X = low_rank(20_000, 6, 2, 0.3) * np.repeat([0.2, 1.0], 10_000)[:, None]
    model = Autoencoder(2, random_state=0, max_epochs=2).fit(X)
    held_out = model.reconstruction_error(X[model.held_out_])
    assert len(model.vitals_.held_out) == 1000 < len(held_out)
    assert model.vitals_.held_out.mean() == pytest.approx(held_out.mean(), rel=0.15)
    assert not model.diagnose(X)


def test_a_fit_warns_of_what_is_serious():
    with pytest.warns(HealthWarning, match="8 of 8 code units tell nothing.*free_bits"):
        Autoencoder(8, bottleneck=Gaussian(beta=50), random_state=0, max_epochs=5).fit(digits())


def test_data_unlike_the_training_data_are_found():
    X = digits()
    model = Autoencoder(8, random_state=0).fit(X[:1000])
    assert not model.diagnose(X[1000:])
    other = np.random.default_rng(0).permuted(X[1000:], axis=1)
    (finding,) = model.diagnose(other)
    assert finding.name == "unlike the training data" and "units and columns" in finding.remedy


@pytest.mark.needs_data
def test_a_digits_model_is_shown_clothes():
    model = Autoencoder(8, hidden=(128,), random_state=0, max_epochs=3)
    model.fit(datasets.load("mnist").data[:2000])
    assert not model.diagnose(datasets.load("mnist", "test").data[:500])
    (finding,) = model.diagnose(datasets.load("fashion-mnist", "test").data[:500])
    assert finding.name == "unlike the training data"


def test_findings_survive_the_store_and_members(tmp_path):
    for members in (1, 2):
        model = tiny(
            code_size=8, bottleneck=Gaussian(beta=50), training=Training(members=members)
        ).fit(digits())
        model.save(tmp_path / "model")
        assert load(tmp_path / "model").diagnose() == model.diagnose() != []


def test_what_a_unit_adds_is_what_is_lost_without_it():
    X = low_rank(300, 6, 2)
    model = Autoencoder(2, hidden=(), network=None, random_state=0, max_epochs=40).fit(X)
    learned = np.setdiff1d(np.arange(300), model.held_out_)
    Z = model.transform(X)
    assert model.vitals_.spread == pytest.approx(Z.std(axis=0), rel=0.05)
    for unit in range(2):
        fixed = Z.copy()
        fixed[:, unit] = Z[:, unit].mean()
        lost = (model.inverse_transform(fixed) - X) / model.schema_.scale
        kept = (model.reconstruct(X) - X) / model.schema_.scale
        adds = (lost**2 - kept**2)[learned].mean()
        assert model.vitals_.adds[unit] == pytest.approx(adds, rel=0.05)


def test_gradients_are_known_where_codes_have_slopes_in_training_only():
    for bottleneck in (Quantized(16), "binary"):
        model = tiny(code_size=4, bottleneck=bottleneck).fit(table())
        assert np.isfinite(model.vitals_.gradients).all()


def test_more_entries_than_rows_and_rows_that_are_all_the_same():
    model = tiny(bottleneck=Quantized(4096)).fit(table(450))
    (finding,) = [f for f in model.diagnose() if f.name == "more entries than rows"]
    assert "4,096 entries" in finding.what and "codes=64" in finding.remedy
    same = tiny().fit(np.ones((50, 4)))
    assert [f.name for f in same.diagnose()] == ["nothing to learn"]


def test_where_nothing_was_learned_the_cause_is_told_first():
    with pytest.warns(HealthWarning, match=r"no better than the mean.*silu"):
        model = Autoencoder(3, network=SLOW, random_state=0, max_epochs=10).fit(table())
    found = {f.name: f.remedy for f in model.diagnose()}
    assert found["nothing learned"] == found["vanishing gradients"]
