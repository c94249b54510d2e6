"""What all variants return."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from diabolo.estimator import Autoencoder


def autoencoder(code_size: int | str, **options: Any) -> Autoencoder:
    """Return an autoencoder, not fitted."""
    # Imported here, for it imports torch.
    from diabolo.estimator import Autoencoder

    return Autoencoder(code_size, **options)
