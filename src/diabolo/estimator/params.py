"""scikit-learn parameters that reach into parts: ``set_params(network__dropout=0.1)``."""

from __future__ import annotations

import dataclasses
from typing import Any

from sklearn.base import BaseEstimator

from diabolo.errors import SpecError
from diabolo.spec import Part


class PartParams(BaseEstimator):
    """A `BaseEstimator` whose parameters may be parts or estimators, in reach of grids."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the constructor's arguments; with `deep` also ``argument__field`` of parts."""
        params = super().get_params(deep=False)
        if deep:
            for name, value in list(params.items()):
                params |= {f"{name}__{field}": v for field, v in _fields(value).items()}
        return params

    def set_params(self, **params: Any) -> PartParams:
        """Set arguments, and fields of parts as ``argument__field=value``.

        Raises
        ------
        SpecError
            If an argument or field does not exist, or the argument holds no part.
        """
        names = self._get_param_names()
        fields: dict[str, dict[str, Any]] = {}
        for key, value in params.items():
            name, _, field = key.partition("__")
            if name not in names:
                raise SpecError(
                    f"Invalid parameter {name!r} for estimator {self}. Valid parameters are: "
                    f"{names}"
                )
            if field:
                fields.setdefault(name, {})[field] = value
            else:
                setattr(self, name, value)
        # After the whole parts, so that set_params(network=MLP(), network__dropout=0.1) works.
        for name, changes in fields.items():
            part = getattr(self, name)
            if isinstance(part, BaseEstimator):
                part.set_params(**changes)
                continue
            if not isinstance(part, Part):
                raise SpecError(
                    f"{name}={part!r} has no fields to set: pass {name} as a part first, then "
                    f"{name}__{next(iter(changes))}"
                )
            try:
                setattr(self, name, dataclasses.replace(part, **changes))
            except TypeError as error:
                raise SpecError(f"{name}: {error}") from None
        return self


def _fields(value: Any) -> dict[str, Any]:
    """Return what can be set inside a parameter, by name."""
    if isinstance(value, BaseEstimator):
        return value.get_params()
    if isinstance(value, Part):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return {}
