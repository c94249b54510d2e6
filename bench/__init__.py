"""Benchmarks: ``python -m bench`` lists them, ``python -m bench NAME`` runs one.

Reports are kept in ``bench/results``. What was tried and did not help is written by hand into
``bench/results/NAME.notes.md`` and appended to the report of every run.
"""
