#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Load on ai-function: three shapes of it, what the handler costs, and a fleet in a simulation.

usage: load.py [--build build] [--seconds 6] --out DIR NAME=MODEL.lai BODY TYPE RATE [ONNX LABELS]

Asks at scheduled times whether or not answers keep up (latency counts from the schedule), compares
each answer with the first, and draws latency, rates and instances over time. RATE is what the
machine holds without a fault; bursts are of 1,184 a second. With ONNX and LABELS the same function
in Python stands beside it, cold and warm. Writes DIR/NAME.json and DIR/NAME-SHAPE.svg. Run it on an
idle machine."""
from __future__ import annotations

import argparse
import json
import os
import sys

import fleet
import serve
import shapes
import timeline

CONNECTIONS, WORKERS, STARTS, WARM = 64, 2, 7, 25


def handler(args, workers=1):
    return serve.Server([os.path.join(args.build, "bindings/faas/ai-function"), "--platform",
                         "http", "--port", "PORT", "--quiet", "--workers", workers, "--threads", 1,
                         "--model", args.model], args.data, args.type)


def python(args):
    return serve.Server([sys.executable, os.path.join(serve.HERE, "peer.py"), "PORT", args.onnx,
                         args.labels], args.data, args.type)


def starts(start, args) -> dict:
    """Cold and warm times, and memory, of processes in turn."""
    found = {"cold": [], "warm": [], "resident_mb": []}
    for _ in range(STARTS):
        server = start(args)
        found["cold"].append(server.cold_ms)
        found["warm"] += server.warm_ms(WARM)
        found["resident_mb"].append(server.resident_mb())
        server.stop()
    return found


def check_answers(args) -> None:
    """The best class must be the same in both."""
    best = []
    for start in (handler, python):
        server = start(args)
        best.append(json.loads(server.answer)["body"][0]["label"])
        server.stop()
    if best[0] != best[1]:
        sys.exit(f"load.py: libai says '{best[0]}', the peer '{best[1]}'")


def shape(args, name: str, server) -> dict:
    make = shapes.SHAPES[name]
    rate_at = make(args.rate, args.seconds)
    most = shapes.BURST if name == "burst" else args.rate
    times = shapes.arrivals(rate_at, most, args.seconds)
    asks = serve.generate(args.build, server, times, CONNECTIONS)
    return {"times": times, "asks": asks, "figures": serve.figures(asks)}


def simulated(args, cold_s, service_s) -> dict:
    rate_at = shapes.burst(args.rate, args.seconds)
    times = shapes.arrivals(rate_at, shapes.BURST, args.seconds)
    asks, counts = fleet.simulate(times, cold_s, service_s)
    return {"times": times, "asks": asks, "figures": serve.figures(asks), "instances": counts}


def measure(args) -> dict:
    found = {"name": args.name, "rate": args.rate, "seconds": args.seconds,
             "libai": starts(handler, args)}
    if args.onnx:
        found["python"] = starts(python, args)
        check_answers(args)
    server = handler(args, WORKERS)
    server.warm_ms(10)
    found["shapes"] = {name: shape(args, name, server) for name in shapes.SHAPES}
    found["alive"] = server.process.poll() is None and bool(server.ask())
    server.stop()
    found["shapes"]["burst on a fleet"] = simulated(
        args, [ms / 1e3 for ms in found["libai"]["cold"]], [ms / 1e3 for ms in found["libai"]["warm"]])
    return found


def report(args, found: dict) -> None:
    for who in ("libai", "python"):
        if who in found:
            f = found[who]
            print(f"{who}: cold {min(f['cold']):.1f} least {serve.median(f['cold']):.1f} median, warm "
                  f"{min(f['warm']):.2f} least {serve.median(f['warm']):.2f} median ms, "
                  f"resident {serve.median(f['resident_mb']):.1f} MB")
    for name, result in found["shapes"].items():
        print(name, {key: round(value, 2) for key, value in result["figures"].items()},
              max((count for _, count in result.get("instances", [])), default=1))
        drawn = timeline.draw(f"{args.name}, {name}", result, args.seconds)
        with open(os.path.join(args.out, f"{args.name}-{name.replace(' ', '-')}.svg"), "w",
                  encoding="utf-8") as out:
            out.write(drawn)
        del result["times"], result["asks"]
    with open(os.path.join(args.out, args.name + ".json"), "w", encoding="utf-8") as out:
        json.dump(found, out)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=os.path.join(serve.ROOT, "build"))
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--out", required=True)
    parser.add_argument("model", metavar="NAME=MODEL.lai")
    parser.add_argument("body")
    parser.add_argument("type")
    parser.add_argument("rate", type=float)
    parser.add_argument("onnx", nargs="?")
    parser.add_argument("labels", nargs="?")
    args = parser.parse_args()
    args.name, args.model = args.model.split("=", 1)
    with open(args.body, "rb") as stream:
        args.data = stream.read()
    return args


def main():
    args = arguments()
    os.makedirs(args.out, exist_ok=True)
    report(args, measure(args))


if __name__ == "__main__":
    main()
