"""What a fitted model does with rows and codes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from diabolo.bottlenecks import Quantized
from diabolo.data.checks import refuse_non_finite
from diabolo.data.containers import as_frame, unpack
from diabolo.errors import DataError, SchemaError
from diabolo.estimator import generation
from diabolo.estimator.base import FittedModel
from diabolo.estimator.fitting import read_rows
from diabolo.estimator.health import Finding, diagnose
from diabolo.spec import require


class Jobs(FittedModel):
    """The public methods of a fitted `Autoencoder`."""

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
        values = self._apply(self._encode_input(X, True), self._rebuilt).numpy()
        return self.schema_.decode(values, source=X)

    def reconstruction_error(self, X: Any, *, per_value: bool = False) -> np.ndarray:
        """Return how far each row is from its reconstruction.

        Parameters
        ----------
        X : as in `fit`
        per_value : bool, default False
            Give the squared error of every value instead of their mean; NaN where it is missing.

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
            cells, rebuilt = self.module_.cells, self.module_.reconstruct(rows)
            return (cells.errors if per_value else cells.error)(rows, rebuilt)

        return self._apply(x, errors).numpy()

    def score_samples(self, X: Any) -> np.ndarray:
        """Return the log-probability of each row given its code: high is well explained.

        Parameters
        ----------
        X : as in `fit`

        Returns
        -------
        ndarray of float32 (n,)
            log p(x | z), summed over the values of a row, in nats and scaled units; with
            variational codes the lower bound on log p(x).

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

    def diagnose(self, X: Any = None) -> list[Finding]:
        """Return what is wrong with the model, and what would cure it.

        Parameters
        ----------
        X : as in `fit`, optional
            Other rows, to be compared with the training data.

        Returns
        -------
        list of Finding
            With ``name``, ``what`` was seen, and its ``remedy``; the gravest first.
        """
        check_is_fitted(self)
        errors = None if X is None else self.reconstruction_error(X)
        return diagnose(self.spec_, self.schema_, self.vitals_, errors)

    def sample(self, n: int = 1, *, random_state: Any = None) -> Any:
        """Return new rows: codes drawn from the prior of a variational model, decoded.

        Plain codes have none: there they come from a normal density of the codes of up to 10,000
        rows that were learned (Ghosh et al. 2020, From variational to deterministic autoencoders).

        Parameters
        ----------
        n : int
        random_state : int, RandomState or None
            The same int gives the same rows.

        Returns
        -------
        ndarray (n, *shape), or DataFrame for a table with columns of several kinds
            Means of p(x | z), in original units and levels.

        Raises
        ------
        SpecError
            If the codes have neither, as those of whole numbers, and sparse ones.
        """
        return generation.sample(self, n, random_state)

    def interpolate(self, a: Any, b: Any, steps: int = 10) -> Any:
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
            In original units. The ends are reconstructions of a and b. For a table with columns of
            several kinds a DataFrame, in which the ways follow each other.

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

    def _rebuilt(self, rows: torch.Tensor) -> torch.Tensor:
        return self._whole(self.module_.reconstruct(rows))

    def _decoded(self, codes: torch.Tensor) -> torch.Tensor:
        return self._whole(self.module_.likelihood.mean(self.module_.decode(codes)))

    def _whole(self, mean: torch.Tensor) -> torch.Tensor:
        counted = all(np.dtype(name).kind in "biu" for name in self.schema_.dtypes)
        return self.module_.likelihood.whole(mean) if counted else mean
