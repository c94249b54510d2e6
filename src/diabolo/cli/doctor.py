"""``diabolo doctor``"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from diabolo.cli import common, options
from diabolo.errors import SpecError


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
    if json:
        common.print_json({"findings": [dataclasses.asdict(finding) for finding in findings]})
    elif not findings:
        print("nothing wrong was found")
    else:
        for finding in findings:
            print(f"{finding.name}\n  {finding.what}\n  → {finding.remedy}")
