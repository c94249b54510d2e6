"""What all variants return."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from diabolo.estimator import Autoencoder


def autoencoder(code_size: int | str, usual: int | str = "auto", **options: Any) -> Autoencoder:
    """Return an autoencoder, not fitted, whose code has the usual size where that is "auto"."""
    # Imported here, for it imports torch.
    from diabolo.estimator import Autoencoder

    return Autoencoder(usual if code_size == "auto" else code_size, **options)
