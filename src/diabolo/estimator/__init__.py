"""The scikit-learn face: `Autoencoder`."""

from __future__ import annotations

from diabolo.estimator.estimator import Autoencoder

__all__ = ["Autoencoder"]
