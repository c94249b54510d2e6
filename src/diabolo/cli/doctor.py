"""``diabolo doctor``"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from diabolo.cli import common, options
from diabolo.errors import SpecError

if TYPE_CHECKING:
    from diabolo.estimator.vitals import Vitals

#: Units, and places, that are printed.
UNITS = 32


def doctor(
    model: Annotated[
        Path | None, typer.Argument(metavar="[MODEL]", help="Folder that `train` wrote.")
    ] = None,
    data: Annotated[
        str | None,
        typer.Argument(metavar="[DATA]", help="Rows to be compared with the training data."),
    ] = None,
    json: options.Json = False,
    header: options.Header = None,
    size: options.Size = None,
    key: options.Key = None,
) -> None:
    """Say what is wrong with MODEL and what would cure it.

    With DATA also whether they are unlike the training data; without MODEL, what this machine has.
    """
    if model is None:
        from diabolo.device import describe

        machine = describe()
        if json:
            common.print_json(machine)
        else:
            common.print_table(("", "value"), list(machine.items()), "ll", title="this machine")
        return
    if data is None and (header is not None or size is not None or key is not None):
        raise SpecError("--header, --size and --key say how to read DATA, and there is none")
    estimator = common.load_model(model)
    X = None
    if data is not None:
        source = common.open_data(data, header, size, key)
        _, X = common.read_with_columns(source, estimator.schema_.names)
    with common.about(str(data)):
        findings = estimator.diagnose(X)
    vitals = estimator.vitals_
    if json:
        measured = {name: value.tolist() for name, value in dataclasses.asdict(vitals).items()}
        told = [dataclasses.asdict(finding) for finding in findings]
        common.print_json({"findings": told, "vitals": measured})
        return
    for finding in findings:
        print(f"{finding.name}\n  {finding.what}\n  → {finding.remedy}")
    if not findings:
        print("nothing wrong was found")
    print()
    common.print_table(("", "value"), _measures(vitals), "lr", title="measured after training")
    headers, rows = _units(vitals)
    common.print_table(headers, rows[:UNITS], "r" * len(headers), title="units of the code")
    if len(rows) > UNITS:
        print(f"and {len(rows) - UNITS:,} more units (--json has all of them)")


def _measures(vitals: Vitals) -> list[tuple[str, str]]:
    """Return what was measured on the model as a whole."""
    rows = [("error of learned rows, per value", f"{vitals.learned.mean():.4g}")]
    if len(vitals.held_out):
        rows.append(("error of held-out rows", f"{vitals.held_out.mean():.4g}"))
    rows.append(("variance", f"{vitals.variance:.4g}"))
    if len(vitals.kl):
        rows.append(("divergence of a code, nats", f"{vitals.kl.sum():.4g}"))
        rows.append(("active units", f"{vitals.varied.sum()}"))
    if vitals.entries.size:
        used, codes = (vitals.entries > 0).sum(axis=1), vitals.entries.shape[1]
        each = ", ".join(map(str, used[:UNITS])) + (", …" if len(used) > UNITS else "")
        rows.append((f"entries used of {codes}, by place", each))
    gradients = ", ".join("–" if np.isnan(g) else f"{g:.2g}" for g in vitals.gradients)
    rows.append(("relative gradients by layer", gradients))
    return rows


def _units(vitals: Vitals) -> tuple[list[str], list[list[str]]]:
    """Return what was measured on each unit of the code."""
    columns = {
        "unit": [str(unit) for unit in range(len(vitals.active))],
        "not zero": [f"{share:.1%}" for share in vitals.active],
        "deviation": [f"{spread:.3g}" for spread in vitals.spread],
    }
    if not np.isnan(vitals.adds).any():
        columns["error it saves"] = [f"{adds:.3g}" for adds in vitals.adds]
    if len(vitals.kl) == len(vitals.active):
        columns["nats"] = [f"{kl:.3g}" for kl in vitals.kl]
    return list(columns), [list(row) for row in zip(*columns.values(), strict=True)]
