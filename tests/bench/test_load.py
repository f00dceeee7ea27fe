# SPDX-License-Identifier: Apache-2.0
"""The load's own parts: arrivals, the simulated fleet, figures and drawing."""
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(os.environ["AI_SOURCE"]) / "bench" / "load"))

import fleet  # noqa: E402
import serve  # noqa: E402
import shapes  # noqa: E402
import timeline  # noqa: E402


def test_arrivals():
    times = shapes.arrivals(shapes.burst(100, 9), shapes.BURST, 9)
    inside = sum(3 <= t < 6 for t in times)
    assert times == sorted(times) and times[-1] < 9
    assert abs(inside - 3 * shapes.BURST) < 200 and abs(len(times) - inside - 600) < 100


def test_fleet():
    """One request after the other needs one instance, two at once need two, an idle one ends."""
    asks, counts = fleet.simulate([0, 2, 4, 4.1, 100], [1.0], [0.5])
    took = [round((a["done"] - a["due"]) / 1e3) for a in asks]
    assert took == [1500, 500, 500, 1500, 1500]
    assert counts == [(0, 1), (4.1, 2), (100, 1)]


def test_figures_and_drawing():
    asks = [{"due": 0, "sent": 0, "done": 2000, "status": 200, "right": 1},
            {"due": 10, "sent": 10, "done": 1010, "status": 429, "right": 0},
            {"due": 20, "sent": 20, "done": 30, "status": 200, "right": 0},
            {"due": 30, "sent": 30, "done": 40, "status": 0, "right": 0}]
    found = serve.figures(asks)
    assert (found["served"], found["refused"], found["errors"], found["wrong"]) == (2, 1, 1, 1)
    assert found["most"] == 2.0 and found["refused_p50"] == 1.0
    drawn = timeline.draw("a & b", {"asks": asks, "instances": [(0, 1)]}, 1)
    assert drawn.startswith("<svg") and "a &amp; b" in drawn and "instances" in drawn
