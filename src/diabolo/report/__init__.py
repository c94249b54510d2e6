"""Figures from plain arrays, and one HTML page that carries them without a network."""

from diabolo.report.figures import code_map, column_errors, error_histogram, loss_curves
from diabolo.report.look import theme
from diabolo.report.page import Page
from diabolo.report.pictures import image_grid, most_anomalous, reconstructions

__all__ = [
    "Page",
    "code_map",
    "column_errors",
    "error_histogram",
    "image_grid",
    "loss_curves",
    "most_anomalous",
    "reconstructions",
    "theme",
]
