"""``diabolo detect``"""

from __future__ import annotations

import dataclasses
import heapq
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from diabolo.cli import common, options
from diabolo.spec import require

if TYPE_CHECKING:
    import pandas as pd

    from diabolo.tasks.anomaly import AnomalyDetector

main = options.main

#: What is said of the rows that a threshold comes from.
BASIS = {
    "held out": "rows that the model did not learn from",
    "folds": "rows, each judged by those that did not learn from it",
    "given": "rows, from which the model learned too where it had no others: expect more false "
    "alarms, or train with a recipe for detecting",
    "training": "rows of training",
}


@dataclasses.dataclass(frozen=True, order=True)
class Row:
    """A row that is shown; of equal ones the first."""

    score: float
    before: int
    p_value: float
    anomaly: bool
    reasons: str

    @property
    def number(self) -> int:
        """Its place in the data."""
        return -self.before


def detect(
    model: options.Model,
    data: options.Data,
    top: Annotated[int, main.number("Rows to print, the oddest first.", int, False)] = 20,
    out: Annotated[
        Path | None,
        main.option(
            "File for scores, p-values, flags and reasons of all rows: .csv .parquet …",
            *("--out", "-o"),
            metavar="FILE",
        ),
    ] = None,
    false_alarm_rate: Annotated[
        float | None, main.number("Share of normal rows that are flagged.", float, False)
    ] = None,
    columns: Annotated[int, main.number("Columns named for a row.", int, False)] = 3,
    plain: Annotated[
        bool, main.flag("Rank by the reconstruction error alone, without p-values.", "--plain")
    ] = False,
    json: options.Json = False,
    header: options.Header = None,
    size: options.Size = None,
    key: options.Key = None,
) -> None:
    """Find the rows of DATA that are unlike those that MODEL learned from, and say why.

    Any model will do; those of `diabolo train --recipe detecting`, detecting_images and
    detecting_robust are made for it.
    """
    from diabolo import AnomalyDetector
    from diabolo.data.writers import check, write

    require(top >= 0, f"--top {top}: give a whole number ≥ 0")
    require(columns >= 1, f"--columns {columns}: give a whole number ≥ 1")
    require(
        not plain or false_alarm_rate is None,
        "--false-alarm-rate beside --plain, which ranks and flags nothing: leave one of them out",
    )
    if out is not None:
        check(out)
    estimator = common.load_model(model)
    if plain:
        detector = AnomalyDetector.plain(estimator)
    else:
        detector = AnomalyDetector.of(estimator)
        if false_alarm_rate is not None:
            detector.recalibrate(false_alarm_rate)
    source = common.open_data(data, header, size, key)
    best: list[Row] = []
    flagged = done = 0

    def judged(piece: Any) -> pd.DataFrame:
        nonlocal done, flagged
        found = _judged(detector, piece, top, columns)
        oddest = found.nlargest(top, "anomaly_score")
        numbers = -done - oddest.index.to_numpy()
        scores, *others = (oddest[name].tolist() for name in oddest)
        for entry in map(Row, scores, numbers.tolist(), *others):
            (heapq.heappush if len(best) < top else heapq.heappushpop)(best, entry)
        done += len(found)
        flagged += int(found["anomaly"].sum())
        if source.names:
            found.insert(0, "name", source.names[done - len(found) : done])
        return found.drop(columns=["p_value", "anomaly"]) if plain else found

    results = common.mapped(estimator, source, judged, estimator.schema_.names)
    if out is not None:
        write(out, results)
    else:
        for _ in results:
            pass
    rows = sorted(best, reverse=True)
    if json:
        shown = [_told(row, source.names, plain) for row in rows]
        counts = {"rows": done} if plain else {"rows": done, "anomalies": flagged}
        common.print_json({**counts, "top": shown})
        return
    if rows:
        _print(rows, source.names, plain, str(data))
    if not plain:
        _say(detector, flagged, done)
    if out is not None:
        print(out)


def _told(row: Row, names: Any, plain: bool) -> dict[str, Any]:
    """Return what there is to say of a row."""
    told: dict[str, Any] = {"row": row.number, "score": row.score}
    if names:
        told["name"] = names[row.number]
    if not plain:
        told |= {"p_value": row.p_value, "anomaly": row.anomaly}
    return told | {"reasons": row.reasons}


def _judged(detector: AnomalyDetector, piece: Any, top: int, columns: int) -> pd.DataFrame:
    """Return score, p-value, flag and reasons of rows; reasons of anomalies and the oddest only."""
    import pandas as pd

    scores = detector.anomaly_score(piece)
    p_values = np.full(len(scores), np.nan)
    anomaly = np.zeros(len(scores), bool)
    if detector.calibration_ is not None:
        p_values = detector.calibration_.p_values(-scores)
        anomaly = detector.calibration_.flagged(-scores)
    chosen = anomaly.copy()
    chosen[np.argsort(-scores, kind="stable")[:top]] = True
    reasons = np.full(len(scores), "", object)
    if chosen.any() and detector.model_.schema_.kind == "table":
        rows = np.flatnonzero(chosen)
        few = piece.iloc[rows] if hasattr(piece, "iloc") else piece[rows]
        reasons[rows] = _reasons(detector.explain(few, columns=columns))
    return pd.DataFrame(
        {"anomaly_score": scores, "p_value": p_values, "anomaly": anomaly, "reasons": reasons}
    )


def _reasons(explanation: pd.DataFrame) -> list[str]:
    """Return the explanation of each row in words."""
    words: dict[int, list[str]] = {}
    columns = (explanation[name].tolist() for name in explanation)
    for row, column, observed, expected, share in zip(*columns, strict=True):
        text = f"{column} = {_shown(observed)} (expected {_shown(expected)}, {share:.0%})"
        words.setdefault(row, []).append(text)
    return ["; ".join(texts) for texts in words.values()]


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _print(rows: list[Row], names: Any, plain: bool, title: str) -> None:
    """Print the oddest rows."""
    head, align = ["row", "score", "p-value", "", "why"], "rrrll"
    lines = []
    for row in rows:
        name = names[row.number] if names else row.number
        flag = "anomaly" if row.anomaly else ""
        lines.append([name, f"{row.score:.4g}", f"{row.p_value:.3g}", flag, row.reasons])
    if plain:
        head, align = ["row", "score", "why"], "rrl"
        lines = [[line[0], line[1], line[4]] for line in lines]
    common.print_table(head, lines, align, title=title)


def _say(detector: AnomalyDetector, flagged: int, done: int) -> None:
    """Say how many rows are anomalies, and what that rests on."""
    calibration = detector.known()
    asked = detector.false_alarm_rate
    if detector.contamination is None and asked < calibration.level:
        common.say(
            f"a rate of {asked:g} was asked for, and so few scores cannot tell it from others"
        )
    common.say(
        f"{flagged:,} of {done:,} rows are called anomalies; of normal rows "
        f"{calibration.level:.2g} would be, by the scores of {len(calibration.scores):,} "
        f"{BASIS[detector.basis_]}"
    )
