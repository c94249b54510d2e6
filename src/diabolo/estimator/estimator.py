"""`Autoencoder`, the estimator that people meet first."""

from __future__ import annotations

from typing import Any

from diabolo.estimator.fitting import fit
from diabolo.estimator.health import warn_of_illness
from diabolo.estimator.jobs import Jobs
from diabolo.store import Section
from diabolo.training import Training


class Autoencoder(Jobs):
    """Learn a short code for each row, and the way back.

    Parameters
    ----------
    code_size : int or "auto", default "auto"
        Numbers in a code. "auto" is the smallest PCA rank that explains 90 % of the scaled data,
        within 2 and 64; sparse codes take eight times as many, bits four times. It is 64 for tables
        whose cells are hidden as missing, see ``recipes.imputing``.
    hidden : tuple of int or "auto", default "auto"
        Widths of the hidden layers between input and code; the decoder mirrors them. "auto" goes
        by the width of the data; images from 16 × 16 pixels on get `Conv` instead.
    activation : str, default "auto"
        Of the hidden layers; "auto" is SiLU (Elfwing et al. 2018).
    kind : {"auto", "table", "image", "series"}, default "auto"
        What the rows are. "auto" goes by the number of dimensions: (n, columns) is a table,
        (n, h, w) and (n, h, w, channels) are images; a series (n, t, channels) must be named.
    scaling : {"auto", "none", "unit", "standard", "minmax", "scale"}, default "auto"
        What happens to values before the network, see `Schema`. "auto" divides uint8 and uint16
        by the type's maximum, leaves images in [0, 1] and all data of a Bernoulli likelihood
        alone, and otherwise standardises (for a rectified output: without centring); where cells
        are hidden to be filled, skewed numbers go by their rank.
    network : Network or str, optional
        An explicit network, for example ``MLP((512, 64), dropout=0.1)``, or a name: "conv" for
        convolutions, "mlp" for dense layers; `hidden` and `activation` must stay on "auto" then.
    bottleneck : Bottleneck or str, optional
        What makes the code; ``Plain()``, a linear code, by default.
    augmentation : {"auto", "shift", "flip", "binarise"}, Augmentation or None, default "auto"
        What changes rows at each step of training, so that they are not learned by heart. "auto"
        moves images of 16 pixels or more by up to one pixel where the code has 20 numbers or
        more, and leaves all else.
    corruption : Corruption, str, tuple of them, or None, default None
        What the encoder sees in training instead of a row, while the target stays clean, for
        example ``Masking(0.3)`` or "gaussian"; several are applied one after the other.
    likelihood : Likelihood or str, default "auto"
        The loss, as minus the log-probability of a row given its code, and with it the output
        activation. "auto" is Bernoulli (sigmoid, cross-entropy) for values in [0, 1] and MSE
        (linear, squared error) for all others; ``MSE(output="relu")`` suits data that are never
        negative. The names are "mse", "bernoulli", "huber", "gaussian" and "categorical".
    penalties : Penalty, str, tuple of them, or None, default ()
        What training adds to the loss to shape the code: "l1", "kl_sparsity", "contractive", or
        ``L1(0.1)`` and so on.
    pretraining : {"rbm", "layerwise"}, Pretraining or None, default None
        What gives dense layers their first weights, one after the other, before they are trained
        together.
    schema : dict of str to str, optional
        What columns of a frame are, where that is not to be inferred: column name → "numeric",
        "robust" or "quantile" (numbers that are scaled by their quartiles, or by their rank),
        "ordinal", "boolean", "categorical", "date" or "drop". By default the columns of a frame
        with anything but numbers are inferred one by one; ``{}`` does so for numbers too.
    max_epochs : int or "auto", default "auto"
        Passes over the data at most.
    training : Training, optional
        Everything else about the loop: batch size, optimiser, early stopping, ….
    device : str, default "auto"
        "cpu", "cuda", "cuda:1" …; "auto" is the first GPU if there is one.
    random_state : int, RandomState or None, default None
        Seed of weights, order, held-out rows and noise. The same int gives the same model.
    verbose : int, default 0
        1 shows progress while fitting.

    Attributes
    ----------
    spec_ : Spec
        The parameters with every "auto" resolved.
    schema_ : Schema
        How data becomes scaled numbers, and back.
    history_ : list of dict
        One for each look at the losses (see `Training`): ``epoch``, ``train`` and ``held_out``
        (nats per value; held-out losses are without augmentation and dropout),
        ``learning_rate``, and ``seconds`` since training began.
    kept_ : int or None
        The row of `history_` whose weights the model has: the best one by the held-out rows, the
        last one where none were held out; None if training was interrupted before the first.
    stopped_ : str
        Why training ended.
    held_out_ : ndarray of int
        Rows of the training data that were not learned from.
    vitals_ : Vitals
        What `diagnose` judges.
    sections_ : dict of str to Section
        What is kept beside the model: the density of its codes, which `sample` draws from, and
        what tasks have learned, where it comes from a folder that holds such.
    module_ : AutoencoderModule or Ensemble
        The torch module. With ``Training(members=…)`` it is an ensemble: codes are those of its
        best member, reconstructions and log-probabilities are means over all of them.
    n_features_in_ : int
        Values in a row (columns of a table, first axis of others as scikit-learn counts).
    feature_names_in_ : ndarray of str
        Columns, where fitted on a frame.

    Examples
    --------
    >>> from diabolo import Autoencoder, datasets
    >>> X = datasets.load("digits").data
    >>> ae = Autoencoder(code_size=8, random_state=0, max_epochs=5).fit(X)
    >>> ae.transform(X).shape
    (1437, 8)
    """

    def __init__(
        self,
        code_size: int | str = "auto",
        *,
        hidden: Any = "auto",
        activation: str = "auto",
        kind: str = "auto",
        scaling: str = "auto",
        network: Any = None,
        bottleneck: Any = None,
        augmentation: Any = "auto",
        corruption: Any = None,
        likelihood: Any = "auto",
        penalties: Any = (),
        pretraining: Any = None,
        schema: Any = None,
        max_epochs: int | str = "auto",
        training: Training | None = None,
        device: str = "auto",
        random_state: Any = None,
        verbose: int = 0,
    ):
        self.code_size = code_size
        self.hidden = hidden
        self.activation = activation
        self.kind = kind
        self.scaling = scaling
        self.network = network
        self.bottleneck = bottleneck
        self.augmentation = augmentation
        self.corruption = corruption
        self.likelihood = likelihood
        self.penalties = penalties
        self.pretraining = pretraining
        self.schema = schema
        self.max_epochs = max_epochs
        self.training = training
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None) -> Autoencoder:
        """Learn from the rows of X.

        Parameters
        ----------
        X : array (n, d), (n, h, w), (n, h, w, c) or (n, t, c), frame, tensor, or path
            Numbers or booleans. A path is read by its suffix.
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        DataError
            If X is empty, holds NaN or infinities, or values that the likelihood does not allow.
        SpecError
            If options do not exist or do not fit together.
        """
        fitted = fit(self, X)
        # Only now, so that a fit which fails leaves the estimator as it was.
        self.spec_, self.schema_, self.module_ = fitted.spec, fitted.schema, fitted.module
        self.history_, self.kept_ = fitted.record.history, fitted.record.kept
        self.stopped_ = fitted.record.stopped
        self.held_out_, self.vitals_ = fitted.held_out, fitted.vitals
        self.sections_: dict[str, Section] = fitted.sections
        self._set_features()
        if self.stopped_ != "interrupted":
            warn_of_illness(self.spec_, self.schema_, self.vitals_)
        return self
