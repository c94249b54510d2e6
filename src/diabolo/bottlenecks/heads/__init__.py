"""Modules of the bottlenecks: features in, codes and their costs out."""
