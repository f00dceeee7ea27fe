# SPDX-License-Identifier: Apache-2.0
"""A platform in a simulation: an instance answers one request at a time; a request that finds none
free starts one and waits for its cold start; one that was idle for a while ends."""
from __future__ import annotations

import heapq
import random

IDLE_S = 60.0


def simulate(times_s, cold_s, service_s, seed=1) -> tuple[list[dict], list[tuple[float, int]]]:
    """Requests as the load generator reports them, and (time, instances) at each start or end.
    cold_s and service_s are measured samples: each start and each request draws one."""
    draw = random.Random(seed)
    idle: list[float] = []  # since when; the last is taken first
    busy: list[float] = []  # until when
    asks, counts = [], []
    for t in times_s:
        while busy and busy[0] <= t:
            idle.append(heapq.heappop(busy))
        kept = [since for since in idle if t - since < IDLE_S]
        is_other, idle, cold = len(kept) < len(idle), kept, 0.0
        if idle:
            idle.pop()
        else:
            cold = draw.choice(cold_s)
        if cold or is_other:
            counts.append((t, len(idle) + len(busy) + 1))
        done = t + cold + draw.choice(service_s)
        heapq.heappush(busy, done)
        asks.append({"due": int(1e6 * t), "sent": int(1e6 * t), "done": int(1e6 * done),
                     "status": 200, "right": 1})
    return asks, counts
