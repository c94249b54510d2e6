"""Pretraining with a stack of restricted Boltzmann machines."""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING, Any

from diabolo.bottlenecks import Binary, Bottleneck, Gaussian
from diabolo.likelihoods import MSE, Bernoulli, Huber
from diabolo.likelihoods import Gaussian as GaussianLikelihood
from diabolo.likelihoods.base import Likelihood
from diabolo.networks import Network
from diabolo.pretraining.base import Level, Pretraining
from diabolo.pretraining.parts import Activated, Hidden
from diabolo.spec import is_number, require
from diabolo.training import Training

if TYPE_CHECKING:
    from diabolo.pretraining.machine import Machine

#: Activation → units whose mean it is, or nearly is.
UNITS_OF = {
    "sigmoid": "binary",
    "relu": "rectified",
    "silu": "rectified",
    "gelu": "rectified",
    "softplus": "rectified",
    "linear": "gaussian",
}
KINDS = ("binary", "gaussian", "rectified")

#: Share of the learning rate where units take part that have no largest value. With Adam's steps
#: machines of binary units learn best at 0.03, and all others, on digits and on tables of 5 to
#: 2,000 columns, as well at 0.003 as at 0.01.
UNBOUNDED = 1 / 6


@dataclasses.dataclass(frozen=True)
class RBM(Pretraining):
    """A stack of restricted Boltzmann machines, unrolled (Hinton & Salakhutdinov 2006).

    The mean activities of one machine's hidden units are the data of the next. The encoder gets
    the machines' weights, the decoder their transposes, with the biases of the visible units.

    Units follow from the likelihood and the activations. Binary units suit
    ``activation="sigmoid"``, and data in [0, 1], which count as probabilities; rectified ones suit
    "relu", "silu", "gelu" and "softplus", whose layers start as if they were "relu"; Gaussian ones,
    of variance 1, suit all other data, and linear codes. What visible units stand for that are not
    binary is multiplied by one number first, so that its mean variance is 4.

    The update is contrastive divergence, with the momentum of Adam (Kingma & Ba 2015) and the
    library's learning-rate schedule in place of fixed rates; the rest follows Hinton's practical
    guide (2010).

    Parameters
    ----------
    epochs : int or "auto"
        Passes over the rows for each machine; "auto" makes a thousand steps or more of them.
    batch_size : int or "auto"
        Rows a step; "auto" is that of the training which follows.
    steps : int
        Of Gibbs sampling before each update: the k of CD-k (Hinton 2002).
    persistent : bool
        Whether sampling goes on where the last update left it, in as many chains as a batch has
        rows, instead of beginning at the data (Tieleman 2008). The machine is then a better model
        of the data, and after as many steps a worse autoencoder. Each machine needs binary units
        on one side, or it would have no density.
    visible : {"auto", "binary", "gaussian", "rectified"}
        Units that stand for the data. "auto" is binary for a Bernoulli likelihood, rectified
        for ``MSE("relu")``, and Gaussian for others of numbers; what does not go with
        the likelihood is refused.
    hidden : {"auto", "binary", "gaussian", "rectified"}
        Units of the hidden layers. "auto" goes by the network's activation; what does not go with
        it is refused. Rectified units are noisy (Nair & Hinton 2010). Those of the code go by
        the bottleneck.
    learning_rate : float
        Highest rate between binary units; a sixth of it where others take part.
    weight_decay : float
        Decoupled (Loshchilov & Hutter 2019).
    """

    steps: int = 1
    persistent: bool = False
    visible: str = "auto"
    hidden: str = "auto"
    learning_rate: float = 0.03
    weight_decay: float = 0.01

    def validate(self) -> None:
        super().validate()
        require(
            type(self.steps) is int and self.steps >= 1,
            f"RBM(steps={self.steps!r}) must be a whole number ≥ 1",
        )
        require(
            isinstance(self.persistent, bool),
            f"RBM(persistent={self.persistent!r}) must be True or False",
        )
        for name in ("visible", "hidden"):
            value = getattr(self, name)
            require(
                value in ("auto", *KINDS),
                f"RBM({name}={value!r}): choose 'auto' or one of {', '.join(KINDS)}",
            )
        require(
            is_number(self.learning_rate) and self.learning_rate > 0,
            f"RBM(learning_rate={self.learning_rate!r}) must be a number > 0",
        )
        require(
            is_number(self.weight_decay) and self.weight_decay >= 0,
            f"RBM(weight_decay={self.weight_decay!r}) must be a number ≥ 0",
        )

    def resolved(
        self,
        network: Network,
        bottleneck: Bottleneck,
        likelihood: Likelihood,
        training: Training,
        rows: int,
    ) -> RBM:
        part = super().resolved(network, bottleneck, likelihood, training, rows)
        other = "or pretraining=Layerwise()"
        code, visible = hidden_units(bottleneck), visible_units(likelihood)
        require(
            code is not None,
            f"pretraining=RBM(…) has no units for a code of {bottleneck!r}: pass "
            f"bottleneck=Plain(), {other}",
        )
        require(
            visible is not None,
            f"pretraining=RBM(…) has no units for data of likelihood={likelihood!r}: pass "
            f"likelihood='mse', {other}",
        )
        activation: str = getattr(network, "activation", "")
        layers: Any = getattr(network, "hidden", ())
        hidden = UNITS_OF.get(activation) if layers else code
        require(
            hidden is not None,
            f"pretraining=RBM(…) has no units for activation={activation!r}: pass "
            f"activation='sigmoid' (binary ones), activation='relu' (rectified ones), {other}",
        )
        for name, wanted, of in (
            ("visible", visible, f"likelihood={likelihood!r}"),
            ("hidden", hidden, f"activation={activation!r}"),
        ):
            require(
                getattr(self, name) in ("auto", wanted),
                f"RBM({name}={getattr(self, name)!r}) does not go with {of}: pass "
                f"{name}={wanted!r}, or 'auto'",
            )
        kinds = [visible, *(hidden for _ in layers), code]
        pairs = [set(pair) for pair in itertools.pairwise(kinds)]
        require(
            not self.persistent or all("binary" in pair for pair in pairs),
            "pretraining=RBM(…) draws from each machine itself, and one that has binary units "
            "on neither side has no density: pass activation='sigmoid', or persistent=False",
        )
        return dataclasses.replace(part, visible=visible, hidden=hidden)

    def learner(self, level: Level) -> Machine:
        from diabolo.pretraining.machine import Machine

        chains = self.batch_size if self.persistent else 0
        units = _units(level)
        return Machine.empty(level.inputs, level.outputs, *units, self.steps, chains)

    def options(self, level: Level, training: Training) -> Training:
        unbounded = set(_units(level)) != {"binary"}
        return Training(
            batch_size=self.batch_size,
            optimizer="adam",
            learning_rate=self.learning_rate * (UNBOUNDED if unbounded else 1),
            weight_decay=self.weight_decay,
            # Gradients are differences of nearly equal products.
            precision="fp32",
        )

    def put(self, learner: Machine, level: Level) -> None:
        layer: Any = level.head
        if not isinstance(level.bottleneck, Hidden):
            layer = layer.mean if isinstance(level.bottleneck, Gaussian) else layer.layer
        learner.unroll(layer, level.back)


def _units(level: Level) -> tuple[Any, Any]:
    return visible_units(level.likelihood), hidden_units(level.bottleneck)


def visible_units(likelihood: Likelihood) -> str | None:
    """Return the kind of units whose values have this likelihood, None if there is none."""
    if isinstance(likelihood, Activated):
        return UNITS_OF.get(likelihood.activation)
    if isinstance(likelihood, Bernoulli):
        return "binary"
    if isinstance(likelihood, MSE) and likelihood.output == "relu":
        return "rectified"
    return "gaussian" if isinstance(likelihood, MSE | Huber | GaussianLikelihood) else None


def hidden_units(bottleneck: Bottleneck) -> str | None:
    """Return the kind of units that make the codes of this bottleneck, None if there is none."""
    if isinstance(bottleneck, Binary):
        return "binary"
    if isinstance(bottleneck, Gaussian):
        return "gaussian"
    return UNITS_OF.get(getattr(bottleneck, "activation", ""))
