"""Learning-rate schedules, as factors of the highest rate."""

from __future__ import annotations

import math

WARM_UP = 0.1


def factor(schedule: str, position: float) -> float:
    """Return the learning rate at a position in the run, 0 to 1, as a share of the highest one.

    "one_cycle" rises linearly over the first tenth and falls as a cosine to zero
    (Smith & Topin 2018, in the two-phase form).
    """
    if schedule == "constant":
        return 1.0
    if position < WARM_UP:
        return position / WARM_UP
    return 0.5 * (1 + math.cos(math.pi * (position - WARM_UP) / (1 - WARM_UP)))
