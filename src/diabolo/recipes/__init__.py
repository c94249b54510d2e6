"""Named variants: short functions that return a configured estimator."""

from diabolo.recipes.jobs import (
    denoising,
    detecting,
    detecting_images,
    detecting_robust,
    imputing,
    masked,
)
from diabolo.recipes.kinds import (
    contractive,
    convolutional,
    deep,
    semantic_hashing,
    sparse,
    stacked,
    undercomplete,
    variational,
    vector_quantised,
)

RECIPES = {
    "undercomplete": undercomplete,
    "stacked": stacked,
    "deep": deep,
    "denoising": denoising,
    "sparse": sparse,
    "contractive": contractive,
    "variational": variational,
    "convolutional": convolutional,
    "masked": masked,
    "imputing": imputing,
    "detecting": detecting,
    "detecting_images": detecting_images,
    "detecting_robust": detecting_robust,
    "vector_quantised": vector_quantised,
    "semantic_hashing": semantic_hashing,
}

__all__ = [
    "RECIPES",
    "contractive",
    "convolutional",
    "deep",
    "denoising",
    "detecting",
    "detecting_images",
    "detecting_robust",
    "imputing",
    "masked",
    "semantic_hashing",
    "sparse",
    "stacked",
    "undercomplete",
    "variational",
    "vector_quantised",
]
