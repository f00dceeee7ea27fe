# SPDX-License-Identifier: Apache-2.0
"""When requests come: rates over time, and arrivals drawn from them."""
from __future__ import annotations

import math
import random

BURST = 1184.0  # requests a second


def steady(rate: float, seconds: float):
    return lambda t: rate


def wave(rate: float, seconds: float):
    """Rises from a tenth to the rate and falls again."""
    return lambda t: rate * (0.1 + 0.9 * math.sin(math.pi * t / seconds) ** 2)


def burst(rate: float, seconds: float):
    """BURST in the middle third."""
    return lambda t: BURST if seconds / 3 <= t < 2 * seconds / 3 else rate


SHAPES = {"steady": steady, "rising and falling": wave, "burst": burst}


def arrivals(rate_at, most: float, seconds: float, seed=1) -> list[float]:
    """Poisson arrivals of that rate, by thinning those of the highest."""
    draw, t, times = random.Random(seed), 0.0, []
    while (t := t + draw.expovariate(most)) < seconds:
        if draw.random() * most < rate_at(t):
            times.append(t)
    return times
