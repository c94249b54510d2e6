"""`Autoencoder`, the estimator that people meet first."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from diabolo.bottlenecks import Quantized
from diabolo.data.containers import as_frame, unpack
from diabolo.data.schema import refuse_non_finite
from diabolo.errors import DataError, SchemaError
from diabolo.estimator import generation
from diabolo.estimator.base import FittedModel
from diabolo.estimator.fitting import fit, read_rows
from diabolo.estimator.health import warn_of_illness
from diabolo.spec import require
from diabolo.training import Training


class Autoencoder(FittedModel):
    """Learn a short code for each row, and the way back.

    Parameters
    ----------
    code_size : int or "auto", default "auto"
        Numbers in a code. "auto" is the smallest PCA rank that explains 90 % of the scaled data,
        within 2 and 64.
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
        alone, and otherwise standardises (for a rectified output: without centring).
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
    likelihood : {"auto", "mse", "bernoulli", "huber", "gaussian"} or Likelihood, default "auto"
        The loss, as minus the log-probability of a row given its code, and with it the output
        activation. "auto" is Bernoulli (sigmoid, cross-entropy) for values in [0, 1] and MSE
        (linear, squared error) for all others; ``MSE(output="relu")`` suits data that are never
        negative.
    penalties : tuple of Penalty or str, default ()
        What training adds to the loss to shape the code: "l1", "kl_sparsity", "contractive", or
        ``L1(0.1)`` and so on.
    pretraining : {"rbm", "layerwise"}, Pretraining or None, default None
        What gives dense layers their first weights, one after the other, before they are trained
        together.
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
        self.held_out_ = fitted.held_out
        self._set_features()
        warn_of_illness(lambda: self._apply(fitted.sample, self._codes), self.spec_)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return the codes of X.

        Parameters
        ----------
        X : as in `fit`

        Returns
        -------
        ndarray of float32 (n, code_size)

        Raises
        ------
        SchemaError
            If width, columns or units differ from the fitted data.
        DataError
            If X holds NaN or infinities. Values outside the likelihood's range give a
            `RangeWarning` only.
        """
        x = self._encode_input(X)
        return self._apply(x, self._codes).numpy()

    def inverse_transform(self, Z: Any) -> Any:
        """Return the rows that codes stand for, in original units and types.

        Parameters
        ----------
        Z : array (n, code_size), frame, tensor, or path

        Returns
        -------
        ndarray (n, *shape), or a frame with the fitted columns if Z is one

        Raises
        ------
        SchemaError
            If Z has another width than `code_size`.
        DataError
            If Z holds NaN, infinities, or numbers too large to be decoded.
        """
        check_is_fitted(self)
        Z = read_rows(Z)
        data = unpack(Z)
        refuse_non_finite(data)
        if data.array.shape[1:] != (self.spec_.code_size,):
            raise SchemaError(
                f"codes have shape {data.array.shape[1:]}, and the model's are "
                f"({self.spec_.code_size},)"
            )
        with np.errstate(over="ignore"):
            z = torch.from_numpy(data.array.astype(np.float32))
        values = self._apply(z, self._decoded).numpy()
        lost = ~np.isfinite(values).reshape(len(values), -1).all(axis=1)  # (n, *shape) -> (n,)
        if lost.any():
            raise DataError(
                f"the code in row {int(lost.argmax())} is too large to be decoded with 32-bit "
                "numbers: codes of data lie near those of the training data"
            )
        if as_frame(Z) is not None:
            return self.schema_.decode_frame(values, Z)
        return self.schema_.decode(values)

    def reconstruct(self, X: Any) -> Any:
        """Return X as the model sees it, after the way through the code.

        Parameters
        ----------
        X : as in `fit`; a frame may have more columns, in any order

        Returns
        -------
        The container, index, columns and types of X
            In original units; columns that the model does not know pass through untouched.

        Raises
        ------
        DataError
            As in `transform`.
        """
        X = read_rows(X)
        values = self._apply(self._encode_input(X, True), self.module_.reconstruct).numpy()
        return self.schema_.decode(values, source=X)

    def reconstruction_error(self, X: Any, *, per_value: bool = False) -> np.ndarray:
        """Return how far each row is from its reconstruction.

        Parameters
        ----------
        X : as in `fit`
        per_value : bool, default False
            Give the squared error of every value instead of their mean.

        Returns
        -------
        ndarray of float32 (n,), or (n, *shape) with `per_value`
            Mean squared error per value, in scaled units (pixels as they are, from 0 to 1).

        Raises
        ------
        DataError
            As in `transform`.
        """
        x = self._encode_input(X)

        def errors(rows: torch.Tensor) -> torch.Tensor:
            squared = (rows - self.module_.reconstruct(rows)).square()
            return squared if per_value else squared.flatten(1).mean(dim=1)

        return self._apply(x, errors).numpy()

    def score_samples(self, X: Any) -> np.ndarray:
        """Return the log-probability of each row given its code: high is well explained.

        Parameters
        ----------
        X : as in `fit`

        Returns
        -------
        ndarray of float32 (n,)
            log p(x | z), summed over the values of a row, in nats and scaled units.

        Raises
        ------
        DataError
            As in `transform`.
        """
        x = self._encode_input(X)
        return self._apply(x, self.module_.log_prob).numpy()

    def score(self, X: Any, y: Any = None) -> float:
        """Return minus the mean reconstruction error: higher is better, for any likelihood.

        Parameters
        ----------
        X : as in `fit`
        y : ignored

        Returns
        -------
        float
        """
        return -float(np.mean(self.reconstruction_error(X), dtype=np.float64))

    def sample(self, n: int = 1, *, random_state: Any = None) -> np.ndarray:
        """Return new rows: codes drawn from the prior of a variational model, decoded.

        Parameters
        ----------
        n : int
        random_state : int, RandomState or None
            The same int gives the same rows.

        Returns
        -------
        ndarray (n, *shape)
            Means of p(x | z), in original units.

        Raises
        ------
        SpecError
            If the codes have no prior.
        """
        return generation.sample(self, n, random_state)

    def interpolate(self, a: Any, b: Any, steps: int = 10) -> np.ndarray:
        """Return the rows on the way from a to b, along the straight line between their codes.

        Parameters
        ----------
        a, b : array (*shape) or (n, *shape)
            Where each way begins and ends.
        steps : int
            Rows of a way, with both ends.

        Returns
        -------
        ndarray (steps, *shape) or (n, steps, *shape)
            In original units. The ends are reconstructions of a and b.

        Raises
        ------
        SpecError
            If the codes do not change smoothly, so that there is nothing between two of them.
        SchemaError
            If a and b are not rows of the model, or not equally many.
        """
        return generation.interpolate(self, a, b, steps)

    def indices(self, X: Any) -> np.ndarray:
        """Return which entries of its codebooks a model with quantised codes uses for X.

        Parameters
        ----------
        X : as in `fit`

        Returns
        -------
        ndarray of int64 (n, code_size / vector)

        Raises
        ------
        SpecError
            If codes are not quantised.
        """
        x = self._encode_input(X)
        require(
            isinstance(self.spec_.bottleneck, Quantized),
            f"codes of {self.spec_.bottleneck!r} are not made of numbered vectors: train with "
            "bottleneck=Quantized()",
        )
        return self._apply(x, self.module_.indices).numpy()

    def _codes(self, rows: torch.Tensor) -> torch.Tensor:
        return self.module_.encode(rows).z

    def _decoded(self, codes: torch.Tensor) -> torch.Tensor:
        return self.module_.likelihood.mean(self.module_.decode(codes))
