"""Everything that Diabolo raises or warns of.

::

    DiaboloError
    ├── SpecError          (ValueError)    options that do not exist or do not fit
    ├── DataError          (ValueError)    data that cannot be used
    │   ├── ReadError      (OSError)       a file that is missing or not what it says
    │   └── SchemaError                    data that differ from what the model was fitted on
    │       └── NoNumberError (TypeError)  objects (clock times, lists …) where numbers are needed
    ├── WriteError         (OSError)       a target that cannot be written or must not be replaced
    ├── ModelError                         a model folder: foreign, damaged or too new
    └── TrainingError      (RuntimeError)  training that cannot go on

    DiaboloWarning         (UserWarning)
    ├── HealthWarning                      the fitted model has an illness; the message has the cure
    ├── RangeWarning                       values outside the range the model was fitted on
    └── SchemaWarning                      columns that are left out

A message says what is wrong, where (file, row, column, argument) and what to do about it.
The standard exception in brackets is a second base class, so code that knows nothing of Diabolo
still catches what it expects.
"""

from __future__ import annotations


class DiaboloError(Exception):
    """Base of all errors that Diabolo raises on purpose."""


class SpecError(DiaboloError, ValueError):
    """An option, or a combination of options, that makes no sense."""


class DataError(DiaboloError, ValueError):
    """Data that cannot be used as they are."""


class ReadError(DataError, OSError):
    """A file that is missing, unreadable, or not what its suffix promises."""


class SchemaError(DataError):
    """Data whose columns, width or types differ from what the model was fitted on."""


class NoNumberError(SchemaError, TypeError):
    """Objects that are no numbers; scikit-learn's conventions want a `TypeError` for them."""


class WriteError(DiaboloError, OSError):
    """A target that cannot be written, or must not be replaced."""


class ModelError(DiaboloError):
    """A model folder that is foreign, damaged, or written by a newer version."""


class TrainingError(DiaboloError, RuntimeError):
    """Training that cannot go on (for example a loss that stays non-finite)."""


class DiaboloWarning(UserWarning):
    """Base of all warnings that Diabolo gives."""


class HealthWarning(DiaboloWarning):
    """The fitted model works worse than it could; the message names the cause and the cure."""


class SchemaWarning(DiaboloWarning):
    """Columns of a table that are left out, because nothing can be learned from them."""


class RangeWarning(DiaboloWarning):
    """Values outside the range that the model was fitted on (an anomaly is allowed to be odd)."""
